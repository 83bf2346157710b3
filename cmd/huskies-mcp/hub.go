package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
)

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
