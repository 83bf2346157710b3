package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/pipeline"
)

func noteCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   `note STORY "TEXT"`,
		Short: "Add a note to a story",
		Long: `Add a note to a story, which stays with it for good. With - the text comes from
standard input.`,
		Example:           `  huskies-mcp note 12 "the key is in the vault"`,
		Args:              storyAndText("the key is in the vault"),
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			text := args[1]
			if text == "-" {
				var err error
				if text, err = readText(cmd, "-"); err != nil {
					return err
				}
			}
			d := deed{name: args[0], said: func(_, _ pipeline.Story) string { return "has a new note" }}
			d.do = func(tx *pipeline.Tx, by doer) error { return tx.AddNote(by.story, nil, text) }
			return d.run(cmd, opts)
		},
	}
}

// storyAndText refuses arguments other than a story and a text in quotes.
func storyAndText(example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 {
			return nil
		}
		return fmt.Errorf("a story and a text in quotes are wanted, such as %s 12 %q", cmd.CommandPath(), example)
	}
}
