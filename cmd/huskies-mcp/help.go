package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/terminal"
	"github.com/huskies/huskies-mcp/tools"
)

// helpWidth is how many columns help takes at most, which every terminal has.
const helpWidth = 80

// flagName is the name of a flag in Cobra's list of flags, at the beginning of a line.
var flagName = regexp.MustCompile(`(?m)^ +--[a-z-]+`)

// usageTemplate returns Cobra's template for help, within the columns of any terminal. The flags that all
// commands have are named there, and explained only in the help of the command itself: else they would
// take more lines than the rest. The command itself has flags that only few others have.
func usageTemplate(cmd *cobra.Command) string {
	names := flagName.FindAllString(cmd.PersistentFlags().FlagUsages(), -1)
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	all := terminal.Screen{Width: helpWidth}.Hang("  "+strings.Join(names, ", "), 2)
	own := strings.Replace(cmd.UsageTemplate(), localFlags, "{{if .HasParent}}"+localFlags+"{{else}}"+flagsOfRoot+"{{end}}", 1)
	return strings.NewReplacer(
		"Global Flags:", "Global Flags, see huskies-mcp help:",
		"{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}", all,
		".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", helpWidth),
	).Replace(own)
}

// Parts of Cobra's template for help: what it says of the flags of a command, and what is said of those of
// the command itself in its place.
const (
	localFlags  = "Flags:\n{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}"
	flagsOfRoot = "Flags of every command:\n{{.PersistentFlags.FlagUsages | trimTrailingWhitespaces}}\n\n" +
		"Flags without a command, as of serve:\n{{.LocalNonPersistentFlags.FlagUsages | trimTrailingWhitespaces}}"
)

// askForShell makes completion without a shell that it knows an error: its standard
// output is for a shell to run. Cobra makes the command with the output that root
// has by then.
func askForShell(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "completion" {
			continue
		}
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			var shells []string
			for _, shell := range cmd.Commands() {
				shells = append(shells, shell.Name())
			}
			return fmt.Errorf("which shell? They are %s", strings.Join(shells, ", "))
		}
	}
}

// refuseUnknownHelp makes help about a command that does not exist an error; Cobra
// prints the help of the command above it.
func refuseUnknownHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, cmd := range root.Commands() {
		if cmd.Name() != "help" {
			continue
		}
		cmd.Args = func(_ *cobra.Command, args []string) error {
			above, rest, err := root.Find(args)
			switch {
			case err != nil || len(rest) == 0:
				return err
			case above == root:
				return noSubcommand(root, rest)
			}
			return fmt.Errorf("there is no command %q: see huskies-mcp help %s", strings.Join(args, " "), above.Name())
		}
	}
}

// noArguments refuses arguments to a command that takes none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, got %q: see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// wrongSubcommand says which subcommands a command has, of which args name none.
func wrongSubcommand(args []string, are string) error {
	if len(args) == 0 {
		return errors.New("a subcommand is missing: use " + are)
	}
	return fmt.Errorf("there is no %q here: use %s", args[0], are)
}

// noSubcommand refuses arguments to the command itself: they were meant as a
// subcommand.
func noSubcommand(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case slices.Contains(tools.Names(), args[0]):
		return fmt.Errorf("%s is a tool: huskies-mcp call %s [JSON]", args[0], args[0])
	}
	return fmt.Errorf("there is no command %q: see huskies-mcp help", args[0])
}
