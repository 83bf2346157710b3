package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/relay"
)

func joinCommand(opts *options) *cobra.Command {
	var merge bool
	var name, creds, keyEnv string
	cmd := &cobra.Command{
		Use:   "join INVITATION",
		Short: "Share this pipeline with other machines, through a hub",
		Long: `Share this pipeline with the other machines of a hub. INVITATION is what
huskies-hub invite prints. It needs no terminal, and makes a pipeline where
there is none. From then on the servers on this machine send each change to the
hub and take in those of the others, and go on alone while the hub cannot be
reached.

All of the history goes to the hub, deleted stories too: who runs the hub can
read it, and so can every member. Two pipelines that have nothing in common are
not made one, unless --merge says so. Its members decide whose ops count from
then on, see huskies-mcp members. To end it: huskies-mcp leave.

A NATS server of your own can be the hub: huskies-hub setup prints what to join
it with. Machines that are thrown away, such as CI runners, can share one key:
with --key-env they are one member, and need one invitation.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("give one INVITATION: the word that huskies-hub invite prints, which begins with huskies://")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := *opts
			var err error
			if keyEnv != "" {
				if opts.seed, err = seedFrom(opts.getenv, keyEnv); err != nil {
					return err
				}
			}
			return withReplica(cmd, opts, func(env *environment) error {
				if err := env.checkSeed(cmd.Context(), opts.seed); err != nil {
					return err
				}
				return join(cmd, env, args[0], creds, name, merge)
			})
		},
	}
	cmd.Flags().BoolVar(&merge, "merge", false, "make one pipeline of this one and the hub's, though they have nothing in common")
	cmd.Flags().StringVar(&creds, "creds", "", "with the URL of a NATS server of your own: file with the credentials for it")
	cmd.Flags().StringVar(&keyEnv, "key-env", "", "sign with the key in this environment variable, 64 hex digits: for machines that are thrown away, such as CI runners")
	cmd.Flags().StringVar(&name, "name", "", "what people call this machine (default: its host name)")
	return cmd
}

func join(cmd *cobra.Command, env *environment, text, creds, name string, merge bool) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	in, err := parseHub(text, creds)
	if err != nil {
		return err
	}
	asked := name
	if name == "" {
		if name, err = os.Hostname(); err != nil {
			return fmt.Errorf("say with --name what people call this machine: %w", err)
		}
	}
	waits := func(author crdt.Author) {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: an admin must accept this machine, and it waits for that: huskies-mcp members accept %s on the admin's machine\n", author.Short())
	}
	joining := relay.Joining{Replica: env.replica, Rand: rand.Reader, Now: time.Now, Name: name, Merge: merge, Waits: waits}
	joined, err := joining.Join(cmd.Context(), in)
	if err != nil {
		return inJoinWords(cmd, env, err, in, joined)
	}
	if joined.Again {
		fmt.Fprintf(cmd.OutOrStdout(), "this pipeline is joined to the hub %s already\n", in.Address)
	} else {
		fmt.Fprintf(cmd.OutOrStdout(), "joined the hub %s: %s to send, %s to read\n", in.Address,
			phrase.Count(int(joined.Ops), "op", "ops"), phrase.Count(int(joined.Messages), "op", "ops"))
	}
	if err := settle(cmd, env); err != nil {
		return err
	}
	if err := noteOtherName(cmd, env, asked); err != nil {
		return err
	}
	return noteStrangers(cmd, env)
}

// noteOtherName says that the name which a person asked for is not the one that the members know: a machine gets its name when it
// becomes a member.
func noteOtherName(cmd *cobra.Command, env *environment, asked string) error {
	m, _, err := readMembership(cmd.Context(), env, nil)
	if errors.Is(err, errNoMembers) || asked == "" {
		return nil // a NATS server of one's own knows no names
	}
	if err != nil {
		return err
	}
	own := m.is.Of(m.own)
	if own == nil || own.Name == asked {
		return nil
	}
	text := fmt.Sprintf("this machine was a member before, as %s, and keeps that name: --name %s changes nothing", phrase.Word(own.Name), phrase.Word(asked))
	if !own.Admin { // to be an admin again would take more than a name
		text += fmt.Sprintf(". An admin gives it the other name with huskies-mcp members remove %s, then huskies-mcp members accept %s --name NAME", m.own.Short(), m.own.Short())
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", text)
	return nil
}

// noteStrangers names the authors whose ops do not count since they are no members.
func noteStrangers(cmd *cobra.Command, env *environment) error {
	is, authors, err := env.replica.Members(cmd.Context())
	if err != nil || is == nil {
		return err
	}
	for _, a := range authors {
		if a.Held > 0 && is.Of(a.Author) == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: %s of author %s, who is no member: none of it counts. An admin makes the author a member: huskies-mcp members accept %s\n",
				phrase.Count(a.Held, "op here is", "ops here are"), a.Author.Short(), a.Author)
		}
	}
	return nil
}

// parseHub reads what a person gives to say which hub to join.
func parseHub(text, creds string) (in *relay.Invitation, err error) {
	if relay.IsOwn(text) {
		if creds != "" {
			if creds, err = filepath.Abs(creds); err == nil {
				_, err = os.Stat(creds)
			}
			if err != nil {
				return nil, fmt.Errorf("the credentials cannot be read: %w", err)
			}
		}
		if in, err = relay.ParseOwn(text, creds); err != nil {
			err = fmt.Errorf("%w: copy what huskies-hub setup prints", err)
		}
		return in, err
	}
	if creds != "" {
		return nil, errors.New("--creds is for a NATS server of your own, whose URL begins with nats:// or tls://; an invitation needs no credentials")
	}
	if in, err = relay.ParseInvitation(text); err != nil {
		err = fmt.Errorf("%w: copy all of the word that huskies-hub invite prints, in quotes", err)
	}
	return in, err
}

// inJoinWords says what to do about a join that failed.
func inJoinWords(cmd *cobra.Command, env *environment, err error, in *relay.Invitation, joined relay.Joined) error {
	switch {
	case errors.Is(err, relay.ErrOtherHub):
		return fmt.Errorf("this pipeline is %w. To go to another one: huskies-mcp leave, then join again", err)
	case errors.Is(err, relay.ErrNotInvited):
		return fmt.Errorf("%w: each invitation is good once, for two days. Ask for another one (huskies-hub invite). Nothing was changed", err)
	case errors.Is(err, relay.ErrUnaccepted):
		return fmt.Errorf("interrupted: %w. An admin still can. The same join goes on waiting, for as long as the invitation is good, and goes through once an admin has accepted the machine", err)
	case errors.Is(err, relay.ErrApart) && relay.IsOwn(in.Address):
		return fmt.Errorf("%w than this one: they have no op in common. To work on the hub's, join in a folder without a pipeline; to make one of the two for all members, join with --merge", err)
	case errors.Is(err, relay.ErrApart):
		return apartInWords(cmd, env, err, joined)
	case joined.Admitted:
		return fmt.Errorf("%w. The invitation is used, and this machine is a member. It is not joined yet: repeat the same join when the hub serves and this machine reaches %s", err, in.Address)
	}
	return fmt.Errorf("%w. Nothing was changed: see that the hub serves and that this machine reaches %s, then repeat it", err, in.Address)
}

// apartInWords says what to do where the hub's pipeline is another one. A hub lets members alone read, so a machine is one before the
// two are compared.
func apartInWords(cmd *cobra.Command, env *environment, apart error, joined relay.Joined) error {
	own, _, err := env.replica.Author(cmd.Context())
	if err != nil {
		return errors.Join(apart, err)
	}
	is, other := "This machine was a member of the hub before, and is not joined", "an invitation that no machine has used"
	if joined.Admitted {
		is, other = "This machine is not joined, but it is a member of the hub now, and the invitation is used", "another invitation (huskies-hub invite)"
	}
	return fmt.Errorf("%w than this one: they have no op in common. %s. To make one pipeline of the two for all members, repeat the join with --merge. "+
		"To work on the hub's, join in a folder without a pipeline, with %s. An admin then takes the machine of this folder off the list: huskies-mcp members remove %s",
		apart, is, other, own.Short())
}

// firstExchange bounds the wait of join. A big history goes on in the servers, or with huskies-mcp relay.
const firstExchange = time.Minute

// settle sends and reads until both sides have the same, so that the next command sees it.
func settle(cmd *cobra.Command, env *environment) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), firstExchange)
	defer cancel()
	stop := env.startRelay(ctx)
	err := relay.Settled(ctx, env.replica)
	stop()
	switch {
	case err == nil:
		fmt.Fprintln(cmd.OutOrStdout(), "this machine and the hub have the same ops")
		return nil
	case cmd.Context().Err() != nil:
		return cmd.Context().Err()
	}
	fmt.Fprintln(cmd.ErrOrStderr(), "note: the exchange is not done yet. The servers on this machine go on with it, or huskies-mcp relay; huskies-mcp hub says how far it is")
	return nil
}
