package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

func rebuildCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "Make the pipeline's state anew from its ops",
		Long: `Read all ops of the log and make the stories, their order and their history
anew, as the ops say. The ops stay as they are. Servers and commands rebuild by
themselves when they find the state damaged, so nobody needs this command often:
it is for a pipeline that shows what it should not, and for the time after a
damaged row was found.

All is made in one transaction: if the command is ended early, the pipeline is
as it was before. Reads go on meanwhile and writes wait. Afterwards each cursor
that an answer gave before is out of date, and wait_for_change says so once.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			progress, _, done := rowProgress(cmd.ErrOrStderr(), "rebuild")
			defer done()
			opts := *opts
			opts.rebuilding = progress
			return withReplica(cmd, opts, func(env *environment) error { return rebuild(cmd, env, done) })
		},
	}
}

// rebuild makes the state anew and says what it reflects. Done ends the progress bar.
func rebuild(cmd *cobra.Command, env *environment, done func()) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	err := env.replica.Rebuild(cmd.Context())
	done()
	switch {
	case errors.Is(err, oplog.ErrNoLog):
		return env.errNoPipeline()
	case err != nil:
		return err
	}
	return env.replica.View(cmd.Context(), func(v *replica.View) error {
		fmt.Fprintf(cmd.OutOrStdout(), "the state was made anew: it reflects the ops up to row %d\n", v.Position().Arrival)
		if v.Missing().Any() {
			fmt.Fprintln(cmd.ErrOrStderr(), "note: the log lacks ops, or rows of it are damaged, so stories may be missing or out of date. huskies-mcp doctor says which ops and what to do")
		}
		return nil
	})
}
