package oplog

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Dump writes the snapshot's state in its canonical form, one row a line. Two states of one log
// are equal when their dumps are.
func (s *Snapshot) Dump(w io.Writer) error {
	return s.log.fail("read state", dump(s.ctx, s.q, w))
}

// dump writes the state in its canonical form, one row a line: two states of one log
// are equal when their dumps are. The state row is not part of the dump.
func dump(ctx context.Context, q *db.Queries, w io.Writer) error {
	steps := []func() error{
		func() error { return dumpStories(ctx, q, w) },
		func() error { return dumpRows(w, "dependency", q.DumpDependencies, ctx) },
		func() error { return dumpRows(w, "note", q.DumpNotes, ctx) },
		func() error { return dumpRows(w, "increment", q.DumpIncrements, ctx) },
		func() error { return dumpRows(w, "place", q.DumpPlaces, ctx) },
		func() error { return dumpRows(w, "number", q.DumpNumbers, ctx) },
		func() error { return dumpRows(w, "count", q.Counts, ctx) },
		func() error { return dumpRows(w, "claim", q.DumpClaims, ctx) },
		func() error { return dumpRows(w, "head", q.Heads, ctx) },
		func() error { return dumpRows(w, "exception", q.DumpExceptions, ctx) },
		func() error { return dumpRows(w, "waiting", q.DumpWaiting, ctx) },
		func() error { return dumpRows(w, "late", q.DumpLate, ctx) },
		func() error { return dumpRows(w, "author", q.Authors, ctx) },
		func() error { return dumpRows(w, "sum", q.DumpSums, ctx) },
		func() error { return dumpRows(w, "history", q.DumpHistory, ctx) },
		func() error { return dumpRows(w, "spell", q.DumpSpells, ctx) },
		func() error { return dumpRows(w, "flow", q.DumpFlow, ctx) },
		func() error { return dumpRows(w, "overwritten", q.DumpOverwritten, ctx) },
		func() error { return dumpRows(w, "member", q.DumpMemberOps, ctx) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("dump: %w", err)
		}
	}
	return nil
}

func dumpRows[R any](w io.Writer, what string, query func(context.Context) ([]R, error), ctx context.Context) error {
	rows, err := query(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		if err := dumpRow(w, what, &rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func dumpRow(w io.Writer, what string, row any) error {
	text, err := json.Marshal(row)
	if err == nil {
		_, err = fmt.Fprintf(w, "%s %s\n", what, text)
	}
	return err
}

// dumpStories dumps the stories with their registers, whose order in the merge data is
// that of their arrival and says nothing.
func dumpStories(ctx context.Context, q *db.Queries, w io.Writer) error {
	rows, err := q.DumpStories(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		s, err := decodeStory(rows[i].ID, rows[i].Merged)
		if err != nil {
			return err
		}
		rows[i].Merged = crdt.AppendRegisters(nil, pipeline.Schema(), s)
		if err := dumpRow(w, "story", &rows[i]); err != nil {
			return err
		}
	}
	return nil
}
