package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/tools"
)

// TestHelpFits: the help of every command and of every tool fits a terminal of 80 columns.
func TestHelpFits(t *testing.T) {
	var calls [][]string
	var add func(cmd *cobra.Command, path []string)
	add = func(cmd *cobra.Command, path []string) {
		calls = append(calls, append(path, "--help"))
		for _, sub := range cmd.Commands() {
			if sub.Name() != "completion" { // its words are Cobra's
				add(sub, append(path[:len(path):len(path)], sub.Name()))
			}
		}
	}
	add(rootCommand(&options{getenv: func(string) string { return "" }}), nil)
	for _, tool := range tools.Names() {
		calls = append(calls, []string{"call", tool, "--help"})
	}
	for _, args := range calls {
		cmd := rootCommand(&options{getenv: func(string) string { return "" }})
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetArgs(args)
		if err := cmd.Execute(); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > helpWidth {
				t.Errorf("%v: a line has %d characters: %s", args, utf8.RuneCountInString(line), line)
			}
		}
	}
}
