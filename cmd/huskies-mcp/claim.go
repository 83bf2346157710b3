package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/cmdline"
	"github.com/huskies/huskies-mcp/pipeline"
)

// personLease is how long a person's claim lasts unless --for says otherwise: a day's work.
const personLease = 8 * time.Hour

func claimCommand(opts *options) *cobra.Command {
	d := deed{asks: true, claims: true}
	lasts := cmdline.Duration(personLease)
	cmd := &cobra.Command{
		Use:               "claim STORY",
		Short:             "Claim a story, so that no agent takes it",
		Long:              `Claim a story in your own name, so that no agent takes it while the claim lasts.`,
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			lease := time.Duration(lasts)
			if lease < time.Second || lease > pipeline.MaxLease {
				return fmt.Errorf("--for must be from 1s to %dd; got %s", pipeline.MaxLease/(24*time.Hour), pipeline.SpellDuration(lease))
			}
			d.name = args[0]
			d.takeOver = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.Release(by.story)
				return err
			}
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.Claim(by.story, by.env.session.ClaimOptions(by.agent, int64(lease/time.Second)))
				return err
			}
			d.said = func(_, after pipeline.Story) string {
				return fmt.Sprintf("is yours, as %s, in %s", after.Agent, after.Stage)
			}
			return d.run(cmd, opts)
		},
	}
	cmd.Flags().Var(&lasts, "for", "how long the claim lasts, such as 90m, 8h or 2d")
	d.addForce(cmd)
	return cmd
}

func releaseCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:   "release STORY",
		Short: "Give a story back, so that an agent can take it",
		Long: `Give a story back: nobody has it any more, and from current it returns to the
backlog.`,
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.name = args[0]
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.Release(by.story)
				return err
			}
			d.said = func(before, after pipeline.Story) string {
				if before.Agent == "" {
					return "is held by nobody"
				}
				return "is free, in " + string(after.Stage)
			}
			return d.run(cmd, opts)
		},
	}
	d.addForce(cmd)
	return cmd
}
