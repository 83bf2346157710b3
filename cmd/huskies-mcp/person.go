package main

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

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

// terminalOf returns the terminal that a reader or writer is, if it is one. A device such as /dev/null is none.
func terminalOf(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// isYes reports whether an answer to a question is yes.
func isYes(answer string) bool {
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// view calls fn with the pipeline for a command that shows it. The error says so if there is none.
func (env *environment) view(cmd *cobra.Command, fn func(*replica.View) error) error {
	if !env.exists() || env.gone() != "" {
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
	if _, ok := terminalOf(cmd.OutOrStdout()); ok {
		text = terminal.KeepColumns(text)
	}
	_, err := io.WriteString(cmd.OutOrStdout(), text)
	return err
}
