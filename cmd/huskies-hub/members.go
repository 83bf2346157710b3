package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/cmdline"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
)

func membersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "members DIR",
		Short: "Print the machines that may connect, and those that were removed",
		Args:  oneFolder,
		RunE:  func(cmd *cobra.Command, args []string) error { return listMembers(cmd, folder(args[0])) },
	}
	remove := &cobra.Command{
		Use:   "remove DIR MEMBER",
		Short: "Let a machine in no more: by its name, its key, or 8 or more of the key's first digits",
		Long: `Let a machine in no more. Its connection is cut within a second. What the hub has of it
stays, and what it writes from now on counts on no machine. It cannot come back without another invitation.`,
		Args: cmdline.Exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error { return removeMember(cmd, folder(args[0]), args[1]) },
	}
	cmd.AddCommand(remove)
	return cmd
}

func listMembers(cmd *cobra.Command, d folder) error {
	if _, err := d.open(); err != nil {
		return err
	}
	l, err := d.lists()
	if err != nil {
		return err
	}
	r, err := d.roster()
	if err != nil {
		return err
	}
	if len(l.members) == 0 && len(r.members().All()) == 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "no machine is a member yet: let one in with huskies-hub invite %s\n", d)
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, s := range r.members().All() {
		fmt.Fprintf(table, "%s\t%s\t%s\n", printable(s.Name), s.Author, stateOf(s))
	}
	for _, m := range l.members {
		if r.members().Of(m.Author) != nil {
			continue
		}
		state := "since " + m.AdmittedAt.Format(time.RFC3339)
		switch {
		case m.RemovedAt != nil:
			state = "removed " + m.RemovedAt.Format(time.RFC3339)
		case m.Waits:
			state = "waits for an admin since " + m.AdmittedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", printable(m.Name), m.Author, state)
	}
	return table.Flush()
}

// stateOf says what an author is.
func stateOf(s *members.Standing) string {
	switch {
	case s.Admin:
		return "admin"
	case s.Member:
		return "member"
	case s.Transport == "":
		return "wrote before there was a hub"
	}
	return "removed"
}

// minKey is how many digits of a key name a member at least.
const minKey = 8

func removeMember(cmd *cobra.Command, d folder, key string) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	return d.withConn(config, cmd.ErrOrStderr(), func(conn *nats.Conn) error {
		s, err := d.removeBy(cmd.Context(), config, conn, key)
		if err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is let in no more\n", printable(s.Name), s.Author)
		return nil
	})
}

const (
	// removeTimeout is how long a removal is tried: of hubs that stand in for each other one leads, and when it is lost
	// the others need some seconds.
	removeTimeout  = 30 * time.Second
	removeInterval = 500 * time.Millisecond
)

// removeBy signs the removal of the member that key means, by a connection to the hub.
func (d folder) removeBy(ctx context.Context, config hubConfig, conn *nats.Conn, key string) (s *members.Standing, err error) {
	g, err := newGate(d, config, slog.New(slog.DiscardHandler))
	if err == nil {
		g.js, err = jetstream.New(conn)
	}
	if err != nil {
		return nil, err
	}
	roomMade := false
	for end := time.Now().Add(removeTimeout); ; time.Sleep(removeInterval) {
		found, err := g.tryRemove(ctx, key)
		if relay.IsFull(err) && !roomMade { // perhaps the member that is removed filled it
			if err = g.makeRoom(ctx); err == nil {
				roomMade = true
				continue
			}
		}
		if found != nil {
			s = found
		}
		if err == nil || s != nil && errors.Is(err, errNoMember) { // a try had its effect after all
			return s, nil
		}
		late := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders)
		switch {
		case errors.Is(err, errNoMember):
			return nil, fmt.Errorf("%w: see huskies-hub members %s", err, d)
		case !late:
			return nil, err
		case time.Now().After(end) || ctx.Err() != nil:
			return nil, fmt.Errorf("the hub does not store it now, so nobody was removed: repeat it when it runs, or most of those that stand in for each other: %w", err)
		}
	}
}

func (g *gate) tryRemove(ctx context.Context, key string) (*members.Standing, error) {
	if err := g.exchangeMembers(ctx); err != nil {
		return nil, err
	}
	if err := g.signLists(ctx); err != nil {
		return nil, err
	}
	s, err := memberCalled(g.roster.members(), key)
	if err == nil {
		err = g.remove(ctx, s.Author)
	}
	return s, err
}

// errNoMember: no member, or more than one, is called so.
var errNoMember = errors.New("no member")

// remove signs that an author is a member no more. What the hub has of it counts.
func (g *gate) remove(ctx context.Context, a crdt.Author) error {
	heads, err := streamHeads(ctx, g.js, g.pipeline, a)
	if err != nil {
		return err
	}
	signed, err := g.roster.sign(members.Change{Author: a, Remove: true, Heads: heads})
	if err != nil {
		return err
	}
	return g.publish(signed, "")
}

// roomForRemovals is how many bytes a full stream gets more, until the hub starts anew.
const roomForRemovals = 1 << 20

// makeRoom lets a full stream take a removal.
func (g *gate) makeRoom(ctx context.Context) error {
	stream, err := g.js.Stream(ctx, relay.StreamName(g.pipeline))
	if err != nil {
		return err
	}
	greater := stream.CachedInfo().Config
	greater.MaxBytes += roomForRemovals
	_, err = g.js.UpdateStream(ctx, greater)
	return err
}

// memberCalled returns the member with a name, or a key that begins so.
func memberCalled(is *members.Members, key string) (*members.Standing, error) {
	var found []*members.Standing
	for _, s := range is.All() {
		if s.Member && (s.Name == key || len(key) >= minKey && strings.HasPrefix(s.Author.String(), strings.ToLower(key))) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%w is called %q", errNoMember, key)
	case 1:
		return found[0], nil
	}
	return nil, fmt.Errorf("%w for certain: %q may mean %d, so give %d or more of the first digits of the key", errNoMember, key, len(found), minKey)
}
