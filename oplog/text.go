package oplog

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// This file has the SQL of the full text index, which sqlc cannot take.

// The values of fts_todo.kind.
const (
	textOfStory = iota
	textOfNote
)

// noteBits are the low bits of a note's n, which count the notes of its story. The bits
// above them are the story's n: so a hit in a note says whose it is.
const noteBits = 32

// noteN returns the n of a story's note, which is its count-th to arrive here.
func noteN(story int64, count int) int64 { return story<<noteBits | int64(count) }

// textIndex is the full text index by one connection.
type textIndex struct {
	ctx  context.Context
	conn db.DBTX
}

// empty takes everything out.
func (x textIndex) empty() error {
	if _, err := x.conn.ExecContext(x.ctx, "INSERT INTO story_text (story_text) VALUES ('delete-all')"); err != nil {
		return err
	}
	_, err := x.conn.ExecContext(x.ctx, "INSERT INTO note_text (note_text) VALUES ('delete-all')")
	return err
}

// put indexes a text as it is now. To call it in the order of n is many times faster than
// in any other.
func (x textIndex) put(t *queuedText) error {
	query := "INSERT OR REPLACE INTO story_text (rowid, words) VALUES (?, ?)"
	if t.kind == textOfNote {
		query = "INSERT OR REPLACE INTO note_text (rowid, words) VALUES (?, ?)"
	}
	_, err := x.conn.ExecContext(x.ctx, query, t.n, strings.Join(t.tokens, " "))
	return err
}

// match returns the expression of FTS5 that finds a phrase. Tokens have nothing that
// FTS5 could take for syntax.
func match(p pipeline.Phrase) string { return `"` + strings.Join(p, " ") + `" *` }

// stories returns the stories in whose texts the index has the phrase, ascending.
func (x textIndex) stories(p pipeline.Phrase) ([]int64, error) {
	return x.numbers("SELECT group_concat(rowid) FROM story_text WHERE story_text MATCH ?", match(p))
}

// storiesOfNotes returns the stories in whose notes the index has the phrase, ascending.
func (x textIndex) storiesOfNotes(p pipeline.Phrase) ([]int64, error) {
	return x.numbers("SELECT group_concat(rowid >> 32) FROM note_text WHERE note_text MATCH ?", match(p))
}

// numbers returns the numbers that a query gives as one text, ascending and each once: to
// step through so many rows would take ten times as long.
func (x textIndex) numbers(query string, args ...any) ([]int64, error) {
	var list sql.NullString
	if err := x.conn.QueryRowContext(x.ctx, query, args...).Scan(&list); err != nil || !list.Valid {
		return nil, err
	}
	all := make([]int64, 0, strings.Count(list.String, ",")+1)
	for text := range strings.SplitSeq(list.String, ",") {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("full text index: %w: %w", ErrState, err)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// placed is a visible story by its n and where it stands.
type placed struct {
	story, label int64
	stage        pipeline.Stage
}

// locate returns where the visible ones among the stories stand that a filter chooses,
// whatever its stages.
func (x textIndex) locate(stories []int64, f *pipeline.Filter) (all []placed, err error) {
	where, args := restrict(f)
	rows, err := x.conn.QueryContext(x.ctx, `SELECT p.story, p.label, p.stage FROM json_each(?) AS j
		CROSS JOIN stories AS s ON s.n = j.value
		CROSS JOIN places AS p ON p.n = s.place
		WHERE p.stage IS NOT NULL`+where, append([]any{jsonList(stories)}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var at placed
		if err := rows.Scan(&at.story, &at.label, (*string)(&at.stage)); err != nil {
			return nil, err
		}
		all = append(all, at)
	}
	return all, rows.Err()
}

// walk calls fn for the stories of a stage that a filter chooses without its words, behind
// a label, in the order of the list, until fn returns false.
func (x textIndex) walk(f *pipeline.Filter, stage pipeline.Stage, from int64, fn func(placed) (more bool)) error {
	where, args := restrict(f)
	rows, err := x.conn.QueryContext(x.ctx, "SELECT p.story, p.label FROM places AS p WHERE p.stage = ? AND p.label > ?"+where+" ORDER BY p.label",
		append([]any{string(stage), from}, args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for at := (placed{stage: stage}); rows.Next(); {
		if err := rows.Scan(&at.story, &at.label); err != nil {
			return err
		}
		if !fn(at) {
			return nil
		}
	}
	return rows.Err()
}

// restrict returns conditions on places for the members of a filter besides its stages
// and words. They name flags as the partial indexes do.
func restrict(f *pipeline.Filter) (where string, args []any) {
	if f.Agent != nil {
		where, args = " AND p.agent = ?", []any{*f.Agent}
		if *f.Agent != "" {
			where += " AND p.agent <> ''"
		}
	}
	for _, flag := range []struct {
		want *bool
		name string
	}{{f.Blocked, "blocked"}, {f.Waiting, "waiting"}, {f.Claimable, "claimable"}} {
		switch {
		case flag.want == nil:
		case *flag.want:
			where += " AND p." + flag.name + " = 1"
		default:
			where += " AND p." + flag.name + " = 0"
		}
	}
	return where, args
}

// read returns stories in the order in which they are named.
func (x textIndex) read(at []placed) ([]*crdt.Story, error) {
	ns := make([]int64, len(at))
	for i := range at {
		ns[i] = at[i].story
	}
	rows, err := x.conn.QueryContext(x.ctx, "SELECT s.n, s.id, s.merged FROM json_each(?) AS j CROSS JOIN stories AS s ON s.n = j.value", jsonList(ns))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	byN := make(map[int64]*crdt.Story, len(ns))
	for rows.Next() {
		var n int64
		var id string
		var merged []byte
		if err := rows.Scan(&n, &id, &merged); err != nil {
			return nil, err
		}
		if byN[n], err = decodeStory(id, merged); err != nil {
			return nil, err
		}
	}
	all := make([]*crdt.Story, len(ns))
	for i, n := range ns {
		if all[i] = byN[n]; all[i] == nil && rows.Err() == nil {
			return nil, fmt.Errorf("full text index names story %d: %w", n, ErrState)
		}
	}
	return all, rows.Err()
}

// jsonList writes numbers as SQLite's json_each reads them.
func jsonList(ns []int64) string {
	b := []byte{'['}
	for i, n := range ns {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, n, 10)
	}
	return string(append(b, ']'))
}
