package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

func trustCommand(opts *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "trust",
		Short: "Say whose ops this replica applies",
		Long: `Say whose ops this replica applies. While the list is empty, those of any
author. Once an author is on it, only those of listed authors and this replica's
own; ops of others are kept, change no story, and are applied should their
author be trusted later. With its own key alone on the list a replica applies
nobody else's. KEY is what huskies-mcp identity prints on the other machine.
Where the pipeline has joined a hub its members decide: huskies-mcp members.`,
		Args: func(_ *cobra.Command, args []string) error {
			return wrongSubcommand(args, "trust list, trust add KEY or trust remove KEY")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	var name string
	var open bool
	add := &cobra.Command{
		Use:   "add KEY",
		Short: "Apply the ops of the author with this key",
		Args:  oneKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return trustAdd(cmd, env, args[0], name) })
		},
	}
	add.Flags().StringVar(&name, "name", "", "what to call the author in trust list")
	remove := &cobra.Command{
		Use:   "remove KEY",
		Short: "Take an author off the list: by name, key or its beginning",
		Args:  oneKey,
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return trustRemove(cmd, env, args[0], open) })
		},
	}
	remove.Flags().BoolVar(&open, "open", false, "also when the list is empty then, so that ops of any author are applied")
	list := &cobra.Command{
		Use:   "list",
		Short: "Print whose ops are applied",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return trustList(cmd, env) })
		},
	}
	cmd.AddCommand(list, add, remove)
	return cmd
}

func oneKey(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("give one KEY: the 64 hex digits that huskies-mcp identity prints on the other machine")
	}
	return nil
}

// errMembersDecide returns an error if it is not for people here to decide whose ops count.
func errMembersDecide(cmd *cobra.Command, env *environment) error {
	is, _, err := env.replica.Members(cmd.Context())
	if err == nil && is != nil {
		err = errors.New("the members of the pipeline decide whose ops count, on every machine alike: see huskies-mcp members list, accept and remove. Nothing was changed")
	}
	return err
}

func trustAdd(cmd *cobra.Command, env *environment, key, name string) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	defer env.noteBeginning(cmd)()
	if err := errMembersDecide(cmd, env); err != nil {
		return err
	}
	author, err := crdt.ParseAuthor(key)
	if err != nil || !author.Valid() {
		return fmt.Errorf("%.80q is not an author's key: give the 64 hex digits that huskies-mcp identity prints on the other machine", key)
	}
	trusted, err := env.replica.Trusted(cmd.Context())
	if err != nil {
		return err
	}
	for _, t := range trusted {
		if t.Author == author && (name == "" || name == t.Name) {
			fmt.Fprintf(cmd.OutOrStdout(), "%s is on the list already\n", listed(t))
			return nil
		}
	}
	if err := env.replica.Trust(cmd.Context(), author, name); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "ops of listed authors and this replica's own are applied, those of others are not")
	if len(trusted) == 0 {
		noteHeld(cmd, env, author)
	}
	return nil
}

// membersDecide begins what trust list prints where members decide. sync looks for it at the far side.
const membersDecide = "the members of the pipeline decide whose ops count"

// listed is what an author on the list is called in full.
func listed(t oplog.TrustedAuthor) string {
	if t.Name == "" {
		return t.Author.String()
	}
	return fmt.Sprintf("%s (%s)", t.Author, phrase.Word(t.Name))
}

// noteHeld says what the first author on the list holds back: all that others
// wrote, so a key that is mistyped seems to empty the pipeline. The decision is
// durable whatever comes of this.
func noteHeld(cmd *cobra.Command, env *environment, first crdt.Author) {
	in, err := env.replica.Inspect(cmd.Context())
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: what is held now was not counted: %s\n", printable(err.Error()))
		return
	}
	ops, authors, strange := 0, 0, first != in.Author
	for _, a := range in.Authors {
		if a.Held > 0 {
			ops += a.Held
			authors++
		}
		if a.Author == first {
			strange = false
		}
	}
	if ops == 0 {
		return
	}
	verb := "are held now and change"
	if ops == 1 {
		verb = "is held now and changes"
	}
	undo := fmt.Sprintf("huskies-mcp trust remove %s --open", first)
	if strange {
		undo = fmt.Sprintf("None here is of %s: if it is mistyped, undo it with %s", first, undo)
	} else {
		undo = "To undo it: " + undo
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "note: %s of %s on the list %s no story. %s\n", phrase.Count(ops, "op", "ops"),
		phrase.Count(authors, "author who is not", "authors who are not"), verb, undo)
}

func trustRemove(cmd *cobra.Command, env *environment, key string, open bool) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	if err := errMembersDecide(cmd, env); err != nil {
		return err
	}
	trusted, err := env.replica.Trusted(cmd.Context())
	if err != nil {
		return err
	}
	var found []oplog.TrustedAuthor
	for _, t := range trusted {
		if t.Author.String() == strings.ToLower(key) {
			found = []oplog.TrustedAuthor{t}
			break
		}
		if t.Name == key || len(key) >= 8 && strings.HasPrefix(t.Author.String(), strings.ToLower(key)) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return fmt.Errorf("%.80q is not on the list: see huskies-mcp trust list", key)
	case len(found) > 1:
		return fmt.Errorf("%.80q may mean %d authors on the list: give the whole key", key, len(found))
	}
	if len(trusted) == 1 && !open {
		return errors.New("this would empty the list, and then " + phrase.EveryoneTrusted + ": add another author first (with the own key alone, which huskies-mcp identity prints, nobody else's ops are), or say --open")
	}
	if err := env.replica.Distrust(cmd.Context(), found[0].Author); err != nil {
		return err
	}
	if len(trusted) == 1 {
		fmt.Fprintf(cmd.OutOrStdout(), "the list is empty now: %s, also those of %s\n", phrase.EveryoneTrusted, found[0].Author)
		return nil
	}
	fmt.Fprintf(cmd.OutOrStdout(), "ops of %s are not applied any more\n", found[0].Author)
	return nil
}

func trustList(cmd *cobra.Command, env *environment) error {
	is, _, err := env.replica.Members(cmd.Context())
	if err != nil {
		return err
	}
	if is != nil {
		fmt.Fprintln(cmd.OutOrStdout(), membersDecide+", see huskies-mcp members list:")
		for _, s := range is.All() {
			if s.Member {
				fmt.Fprintln(cmd.OutOrStdout(), s.Author)
			}
		}
		return nil
	}
	trusted, err := env.replica.Trusted(cmd.Context())
	if err != nil {
		return err
	}
	if len(trusted) == 0 {
		fmt.Fprintln(cmd.OutOrStdout(), "no author is listed: "+phrase.EveryoneTrusted)
		return nil
	}
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, t := range trusted {
		name := "-"
		if t.Name != "" {
			name = phrase.Word(t.Name)
		}
		fmt.Fprintf(table, "%s\t%s\tsince %s\n", t.Author, name, cmp.Or(pipeline.FormatTime(pipeline.TimeOf(t.Since)), unknownTime))
	}
	return table.Flush()
}

func identityCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "identity",
		Short: "Print this replica's public key, for trust add elsewhere",
		Long: `Print this replica's public key, for trust add on other machines. A database
that was copied here gets a key of its own first; the keys that it signed with
in other places are named on standard error. Their ops stay this replica's own.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return identity(cmd, env) })
		},
	}
}

func identity(cmd *cobra.Command, env *environment) error {
	author, ok, err := env.replica.Author(cmd.Context())
	if err == nil && !ok {
		err = fmt.Errorf("%w, and the replica's key with it; so do import and trust add", env.errNoPipeline())
	}
	if err != nil {
		return err
	}
	own, err := env.replica.Identities(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), author)
	for _, id := range own {
		if !id.Present {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: formerly %s, %s\n", id.Author, printable(phrase.Home(id)))
		}
	}
	return nil
}
