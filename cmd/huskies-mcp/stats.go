package main

import (
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

func statsCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Show counts, throughput, time in each stage and agents at work",
		Long: `Show how many stories there are in each stage, how long stories stayed there,
how many were added and done on each of the last days, and which agents have
stories. Times go by the clocks of those who wrote, and days are those of UTC.
Times in stages are those of the last 20,000 moves.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				return printStats(cmd, env, opts, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func printStats(cmd *cobra.Command, env *environment, opts *options, asJSON bool) error {
	screen := newScreen(cmd, opts.getenv)
	var stats terminal.Stats
	err := env.view(cmd, func(v *replica.View) (err error) {
		stats, err = terminal.ReadStats(v, screen)
		return err
	})
	switch {
	case err != nil:
		return err
	case asJSON:
		text, err := stats.JSON()
		return printJSON(cmd, text, err)
	}
	return printText(cmd, stats.Text(screen))
}
