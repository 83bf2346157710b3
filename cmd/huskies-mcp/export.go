package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/replica"
)

func exportCommand(opts *options) *cobra.Command {
	var since string
	var force, salvage bool
	cmd := &cobra.Command{
		Use:   "export [FILE]",
		Short: "Write signed ops as a bundle for another machine, or stories",
		Long: `Write the signed ops of the pipeline as JSON Lines, to FILE or to standard
output. With --since only those that a replica with the given heads does not
have. The heads can stand in a FILE, or come from standard input (-), since a
command line takes only so many. Ops carry their authors' signatures: a bundle
can go by any way, and holds no key.

With --salvage the database may be damaged, or refused by all other commands:
every op that can be read and that its author signed is written, and standard
error says what was skipped. huskies-mcp import --create --keys-from makes a new
database of it.

With --json, --md or --csv the stories themselves, for people and other tools:
all that can be seen, with their notes and without their history. huskies-mcp
add --from brings such a file into another pipeline. In CSV a cell that a
spreadsheet would take for a formula has an apostrophe before it.`,
		Example: `  huskies-mcp export pipeline.bundle
  huskies-mcp export --since heads-of-the-other part.bundle`,
		Args: atMostOneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			heads, err := sinceHeads(cmd, since)
			if err != nil {
				return err
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				if !env.exists() {
					return env.errNoPipeline()
				}
				if form := chosenForm(cmd); form != nil {
					return exportStories(cmd, env, form, strings.Join(args, ""), force)
				}
				source := func(fn func(crdt.SignedOp) error) (replica.ExportReport, error) {
					return env.replica.Export(cmd.Context(), heads, fn)
				}
				if salvage {
					source = salvaging(cmd, env)
				}
				var report replica.ExportReport
				var err error
				if len(args) == 0 || args[0] == "-" {
					report, err = exportBundle(source, cmd.OutOrStdout())
				} else if report, err = exportFile(env, source, args[0], force); err == nil {
					fmt.Fprintf(cmd.OutOrStdout(), "%s in %s\n", phrase.Count(report.Exported, "op", "ops"), args[0])
				}
				if err != nil {
					return err
				}
				return exported(cmd.ErrOrStderr(), report)
			})
		},
	}
	cmd.Flags().StringVar(&since, "since", "", "leave out what a replica with these heads has: op IDs, as huskies-mcp heads prints them there, or a FILE that holds them, - for standard input")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite FILE")
	cmd.Flags().BoolVar(&salvage, "salvage", false, "read a damaged database, and leave out what cannot be read")
	exclusive := []string{"since", "salvage"}
	for _, form := range storyForms {
		cmd.Flags().Bool(form.flag, false, form.usage)
		exclusive = append(exclusive, form.flag)
	}
	cmd.MarkFlagsMutuallyExclusive(exclusive...)
	return cmd
}

// maxSince bounds the heads that are read from a file or from standard input, in bytes: a million.
const maxSince = 65 << 20

// sinceHeads returns the heads that --since gives: as op IDs, or as the name of a file that holds them.
func sinceHeads(cmd *cobra.Command, since string) ([]crdt.OpID, error) {
	heads, notHeads := parseHeads(since)
	if notHeads == nil {
		return heads, nil
	}
	text, err := readFile(cmd, since, maxSince)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENAMETOOLONG) {
		return nil, fmt.Errorf("%w. Nor is there a file of that name", notHeads)
	}
	if err != nil {
		return nil, fmt.Errorf("--since: %w", err)
	}
	return parseHeads(string(text))
}

func atMostOneFile(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("one FILE is enough; got %q", args)
	}
	return nil
}

// parseHeads reads op IDs with spaces, commas or newlines between them.
func parseHeads(s string) ([]crdt.OpID, error) {
	var heads []crdt.OpID
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		id, err := crdt.ParseOpID(word)
		if err != nil {
			return nil, fmt.Errorf("--since: %w: give the lines that huskies-mcp heads prints on the other machine", err)
		}
		heads = append(heads, id)
	}
	return heads, nil
}

// opSource calls a function with each op of a bundle.
type opSource func(fn func(crdt.SignedOp) error) (replica.ExportReport, error)

// exportBundle writes a bundle to w.
func exportBundle(source opSource, w io.Writer) (replica.ExportReport, error) {
	out := bufio.NewWriterSize(w, 1<<16)
	var line []byte
	report, err := source(func(op crdt.SignedOp) error {
		line = bundle.AppendLine(line[:0], op)
		_, err := out.Write(line)
		return err
	})
	return report, errors.Join(err, out.Flush())
}

// exportFile writes a bundle to a file, whole or not at all.
func exportFile(env *environment, source opSource, path string, force bool) (report replica.ExportReport, err error) {
	err = env.writeFile(path, force, func(f *os.File) (last func(io.Writer, io.Reader) error, err error) {
		report, err = exportBundle(source, f)
		return nil, err
	})
	return report, err
}

// exported says what is not as one would expect.
func exported(w io.Writer, report replica.ExportReport) error {
	if n := len(report.Unknown); n > 0 {
		fmt.Fprintf(w, "note: --since names %s that this replica lacks: import a bundle from there too\n", phrase.Count(n, "op", "ops"))
	}
	if report.Damaged > 0 {
		return fmt.Errorf("%s damaged and not in the bundle: restore a backup, or import a bundle from a replica that has the ops", phrase.Count(report.Damaged, "row of the database is", "rows of the database are"))
	}
	return nil
}

func headsCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "heads",
		Short: "Print what this replica has, for export --since elsewhere",
		Long: `Print the IDs of the newest ops, one a line: those that no other op builds on.
With all they build on they are everything this replica has applied, so replicas
with equal heads that trust the same authors show the same pipeline.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				heads, err := env.replica.Heads(cmd.Context())
				if errors.Is(err, replica.ErrIncomplete) {
					return fmt.Errorf("%w, so this replica does not have all that its heads stand for: import a bundle that was exported without --since, or restore a backup (huskies-mcp doctor says more)", err)
				}
				if err != nil {
					return err
				}
				if !env.exists() { // a new machine lacks everything
					fmt.Fprintf(cmd.ErrOrStderr(), "note: %v\n", env.errNoPipeline())
				}
				for _, id := range heads {
					if _, err := fmt.Fprintln(cmd.OutOrStdout(), id); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}
