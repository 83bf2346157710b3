package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

// maxSkipped bounds the runs of rows that a salvage names: as many as a person reads.
const maxSkipped = 20

// salvaging returns a source of the ops that can be read of a database that may be damaged. Standard
// error hears what it skips.
func salvaging(cmd *cobra.Command, env *environment) opSource {
	return func(fn func(crdt.SignedOp) error) (report replica.ExportReport, err error) {
		skipped := 0
		cfg := oplog.Config{Path: env.where.Path, Logger: env.logger}
		report.Exported, err = oplog.Salvage(cmd.Context(), cfg, fn, func(f oplog.Finding) {
			if skipped++; skipped <= maxSkipped {
				fmt.Fprintf(cmd.ErrOrStderr(), "skipped: %s\n", printable(phrase.Finding(f)))
			}
		})
		switch {
		case cmd.Context().Err() != nil:
			return report, errors.New("interrupted")
		case errors.Is(err, oplog.ErrNoLog):
			return report, env.errNoPipeline()
		case err == nil && skipped > maxSkipped:
			fmt.Fprintf(cmd.ErrOrStderr(), "skipped: and %d more\n", skipped-maxSkipped)
		}
		if err == nil && skipped > 0 {
			fmt.Fprintln(cmd.ErrOrStderr(), "note: a bundle from a replica that has the skipped ops brings them back")
		}
		return report, err
	}
}

// readLegacy reads what the database at path has beside its ops.
func readLegacy(cmd *cobra.Command, env *environment, path string) (*oplog.Legacy, error) {
	if env.exists() {
		return nil, fmt.Errorf("there is a pipeline at %s, and --keys-from makes a new one: move it away with its -wal file, or leave out --keys-from", env.where.Path)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	from, err := oplog.ReadLegacy(cmd.Context(), oplog.Config{Path: absolute, Machine: machine(), Logger: env.logger})
	switch {
	case errors.Is(err, oplog.ErrNoLog):
		return nil, fmt.Errorf("there is no pipeline at %s: --keys-from takes the database whose place the new one takes", path)
	case errors.Is(err, oplog.ErrOutdated):
		return nil, fmt.Errorf("%s is of an older build: huskies-mcp rebuild --db %s brings it up to date; then repeat the command", path, phrase.Quoted(path))
	}
	return from, err
}

// sayLegacy says what a new pipeline took from the database that it takes the place of, and what a
// person must know of what is lost.
func sayLegacy(w io.Writer, path string, from *oplog.Legacy, damaged int) {
	fmt.Fprintf(w, "note: keys, decisions whom to trust and leases were taken from %s, which holds the keys too: remove it when huskies-mcp verify finds no fault\n", path)
	if damaged > 0 {
		fmt.Fprintf(w, "note: %s taken as found: import a bundle that has the ops\n", phrase.Count(damaged, "damaged row was", "damaged rows were"))
	}
	if slices.Contains(from.Lost, oplog.TrustTable) {
		fmt.Fprintln(w, "note: decisions whom to trust are lost; with none left, ops of any author are applied: look at huskies-mcp trust list, and decide anew")
	}
	if slices.Contains(from.Lost, oplog.RootsTable) {
		fmt.Fprintln(w, "note: by whose word members are decided is lost: join the hub again if this pipeline was joined to one. Until then people here decide whose ops count, see huskies-mcp trust list")
	}
	if slices.Contains(from.Lost, oplog.LeasesTable) {
		fmt.Fprintln(w, "note: leases of claims are lost: agents claim their stories again")
	}
}
