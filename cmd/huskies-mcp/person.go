package main

import (
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// newScreen returns the screen that a command prints on. A terminal has colours unless NO_COLOR is set
// (no-color.org) or TERM is dumb. What is not a terminal has the width that COLUMNS says, if it does.
func newScreen(cmd *cobra.Command, getenv func(string) string) terminal.Screen {
	s := terminal.Screen{Now: time.Now(), Zone: time.Local}
	if columns, err := strconv.Atoi(getenv("COLUMNS")); err == nil && columns > 0 {
		s.Width = columns
	}
	if f, ok := terminalOf(cmd.OutOrStdout()); ok {
		s.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			s.Width = columns
		}
	}
	return s
}

// terminalOf returns the terminal that a writer is, if it is one.
func terminalOf(w io.Writer) (*os.File, bool) {
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// view calls fn with the pipeline for a command that shows it. The error says so if there is none.
func (env *environment) view(cmd *cobra.Command, fn func(*replica.View) error) error {
	if !env.exists() {
		return env.errNoPipeline()
	}
	return env.replica.View(cmd.Context(), fn)
}

// printJSON writes JSON in which nothing drives a terminal.
func printJSON(cmd *cobra.Command, text string, err error) error {
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), printable(text))
	return err
}

// printText writes a text that package terminal made.
func printText(cmd *cobra.Command, text string) error {
	_, err := io.WriteString(cmd.OutOrStdout(), text)
	return err
}

// maxCompletions bounds the stories that a shell is offered.
const maxCompletions = 50

// completeStories offers a shell the open stories whose IDs begin with what is typed, with their names.
func completeStories(opts *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		quiet := *opts
		quiet.logLevel, quiet.readOnly = "error", true
		_ = withReplica(cmd, quiet, func(env *environment) error {
			return env.view(cmd, func(v *replica.View) error {
				out = nil
				for _, id := range v.IDs(typed, maxCompletions) {
					st, err := v.Story(id)
					if err != nil {
						return err
					}
					out = append(out, cobra.CompletionWithDesc(id, phrase.Line(st.Name)))
				}
				return nil
			})
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeStages offers a shell the names of the stages.
func completeStages(*cobra.Command, []string, string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, stage := range pipeline.Stages() {
		out = append(out, string(stage))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
