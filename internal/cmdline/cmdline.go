// Package cmdline says what is wrong with a command line, for huskies-mcp and huskies-hub: what the libraries
// for flags and arguments say of it names types and functions of Go, and not what to give.
package cmdline

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Exactly refuses another number of arguments than n, and empty ones.
func Exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		for i, arg := range args {
			if arg == "" {
				return fmt.Errorf("argument %d is empty: use %s", i+1, usage(cmd))
			}
		}
		if len(args) < n {
			return fmt.Errorf("%s: use %s", tooFew(len(args)), usage(cmd))
		}
		return AtMost(n)(cmd, args)
	}
}

// AtMost refuses more than n arguments.
func AtMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%d arguments are too many, from %q on: use %s", len(args), args[n], usage(cmd))
		}
		return nil
	}
}

func tooFew(n int) string {
	switch n {
	case 0:
		return "the arguments are missing"
	case 1:
		return "1 argument is too few"
	}
	return fmt.Sprintf("%d arguments are too few", n)
}

// usage returns the line that shows how a command is called.
func usage(cmd *cobra.Command) string { return strings.TrimSuffix(cmd.UseLine(), " [flags]") }

// FlagError words an error of the library for flags, and says which command has help.
func FlagError(cmd *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		flag := invalid.GetFlag()
		err = fmt.Errorf("%s must be %s; got %q", nameOf(flag), wanted(flag, err), invalid.GetValue())
	}
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}

// UnknownFlag returns the name of the flag that a command does not have, if the error of the library says so, else "".
func UnknownFlag(err error) string {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		return unknown.GetSpecifiedName()
	}
	return ""
}

func nameOf(flag *pflag.Flag) string {
	if flag.Shorthand != "" {
		return "-" + flag.Shorthand + " or --" + flag.Name
	}
	return "--" + flag.Name
}

// wanted says what a flag takes.
func wanted(flag *pflag.Flag, err error) string {
	switch kind := flag.Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		return "a smaller number"
	case strings.HasPrefix(kind, "int"):
		return "a whole number"
	case kind == "bool":
		return "true or false"
	case kind == durationType:
		return DurationForm
	default:
		return "a " + kind
	}
}

// apart is what Cobra says of flags that do not go together.
var apart = regexp.MustCompile(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)

// FlagsApart returns an error in words that say which flags do not go together, if it is about that.
func FlagsApart(err error) error {
	given := apart.FindStringSubmatch(err.Error())
	if given == nil {
		return err
	}
	return fmt.Errorf("--%s do not go together: give one of them", strings.ReplaceAll(given[1], " ", " and --"))
}
