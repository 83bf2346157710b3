package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

func verifyCommand(opts *options) *cobra.Command {
	var asJSON, all bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Check every op again: hash, signature, parents, seq, order",
		Long: `Read the whole log again and check every row: its payload has the hash that
names it, its author signed it, what it builds on is here, its seq follows from
that, no row is missing between others, no author signed two ops at one seq, and
SQLite finds the file sound. Print a line for each of the first faults, with its
row, then what to do and a count. The exit code is 1 if there is any fault.

Nothing is changed, and others may write meanwhile: what they add is not looked
at. That the last rows were taken off does not show: compare huskies-mcp heads
with another replica's.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				return verify(cmd, env, asJSON, all)
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print every finding, and not only the first of them")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object a line: one for each finding, the last the count")
	return cmd
}

func verify(cmd *cobra.Command, env *environment, asJSON, all bool) error {
	p := &findingPrinter{w: cmd.OutOrStdout(), json: asJSON, all: all, left: map[oplog.FindingKind]int{}}
	start := time.Now()
	progress, clear, done := rowProgress(cmd.ErrOrStderr(), "verify")
	p.before = clear
	report, err := oplog.Verify(cmd.Context(), oplog.Verification{
		Path: env.where.Path, Logger: env.logger, Check: pipeline.Check, Found: p.found, Progress: progress,
	})
	done()
	switch {
	case errors.Is(err, oplog.ErrNoLog):
		return env.errNoPipeline()
	case err != nil && cmd.Context().Err() != nil:
		return fmt.Errorf("interrupted after %s: nothing is known of the others", phrase.Count(int(report.Rows), "row", "rows"))
	case err != nil:
		return err
	}
	if err := p.end(report, time.Since(start)); err != nil {
		return err
	}
	if report.Faults > 0 {
		return errors.New(phrase.Count(report.Faults, "fault", "faults"))
	}
	return nil
}

// rowProgress shows on w, if that is a terminal, what goes on and how many rows are done. Clear
// makes room for a line, below which it goes on.
func rowProgress(w io.Writer, what string) (progress func(rows, of int64), clear, done func()) {
	var shown int64
	var add func(int64) // nil if nothing is shown
	finish := func() {}
	started := false
	progress = func(rows, of int64) {
		if !started {
			started = true
			add, finish = progressBar(w, of, what, progressbar.OptionShowCount())
		}
		if add != nil {
			add(rows - shown)
		}
		shown = rows
	}
	clear = func() {
		if add != nil {
			fmt.Fprint(w, "\r\x1b[K")
		}
	}
	return progress, clear, func() { finish() }
}

// findingPrinter prints findings as they come, and at the end what to do.
type findingPrinter struct {
	w    io.Writer
	json bool
	all  bool
	// before is called before each line.
	before func()
	shown  int
	left   map[oplog.FindingKind]int // how many of a kind were left out
	next   []string                  // what to do, each once
	err    error
}

// maxShown bounds the findings that are printed without --all. With what to do they fit a screen of 24
// lines.
const maxShown = 6

// jsonFinding is a finding as verify --json prints it.
type jsonFinding struct {
	Kind    oplog.FindingKind `json:"kind"`
	Fault   bool              `json:"fault"`
	Row     int64             `json:"row,omitempty"`
	LastRow int64             `json:"last_row,omitempty"`
	OpID    *crdt.OpID        `json:"op_id,omitempty"`
	Problem string            `json:"problem"`
	Next    string            `json:"next"` // what to do
}

// jsonCount is the last line of verify --json.
type jsonCount struct {
	Rows    int64 `json:"rows"`
	Authors int   `json:"authors"`
	Faults  int   `json:"faults"`
	Waiting int   `json:"waiting"`
	Early   int   `json:"early"`
}

func (p *findingPrinter) found(f oplog.Finding) {
	if p.err != nil {
		return
	}
	p.before()
	if p.json {
		line := jsonFinding{Kind: f.Kind, Fault: f.Fault(), Row: f.Arrival, LastRow: f.Last, Problem: phrase.Problem(f), Next: phrase.FindingRemedy(f.Kind)}
		if !f.ID.IsZero() {
			line.OpID = &f.ID
		}
		p.err = p.printJSON(line)
		return
	}
	if next := phrase.FindingRemedy(f.Kind); !slices.Contains(p.next, next) {
		p.next = append(p.next, next)
	}
	if p.shown++; p.shown > maxShown && !p.all {
		p.left[f.Kind]++
		return
	}
	label := "fault"
	if !f.Fault() {
		label = "note "
	}
	_, p.err = fmt.Fprintf(p.w, "%s  %s\n", label, printable(phrase.Finding(f)))
}

func (p *findingPrinter) printJSON(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.w, printable(string(line)))
	return err
}

// remedies returns what to do. Of a file that SQLite cannot read whole, all else that was found may be a
// consequence, and the remedy for that mends all of it.
func (p *findingPrinter) remedies() []string {
	if whole := phrase.FindingRemedy(oplog.FoundSQLite); slices.Contains(p.next, whole) {
		return []string{whole}
	}
	return p.next
}

// end prints what to do and the count.
func (p *findingPrinter) end(r oplog.VerifyReport, took time.Duration) error {
	switch {
	case p.err != nil:
		return p.err
	case p.json:
		return p.printJSON(jsonCount{Rows: r.Rows, Authors: r.Authors, Faults: r.Faults, Waiting: r.Waiting, Early: r.Early})
	}
	var text strings.Builder
	if len(p.left) > 0 {
		text.WriteString("and " + phrase.Count(p.shown-maxShown, "more finding", "more findings") + " (")
		for i, kind := range slices.Sorted(maps.Keys(p.left)) {
			if i > 0 {
				text.WriteString(", ")
			}
			fmt.Fprintf(&text, "%d %s", p.left[kind], kind)
		}
		text.WriteString("): --all prints them\n")
	}
	for _, next := range p.remedies() {
		fmt.Fprintf(&text, "what to do: %s\n", next)
	}
	parts := []string{phrase.Count(r.Faults, "fault", "faults")}
	if r.Waiting > 0 {
		parts = append(parts, phrase.Count(r.Waiting, "op waits", "ops wait")+" for others that are not here")
	}
	if r.Early > 0 {
		parts = append(parts, phrase.Count(r.Early, "op", "ops")+" came before what they build on, as imports may")
	}
	fmt.Fprintf(&text, "%s by %s verified in %.1f s (%.0f a second): %s\n",
		phrase.Count(int(r.Rows), "row", "rows"), phrase.Count(r.Authors, "author", "authors"),
		took.Seconds(), float64(r.Rows)/max(took.Seconds(), 1e-3), strings.Join(parts, ", "))
	_, err := io.WriteString(p.w, printable(text.String()))
	return err
}
