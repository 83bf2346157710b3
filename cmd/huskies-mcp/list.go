package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// mostAtTerminal is how many stories of each stage a terminal gets.
const mostAtTerminal = 50

func listCommand(opts *options) *cobra.Command {
	var stage string
	var ready, mine, all, asJSON, asMarkdown bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the open work by stage",
		Long: `Show the stories that are not done by stage, in the pipeline's order: their
numbers, their names, who has them and for how long, and why a story is blocked
or waits. --agent NAME shows the stories of an agent alone, and --mine those of
the one who asks. A terminal gets the first 50 stories of each stage, and a file
or a pipe all.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			choice := terminal.Choice{All: all, Ready: ready, Most: limit}
			if _, ok := terminalOf(cmd.OutOrStdout()); ok && !cmd.Flags().Changed("limit") && !asJSON && !asMarkdown {
				choice.Most = mostAtTerminal
			}
			if limit < 0 {
				return fmt.Errorf("--limit is %d: give how many stories of each stage to show, or 0 for all", limit)
			}
			if stage != "" {
				s, err := stageOf(stage)
				if err != nil {
					return err
				}
				choice.Stages = []pipeline.Stage{s}
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				switch {
				case mine:
					name := env.agent
					if name == "" {
						return errors.New("--mine needs a name, and none is known: give --agent NAME, or set HUSKIES_AGENT")
					}
					choice.Agent = &name
				case cmd.Flags().Changed("agent"):
					choice.Agent = &opts.agent
				}
				return printBoard(cmd, env, opts, choice, asJSON, asMarkdown)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&stage, "stage", "", "only this stage, such as qa or 3_qa")
	flags.BoolVar(&ready, "ready", false, "only stories that an agent may take")
	flags.BoolVar(&mine, "mine", false, "only the stories of the one who asks: --agent, HUSKIES_AGENT or the login name")
	flags.BoolVar(&all, "all", false, "stories that are done or archived, too")
	flags.IntVar(&limit, "limit", 0, "so many stories of each stage at most, 0 for all")
	flags.BoolVar(&asJSON, "json", false, "an array of stories, with a story a line")
	flags.BoolVar(&asMarkdown, "md", false, "lists in Markdown")
	cmd.MarkFlagsMutuallyExclusive("json", "md")
	cmd.MarkFlagsMutuallyExclusive("stage", "all")
	_ = cmd.RegisterFlagCompletionFunc("stage", completeStages)
	return cmd
}

func printBoard(cmd *cobra.Command, env *environment, opts *options, choice terminal.Choice, asJSON, asMarkdown bool) error {
	var board terminal.Board
	err := env.view(cmd, func(v *replica.View) (err error) {
		board, err = terminal.ReadBoard(v, choice)
		return err
	})
	if err != nil {
		return err
	}
	if above := env.above(); above != "" && len(board.Columns) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", printable(above))
	}
	screen := newScreen(cmd, opts.getenv)
	switch {
	case asJSON:
		text, err := board.JSON(screen)
		return printJSON(cmd, text, err)
	case asMarkdown:
		return printText(cmd, board.Markdown(screen))
	}
	return printText(cmd, board.Text(screen))
}

// stageOf returns the stage that a person means, see [pipeline.StageNamed].
func stageOf(name string) (pipeline.Stage, error) {
	if stage, ok := pipeline.StageNamed(name); ok {
		return stage, nil
	}
	var names []string
	for _, stage := range pipeline.Stages() {
		_, word, _ := strings.Cut(string(stage), "_")
		names = append(names, word)
	}
	return "", fmt.Errorf("there is no stage %q: the stages are %s", name, strings.Join(names, ", "))
}
