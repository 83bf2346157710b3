package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/cmdline"
)

// offer is what a server offers of the tools.
type offer struct {
	readOnly bool
	tools    []string // none: all
}

// addOfferFlags gives the flags of an offer to a command that makes one. HUSKIES_READ_ONLY holds
// for every other command, too, and HUSKIES_TOOLS for none.
func addOfferFlags(cmd *cobra.Command, opts *options) {
	cmd.Flags().BoolVar(&opts.readOnly, "read-only", false, "offer no tool that writes, and never write (HUSKIES_READ_ONLY=1, also for every other command)")
	cmd.Flags().StringVar(&opts.tools, "tools", "", "names of the tools to offer, with commas between (HUSKIES_TOOLS)")
}

// flagError words an error about flags. A command that does not make an offer is made to read only by the
// variable.
func flagError(cmd *cobra.Command, err error) error {
	if cmdline.UnknownFlag(err) == "read-only" {
		return fmt.Errorf("--read-only is a flag of serve, call and board: for %s set HUSKIES_READ_ONLY=1", cmd.CommandPath())
	}
	return cmdline.FlagError(cmd, err)
}

// newOffer reads the options, if the command takes them.
func newOffer(cmd *cobra.Command, opts options) (o offer, err error) {
	o.readOnly = opts.readOnly
	if value := opts.getenv("HUSKIES_READ_ONLY"); value != "" && !cmd.Flags().Changed("read-only") {
		if o.readOnly, err = strconv.ParseBool(value); err != nil {
			return o, fmt.Errorf("HUSKIES_READ_ONLY must be 1 or 0; got %q", value)
		}
	}
	if cmd.Flags().Lookup("read-only") == nil {
		return o, nil
	}
	from, names := "--tools", opts.tools
	if !cmd.Flags().Changed("tools") {
		from, names = "HUSKIES_TOOLS", opts.getenv("HUSKIES_TOOLS")
		if names == "" {
			return o, nil
		}
	}
	for name := range strings.SplitSeq(names, ",") {
		if name = strings.TrimSpace(name); name == "" { // none at all would mean every tool
			return o, fmt.Errorf("%s has an empty name in %q: give the names of tools with commas between, or leave it out to offer all", from, names)
		}
		o.tools = append(o.tools, name)
	}
	return o, nil
}
