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

func listCommand(opts *options) *cobra.Command {
	var stage string
	var ready, mine, all, asJSON, asMarkdown bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show the open work by stage",
		Long: `Show the stories that are not done by stage, in the pipeline's order: their numbers,
their names, who has them and for how long, and why a story is blocked or waits.
--agent NAME shows the stories of an agent alone, and --mine those of the one who asks.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			choice := terminal.Choice{All: all, Ready: ready}
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

// stageOf returns the stage that a person means: its whole name, its number, or the word in it.
func stageOf(name string) (pipeline.Stage, error) {
	var names []string
	for _, stage := range pipeline.Stages() {
		number, word, _ := strings.Cut(string(stage), "_")
		if name == string(stage) || name == number || strings.EqualFold(name, word) {
			return stage, nil
		}
		names = append(names, word)
	}
	return "", fmt.Errorf("there is no stage %q: the stages are %s", name, strings.Join(names, ", "))
}
