package main

import (
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/pipeline"
)

func blockCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:   `block STORY "REASON"`,
		Short: "Block a story until something is settled",
		Long: `Block a story, so that no agent takes it until unblock. The reason is shown
wherever the story is.`,
		Example:           `  huskies-mcp block 12 "waits for the design"`,
		Args:              storyAndText("waits for the design"),
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.name = args[0]
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.SetBlocked(by.story, true, &args[1])
				return err
			}
			d.said = func(_, after pipeline.Story) string { return "is blocked: " + after.BlockedReason }
			return d.run(cmd, opts)
		},
	}
	d.addForce(cmd)
	return cmd
}

func unblockCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:               "unblock STORY",
		Short:             "Unblock a story",
		Long:              `Unblock a story: its reason goes, and its count of retries is 0 again.`,
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.name = args[0]
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.SetBlocked(by.story, false, nil)
				return err
			}
			d.said = func(before, _ pipeline.Story) string {
				if !before.Blocked {
					return "is not blocked"
				}
				return "is not blocked any more"
			}
			return d.run(cmd, opts)
		},
	}
	d.addForce(cmd)
	return cmd
}
