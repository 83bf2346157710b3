package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
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

// relayConfig is the environment as package relay wants it.
func (env *environment) relayConfig() relay.Config {
	return relay.Config{Replica: env.replica, Now: time.Now, Rand: rand.Reader, Logger: env.logger}
}

// startRelay exchanges with the hub, if there is one, until the result is called.
func (env *environment) startRelay(ctx context.Context) (stop func()) {
	if env.offer.readOnly {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		relay.New(env.relayConfig()).Run(ctx)
		close(done)
	}()
	return func() { cancel(); <-done }
}

// relayRuns reports whether a process of this machine exchanges with the hub.
func (env *environment) relayRuns() (bool, error) {
	release, free, err := env.replica.ElectRelay()
	if err != nil || !free {
		return true, err
	}
	release()
	return false, nil
}

// warnUnsent says that nothing on this machine sends what was written to the hub, or that the hub does not take it.
func (env *environment) warnUnsent(cmd *cobra.Command) {
	hub, state, err := env.replica.Hub(cmd.Context())
	if err != nil || hub == nil || state.Outbox == 0 {
		return
	}
	if status, err := relay.ReadStatus(env.replica); err == nil {
		if _, refused := status.Refused(hub); refused {
			problem, remedy := phrase.NotLetIn(relay.IsOwn(hub.Address))
			fmt.Fprintf(cmd.ErrOrStderr(), "note: other machines do not see this: %s. What to do: %s\n", problem, remedy)
			return
		}
	}
	if running, err := env.relayRuns(); err == nil && !running {
		fmt.Fprintln(cmd.ErrOrStderr(), "note: other machines do not see this yet: nothing here sends it to the hub. An agent's server does when it runs, or huskies-mcp relay")
	}
}

// offlineClaims returns what the flag says, or else the variable.
func offlineClaims(cmd *cobra.Command, opts options) (bool, error) {
	value := opts.getenv("HUSKIES_OFFLINE_CLAIMS")
	if value == "" || cmd.Flags().Changed("offline-claims") {
		return opts.offlineClaims, nil
	}
	yes, err := strconv.ParseBool(value)
	if err != nil {
		return false, fmt.Errorf("HUSKIES_OFFLINE_CLAIMS must be 1 or 0; got %q", value)
	}
	return yes, nil
}

// claimsHub asks the hub before claims. It may be told to go on when the hub cannot be asked.
type claimsHub struct {
	*relay.Claims
	offline bool
	logger  *slog.Logger
}

// Reserve is that of [tools.Hub].
func (h *claimsHub) Reserve(ctx context.Context, story, agent string) (r pipeline.Reservation, by string, err error) {
	r, by, err = h.Claims.Reserve(ctx, story, agent)
	if h.offline && errors.Is(err, relay.ErrUnreachable) {
		h.logger.Warn("a story is claimed though the hub cannot be asked whether another machine has it", "story", story, "error", err)
		return pipeline.Reservation{Story: story}, "", nil
	}
	return r, by, err
}

// reserveFor reserves a story before a person claims it. Without a hub it returns none.
func (env *environment) reserveFor(ctx context.Context, story, person string) (r pipeline.Reservation, err error) {
	if joined, err := env.hub.Joined(ctx); err != nil || !joined {
		return r, err
	}
	r, by, err := env.hub.Reserve(ctx, story, person)
	var why *pipeline.Error
	switch {
	case errors.As(err, &why):
		return r, err
	case errors.Is(err, relay.ErrUnreachable):
		return r, fmt.Errorf("%w: %w", pipeline.Unreachable(story), err)
	case err != nil:
		return r, err
	case by != "":
		return r, pipeline.Elsewhere(story, by)
	}
	return r, nil
}

func leaveCommand(opts *options) *cobra.Command {
	var forget bool
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Share this pipeline through the hub no more",
		Long: `Share this pipeline through the hub no more. What came from there stays, and
what was sent stays there. The members still decide whose ops count, unless
--forget-members makes this pipeline one of its own, where people decide that
with huskies-mcp trust. To come back, join again.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return leave(cmd, env, forget) })
		},
	}
	cmd.Flags().BoolVar(&forget, "forget-members", false, "let people here decide again whose ops count")
	return cmd
}

func leave(cmd *cobra.Command, env *environment, forget bool) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	if err := leaveHub(cmd, env); err != nil || !forget {
		return err
	}
	if err := env.replica.ForgetMembers(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "people here decide again whose ops count: huskies-mcp trust list")
	return nil
}

func leaveHub(cmd *cobra.Command, env *environment) error {
	hub, state, err := env.replica.Hub(cmd.Context())
	if err != nil {
		return err
	}
	if hub == nil {
		fmt.Fprintln(cmd.OutOrStdout(), "this pipeline is joined to no hub")
		return nil
	}
	if err := env.replica.LeaveHub(cmd.Context()); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "left the hub %s\n", hub.Address)
	if state.Outbox > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s not sent to it: other machines do not get what this one wrote, unless you join again\n", phrase.Count(int(state.Outbox), "op was", "ops were"))
	}
	return nil
}

func hubCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "hub",
		Short: "Say how this machine and its hub are doing",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return showHub(cmd, env) })
		},
	}
}

func showHub(cmd *cobra.Command, env *environment) error {
	hub, state, err := env.replica.Hub(cmd.Context())
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if hub == nil {
		fmt.Fprintln(out, "this pipeline is joined to no hub: huskies-mcp join INVITATION joins one")
		return nil
	}
	status, err := relay.ReadStatus(env.replica)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: what the relay says of itself cannot be read, so this may not be all: %s. huskies-mcp doctor says what to do\n", printable(err.Error()))
	}
	running, locked := env.relayRuns()
	_, refused := status.Refused(hub)
	fmt.Fprintf(out, "hub         %s, joined %s\n", printable(hub.Address), at(hub.JoinedAt))
	if err := showOwnStanding(cmd, env, refused); err != nil {
		return err
	}
	switch {
	case locked != nil:
		fmt.Fprintf(out, "connected   no: %s. huskies-mcp doctor says what to do\n", printable(locked.Error()))
	case refused:
		problem, remedy := phrase.NotLetIn(relay.IsOwn(hub.Address))
		fmt.Fprintf(out, "connected   no: %s, last tried %s\n", problem, at(status.RefusedAt))
		fmt.Fprintf(out, "what to do  %s\n", remedy)
	case !running:
		fmt.Fprintln(out, "connected   no: no process of this machine exchanges. An agent's server does, or huskies-mcp relay")
	case status.ConnectedSince > 0:
		fmt.Fprintf(out, "connected   since %s\n", at(status.ConnectedSince))
		fmt.Fprintf(out, "behind by   %s\n", phrase.Count(int(status.Behind), "op", "ops"))
	default:
		fmt.Fprintln(out, "connected   no: it is tried again every few seconds")
	}
	outbox := phrase.Count(int(state.Outbox), "op", "ops")
	if state.Outbox > 0 {
		outbox += ", the oldest of " + at(state.Since)
	}
	fmt.Fprintf(out, "to send     %s\n", outbox)
	if status.Full {
		fmt.Fprintln(out, "full        the hub takes no more: its owner can give it more room (max_bytes in hub.json)")
	}
	if state.Read.Seq > 0 {
		fmt.Fprintf(out, "read        up to message %d of the hub\n", state.Read.Seq)
	}
	if ahead, off := status.ClockOff(); off {
		fmt.Fprintf(out, "clock       %s: claims end by the hub's clock, so set the two\n", phrase.ClockAhead(ahead))
	}
	if state.Skipped > 0 {
		fmt.Fprintf(out, "passed over %s, for want of room or of a newer huskies-mcp: tried again at each connection\n", phrase.Count(int(state.Skipped), "op", "ops"))
	}
	if status.LastError != "" && status.ConnectedSince == 0 && !refused {
		fmt.Fprintf(out, "last error  %s, %s\n", printable(status.LastError), at(status.ErrorAt))
	}
	return nil
}

// showOwnStanding says how many members there are, and what this machine is among them. A machine that the hub refused may not have
// read what it is now.
func showOwnStanding(cmd *cobra.Command, env *environment, refused bool) error {
	m, _, err := readMembership(cmd.Context(), env, nil)
	if errors.Is(err, errNoMembers) {
		return nil // the hub is of an older build
	}
	if err != nil {
		return err
	}
	is := "no member: nothing that it writes counts"
	switch s := m.is.Of(m.own); {
	case s != nil && s.Admin:
		is = "an admin"
	case s != nil && s.Member:
		is = "one of them"
	}
	if refused {
		is += ", as far as it has read"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "members     %d, this machine is %s\n", m.is.Count(), is)
	return nil
}

// at shows a time in ms since 1970 UTC.
func at(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func relayCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "relay",
		Short: "Exchange with the hub where no agent runs, until SIGTERM",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("log-level") {
				opts.logLevel = "info"
			}
			env, err := newEnvironment(cmd, *opts)
			if err != nil {
				return err
			}
			defer env.replica.Close()
			if err := env.mayWrite(cmd); err != nil {
				return err
			}
			hub, _, err := env.replica.Hub(cmd.Context())
			if err != nil {
				return err
			}
			if hub == nil {
				return errors.New("this pipeline is joined to no hub: huskies-mcp join INVITATION joins one")
			}
			relay.New(env.relayConfig()).Run(cmd.Context())
			return nil
		},
	}
}
