package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/pipeline"
)

func moveCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:   "move STORY STAGE",
		Short: "Move a story to a stage",
		Long: `Move a story to a stage: backlog, current, qa, merge, done or archived. Nobody
holds it there until somebody claims it.`,
		Example: "  huskies-mcp move 12 qa",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("a story and a stage are wanted, such as %s 12 qa", cmd.CommandPath())
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) == 1 {
				return completeStages(cmd, nil, typed)
			}
			return completeStories(opts)(cmd, args, typed)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			stage, err := stageOf(args[1])
			if err != nil {
				return err
			}
			d.name = args[0]
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.Advance(by.story, &stage)
				return err
			}
			d.said = func(before, after pipeline.Story) string {
				if before.Stage == after.Stage {
					return "is in " + string(after.Stage) + " already"
				}
				return "is in " + string(after.Stage) + ", from " + string(before.Stage)
			}
			return d.run(cmd, opts)
		},
	}
	d.addForce(cmd)
	return cmd
}
