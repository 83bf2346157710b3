package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

func membersCommand(opts *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members",
		Short: "Say who is a member, whose ops count on every machine",
		Long: `Say who is a member of the pipeline that this machine has joined. The ops of
members count on every machine, and those of nobody else. The first machine that
joined is an admin: admins add and remove others. MEMBER is a name, a key, or 8
or more of its first digits.`,
		Args: func(_ *cobra.Command, args []string) error {
			return wrongSubcommand(args, "members list, members accept MEMBER, members remove MEMBER or members admin MEMBER")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "Print the members, who waits to be one, and whose ops do not count",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return membersList(cmd, env) })
		},
	}
	var name string
	accept := &cobra.Command{
		Use:   "accept MEMBER",
		Short: "Make one a member that waits, or whose ops do not count",
		Args:  oneMember,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeMember(cmd, opts, args[0], func(m *membership, key string) (members.Change, string, error) { return m.accept(key, name) })
		},
	}
	accept.Flags().StringVar(&name, "name", "", "what people call the member (default: what it calls itself)")
	remove := &cobra.Command{
		Use:   "remove MEMBER",
		Short: "Let nothing count on any machine that a member writes from now on",
		Long: `Let nothing count on any machine that a member writes from now on. What of it is
here goes on to count. The hub cuts its connection. Another invitation undoes
it, and so does members accept KEY.`,
		Args: oneMember,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeMember(cmd, opts, args[0], (*membership).remove)
		},
	}
	admin := &cobra.Command{
		Use:   "admin MEMBER",
		Short: "Let a member add and remove others",
		Long: `Let a member add and remove others. It cannot remove those who were admins
before it. An admin stays one until it is removed.`,
		Args: oneMember,
		RunE: func(cmd *cobra.Command, args []string) error {
			return changeMember(cmd, opts, args[0], (*membership).makeAdmin)
		},
	}
	cmd.AddCommand(list, accept, remove, admin)
	return cmd
}

func oneMember(_ *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return errors.New("give one MEMBER: a name or a key as huskies-mcp members list prints it")
	}
	return nil
}

// membership is what a command knows of the members.
type membership struct {
	is      *members.Members
	own     crdt.Author
	authors []replica.AuthorOps
	waiting []relay.Waiting
	headsOf func(crdt.Author) ([]crdt.OpID, error)
}

// errNoMembers: no members decide here.
var errNoMembers = errors.New("this pipeline was never joined to a hub, so there are no members, and people here decide whose ops count: huskies-mcp trust. To share it: huskies-mcp join INVITATION")

// readMembership asks the hub who waits, if it can be asked, and reads the members.
func readMembership(ctx context.Context, env *environment, desk *relay.Desk) (m membership, asked error, err error) {
	if desk != nil {
		if asked = desk.MeetMembers(ctx); asked == nil {
			m.waiting, asked = desk.Waiting(ctx)
		}
	}
	if m.own, _, err = env.replica.Author(ctx); err == nil {
		m.is, m.authors, err = env.replica.Members(ctx)
	}
	if err == nil && m.is == nil {
		err = errNoMembers
	}
	return m, asked, err
}

func membersList(cmd *cobra.Command, env *environment) error {
	desk, why := relay.OpenDesk(cmd.Context(), env.relayConfig())
	if why == nil {
		defer desk.Close()
	}
	m, asked, err := readMembership(cmd.Context(), env, desk)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, line := range m.lines() {
		fmt.Fprintln(table, line)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if why = errors.Join(why, asked); why != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: who waits is not known now: %s\n", printable(why.Error()))
	}
	return nil
}

// lines are the rows of the list.
func (m *membership) lines() (lines []string) {
	row := func(name string, a crdt.Author, state string) {
		if name == "" {
			name = "-"
		}
		if a == m.own {
			state += ", this machine"
		}
		if held := m.held(a); held > 0 {
			state += ", " + phrase.Count(held, "op does not count", "ops do not count")
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%s", phrase.Word(name), a, state))
	}
	for _, s := range m.is.All() {
		switch {
		case s.Admin:
			row(s.Name, s.Author, "admin")
		case s.Member:
			row(s.Name, s.Author, "member")
		case s.Transport == "":
			row(s.Name, s.Author, "wrote before it was shared")
		default:
			row(s.Name, s.Author, "removed")
		}
	}
	for _, w := range m.waiting {
		if a, err := crdt.ParseAuthor(w.Author); err == nil {
			row(w.Name, a, "waits: huskies-mcp members accept "+a.Short())
		}
	}
	for _, a := range m.authors {
		if a.Held > 0 && m.is.Of(a.Author) == nil && !m.waits(a.Author) {
			row("", a.Author, "no member")
		}
	}
	return lines
}

func (m *membership) held(a crdt.Author) int {
	for _, o := range m.authors {
		if o.Author == a {
			return o.Held
		}
	}
	return 0
}

func (m *membership) waits(a crdt.Author) bool {
	return slices.ContainsFunc(m.waiting, func(w relay.Waiting) bool { return w.Author == a.String() })
}

// changeMember signs what change says, and sends it.
func changeMember(cmd *cobra.Command, opts *options, key string, change func(m *membership, key string) (members.Change, string, error)) error {
	return withReplica(cmd, *opts, func(env *environment) error {
		if err := env.mayWrite(cmd); err != nil {
			return err
		}
		ctx := cmd.Context()
		desk, why := relay.OpenDesk(ctx, env.relayConfig())
		if why == nil {
			defer desk.Close()
		}
		m, asked, err := readMembership(ctx, env, desk)
		if err != nil {
			return err
		}
		var said string
		err = env.replica.ChangeMembers(ctx, func(is *members.Members, headsOf func(crdt.Author) ([]crdt.OpID, error)) ([]members.Change, error) {
			m.is, m.headsOf = is, headsOf
			c, text, err := change(&m, key)
			said = text
			return []members.Change{c}, err
		})
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), said)
		if why == nil && asked == nil {
			why = desk.SendMembers(ctx)
		}
		if why = errors.Join(why, asked); why != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: the hub was not told yet, and hears it when this machine reaches it: %s\n", printable(why.Error()))
		}
		return nil
	})
}

// minKeyDigits is how many digits of a key name an author at least.
const minKeyDigits = 8

func isCalled(key, name string, a crdt.Author) bool {
	return name == key || len(key) >= minKeyDigits && strings.HasPrefix(a.String(), strings.ToLower(key))
}

// member returns the one member that key means.
func (m *membership) member(key string) (*members.Standing, error) {
	var found []*members.Standing
	for _, s := range m.is.All() {
		if s.Member && isCalled(key, s.Name, s.Author) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("no member is called %.80q: see huskies-mcp members list", key)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%.80q may mean %d members: give %d or more of the first digits of the key", key, len(found), minKeyDigits)
}

// mayDecide returns an error unless what this machine says about an author counts.
func (m *membership) mayDecide(about crdt.Author) error {
	if m.is.MayDecide(m.own, about) {
		return nil
	}
	own := m.is.Of(m.own)
	if own == nil || !own.Admin {
		var admins []string
		for _, s := range m.is.All() {
			if s.Admin {
				admins = append(admins, phrase.Word(s.Name))
			}
		}
		return fmt.Errorf("only an admin decides that, and this machine is none. Ask %s, or who runs the hub (huskies-hub members)", phrase.Some(admins))
	}
	return errors.New("that is an admin who was one before this machine: only a more senior one decides about it, or who runs the hub (huskies-hub members remove)")
}

func (m *membership) accept(key, name string) (c members.Change, said string, err error) {
	if c, err = m.acceptable(key); err != nil {
		return c, "", err
	}
	if name != "" {
		c.Name = name
	}
	if len(c.Name) > members.MaxName {
		return c, "", fmt.Errorf("the name has %d bytes, want at most %d", len(c.Name), members.MaxName)
	}
	return c, fmt.Sprintf("%s is a member: its ops count on every machine", called(c.Name, c.Author)), m.mayDecide(c.Author)
}

// acceptable returns what adds the author that key means: one that waits, one whose ops do not count, or any key.
func (m *membership) acceptable(key string) (c members.Change, err error) {
	var found []members.Change
	for _, w := range m.waiting {
		if a, err := crdt.ParseAuthor(w.Author); err == nil && isCalled(key, w.Name, a) {
			found = append(found, members.Change{Author: a, Transport: w.Transport, Name: w.Name})
		}
	}
	for _, s := range m.is.All() {
		if !s.Member && isCalled(key, s.Name, s.Author) {
			found = append(found, members.Change{Author: s.Author, Transport: s.Transport, Name: s.Name})
		}
	}
	for _, o := range m.authors {
		if o.Held > 0 && m.is.Of(o.Author) == nil && !m.waits(o.Author) && isCalled(key, "", o.Author) {
			found = append(found, members.Change{Author: o.Author})
		}
	}
	if a, err := crdt.ParseAuthor(key); err == nil && a.Valid() && len(found) == 0 && !m.is.Counts(a) {
		return members.Change{Author: a}, nil
	}
	switch len(found) {
	case 0:
		return c, fmt.Errorf("nobody who is no member yet is called %.80q: see huskies-mcp members list, or give the 64 digits of a key", key)
	case 1:
		return found[0], nil
	}
	return c, fmt.Errorf("%.80q may mean %d authors: give %d or more of the first digits of the key", key, len(found), minKeyDigits)
}

func (m *membership) remove(key string) (c members.Change, said string, err error) {
	s, err := m.member(key)
	if err != nil {
		return c, "", err
	}
	if s.Author != m.own {
		if err := m.mayDecide(s.Author); err != nil {
			return c, "", err
		}
	}
	c = members.Change{Author: s.Author, Remove: true}
	c.Heads, err = m.headsOf(s.Author)
	return c, fmt.Sprintf("%s is a member no more: what of it is here counts, and nothing that it writes from now on", called(s.Name, s.Author)), err
}

func (m *membership) makeAdmin(key string) (c members.Change, said string, err error) {
	s, err := m.member(key)
	if err != nil {
		return c, "", err
	}
	if s.Admin {
		return c, "", fmt.Errorf("%s is an admin already", called(s.Name, s.Author))
	}
	return members.Change{Author: s.Author, Transport: s.Transport, Name: s.Name, Admin: true},
		called(s.Name, s.Author) + " is an admin: it adds and removes others", m.mayDecide(s.Author)
}

// called is what people call an author, with its key.
func called(name string, a crdt.Author) string {
	if name == "" {
		return a.String()
	}
	return fmt.Sprintf("%s (%s)", phrase.Word(name), a.Short())
}
