package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/hosts"
)

// version of the release this tree leads to; see CHANGELOG.md.
const version = "0.1.0"

// programName is what the command is called in hosts' configurations.
const programName = hosts.Program

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), programName, versionText())
			return err
		},
	}
}

// revision returns "+" and the commit the binary was built from, if it knows.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "+" + s.Value[:12]
		}
	}
	return ""
}

// versionText says which version this is, and what it was built with and for.
func versionText() string {
	return fmt.Sprintf("%s%s (%s, %s/%s)", version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
