// Command huskies-hub keeps the signed ops of one pipeline for all machines that work on it.
//
// It is a NATS server with JetStream, set up so that one command makes it and one runs it. The
// databases of the machines are the truth; see package relay for what they exchange. All that a hub is stands in
// one folder, see [folder].
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/cmdline"
)

// version is what huskies-hub version prints; a release sets it.
var version = "dev"

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the whole command; its result is the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd := rootCommand()
	cmd.SetArgs(args)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "huskies-hub: %s\n", printable(cmdline.FlagsApart(err).Error()))
		return 1
	}
	return 0
}

func rootCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "huskies-hub",
		Short: "Keep a pipeline for all machines that work on it",
		Long: `huskies-hub keeps the changes of one pipeline, so that all machines that are joined
to it have the same stories. Make one with init, run it with serve, and let machines
in with invite. All that it is stands in the folder DIR: keep it as you keep a key.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q: see huskies-hub help", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SetFlagErrorFunc(cmdline.FlagError)
	cmd.AddCommand(initCommand(), serveCommand(), inviteCommand(), membersCommand(), backupCommand(), restoreCommand(), setupCommand(), doctorCommand())
	return cmd
}

// oneFolder refuses all but one argument.
func oneFolder(cmd *cobra.Command, args []string) error {
	if len(args) != 1 || args[0] == "" {
		return fmt.Errorf("give the hub's folder: %s", cmd.UseLine())
	}
	return nil
}

// printable leaves out what moves a terminal's cursor, or breaks a line: a name may come from another machine.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, text)
}
