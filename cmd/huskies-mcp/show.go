package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

func showCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show STORY",
		Short: "Show one story: description, notes, dependencies, claim, history",
		Long: `Show all there is of one story: its description and notes, what it depends on
and what needs it, who has it and for how long, and its last changes. STORY is
its number or its whole ID.`,
		Example:           "  huskies-mcp show 12",
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				return printStory(cmd, env, opts, asJSON, func(v *replica.View) (string, error) { return terminal.Resolve(v, args[0]) })
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// oneStory refuses arguments other than the name of one story.
func oneStory(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return fmt.Errorf("which story? Give one number or ID, such as %s 12: huskies-mcp list shows them", cmd.CommandPath())
}

func nextCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "next",
		Short: "Show the story that an agent would get next",
		Long: `Show the story that claim_item would give to an agent that asks for no stage:
what was left in 2_current, else the first of 1_backlog. With --agent it is what
that agent would get. When there is none, next says why and its exit code is 1.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				return printStory(cmd, env, opts, asJSON, func(v *replica.View) (string, error) {
					v.As(pipeline.Caller{Name: cmp.Or(opts.agent, opts.getenv("HUSKIES_AGENT"))})
					return v.NextToClaim(nil)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// printStory prints the story that find returns.
func printStory(cmd *cobra.Command, env *environment, opts *options, asJSON bool, find func(*replica.View) (string, error)) error {
	var detail terminal.Detail
	err := env.view(cmd, func(v *replica.View) error {
		id, err := find(v)
		if err != nil {
			return err
		}
		detail, err = terminal.ReadDetail(v, id)
		return err
	})
	if err != nil {
		return err
	}
	screen := newScreen(cmd, opts.getenv)
	if asJSON {
		text, err := detail.JSON(screen)
		return printJSON(cmd, text, err)
	}
	return printText(cmd, detail.Text(screen))
}
