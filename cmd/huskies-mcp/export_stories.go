package main

import (
	"fmt"
	"io"
	"math"
	"os"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/export"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// storyForm is a form in which export writes whole stories.
type storyForm struct {
	flag, usage string
	write       func([]export.Story) ([]byte, error)
}

var storyForms = []storyForm{
	{"json", "write whole stories as JSON instead, with a story a line", export.JSON},
	{"md", "write whole stories as Markdown instead", func(all []export.Story) ([]byte, error) { return export.Markdown(all), nil }},
	{"csv", "write whole stories as CSV instead", export.CSV},
}

// chosenForm returns the form that the flags choose, nil for a bundle.
func chosenForm(cmd *cobra.Command) *storyForm {
	for i := range storyForms {
		if chosen, err := cmd.Flags().GetBool(storyForms[i].flag); err == nil && chosen {
			return &storyForms[i]
		}
	}
	return nil
}

// exportStories writes all stories to a file, or to standard output without one, and says so.
func exportStories(cmd *cobra.Command, env *environment, form *storyForm, path string, force bool) error {
	var all []export.Story
	var missing pipeline.Gaps
	err := env.view(cmd, func(v *replica.View) (err error) {
		missing = v.Missing()
		all, err = wholeStories(v)
		return err
	})
	if err != nil {
		return err
	}
	if missing.Any() {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", phrase.Line(phrase.Missing(missing, "")))
	}
	data, err := form.write(all)
	if err != nil {
		return err
	}
	if path == "" || path == "-" {
		if _, ok := terminalOf(cmd.OutOrStdout()); ok {
			return printText(cmd, phrase.Text(string(data)))
		}
		_, err := cmd.OutOrStdout().Write(data)
		return err
	}
	err = env.writeFile(path, force, func(f *os.File) (last func(io.Writer, io.Reader) error, err error) {
		_, err = f.Write(data)
		return nil, err
	})
	if err != nil {
		return err
	}
	return printText(cmd, phrase.Count(len(all), "story", "stories")+" in "+phrase.Line(path)+"\n")
}

// wholeStories returns all stories that can be seen, in the pipeline's order, with all their notes.
func wholeStories(v *replica.View) (all []export.Story, err error) {
	board, err := terminal.ReadBoard(v, terminal.Choice{All: true})
	if err != nil {
		return nil, err
	}
	for _, column := range board.Columns {
		for _, st := range column.Stories {
			all = append(all, export.Story{Story: st, Notes: allNotes(v, st.ID)})
		}
	}
	return all, v.Err()
}

func allNotes(v *replica.View, id string) []pipeline.Note {
	notes, _ := v.Notes(id, math.MaxInt32)
	return notes
}
