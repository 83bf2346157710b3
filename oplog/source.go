package oplog

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// source answers the questions of the rules from the tables, within one transaction.
type source struct {
	ctx  context.Context
	q    *db.Queries
	conn db.DBTX // of q
	last *search // nil: there was none
}

var _ pipeline.Source = (*source)(nil)

// none returns nil for an error that says that there is no row.
func none(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func decodeStory(id string, merged []byte) (*crdt.Story, error) {
	s, err := crdt.DecodeStory(id, merged)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	return s, nil
}

// Story is that of [pipeline.Source].
func (s *source) Story(id string) (*crdt.Story, error) {
	row, err := s.q.GetStory(s.ctx, id)
	if err != nil || row.Status == statusNamed {
		return nil, none(err)
	}
	return decodeStory(row.ID, row.Merged)
}

// Dependencies is that of [pipeline.Source].
func (s *source) Dependencies(id string) ([]pipeline.Dependency, error) {
	rows, err := s.q.DependenciesOf(s.ctx, id)
	on := make([]pipeline.Dependency, len(rows))
	for i, row := range rows {
		on[i] = pipeline.Dependency{Number: uint32(row.Number), NumberState: pipeline.NumberState{
			Known: int(row.Known), Visible: int(row.Visible), Open: int(row.Open), Archived: int(row.Archived), Deleted: int(row.Deleted),
		}}
	}
	return on, err
}

// Notes is that of [pipeline.Source].
func (s *source) Notes(id string, most int) ([]crdt.NoteEntry, error) {
	rows, err := s.q.LastNotes(s.ctx, db.LastNotesParams{ID: id, Limit: int64(most)})
	notes := make([]crdt.NoteEntry, len(rows))
	for i, row := range rows {
		notes[len(rows)-1-i] = crdt.NoteEntry{By: stampOf(row.Seq, row.Author, row.OpID), Agent: row.Agent, At: row.At, Text: row.Text}
	}
	return notes, err
}

// Number is that of [pipeline.Source].
func (s *source) Number(n uint32) (pipeline.NumberState, error) { return numberState(s.ctx, s.q, n) }

func numberState(ctx context.Context, q *db.Queries, n uint32) (pipeline.NumberState, error) {
	row, err := q.GetNumber(ctx, int64(n))
	return pipeline.NumberState{
		Known: int(row.Known), Visible: int(row.Visible), Open: int(row.Open), Archived: int(row.Archived), Deleted: int(row.Deleted),
	}, none(err)
}

// Numbered is that of [pipeline.Source].
func (s *source) Numbered(n uint32, most int) ([]*crdt.Story, error) {
	rows, err := s.q.NumberedStories(s.ctx, db.NumberedStoriesParams{Number: sql.NullInt64{Int64: int64(n), Valid: true}, Limit: int64(most)})
	return stories(rows, func(r *db.NumberedStoriesRow) (string, []byte) { return r.ID, r.Merged }, err)
}

// stories decodes the stories of rows.
func stories[R any](rows []R, parts func(*R) (id string, merged []byte), err error) ([]*crdt.Story, error) {
	if err != nil {
		return nil, err
	}
	all := make([]*crdt.Story, len(rows))
	for i := range rows {
		if all[i], err = decodeStory(parts(&rows[i])); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Newest is that of [pipeline.Source].
func (s *source) Newest(most int) ([]*crdt.Story, error) {
	rows, err := s.q.NewestStories(s.ctx, int64(most))
	return stories(rows, func(r *db.NewestStoriesRow) (string, []byte) { return r.ID, r.Merged }, err)
}

// Greatest is that of [pipeline.Source].
func (s *source) Greatest() (uint32, error) {
	row, err := s.q.GetState(s.ctx)
	return uint32(row.Greatest), err
}

// Unused is that of [pipeline.Source].
func (s *source) Unused() (uint32, bool, error) {
	first, err := numberState(s.ctx, s.q, 1)
	if err != nil || first.Known == 0 {
		return 1, true, err
	}
	n, err := s.q.UnusedNumber(s.ctx)
	return uint32(n), n > 0 && n <= math.MaxUint32, err
}

// SharedNumbers is that of [pipeline.Source].
func (s *source) SharedNumbers(most int) ([]uint32, error) {
	return numbers(s.q.SharedNumbers(s.ctx, int64(most)))
}

func numbers(rows []int64, err error) ([]uint32, error) {
	all := make([]uint32, len(rows))
	for i, n := range rows {
		all[i] = uint32(n)
	}
	return all, err
}

// mostStatus returns the greatest status of stories that are asked for.
func mostStatus(open bool) int64 {
	if open {
		return statusOpen
	}
	return statusArchived
}

// Dependents is that of [pipeline.Source].
func (s *source) Dependents(n uint32, except string, open bool, most int) (ids []string, count int, err error) {
	total, err := s.q.CountDependents(s.ctx, db.CountDependentsParams{Number: int64(n), MostStatus: mostStatus(open), Except: except})
	if err != nil || total == 0 || most == 0 {
		return nil, int(total), err
	}
	ids, err = s.q.DependentStories(s.ctx, db.DependentStoriesParams{Number: int64(n), MostStatus: mostStatus(open), Except: except, Most: int64(most)})
	return ids, int(total), err
}

// Edges is that of [pipeline.Source].
func (s *source) Edges(n uint32, open bool, most int) ([]pipeline.Edge, error) {
	rows, err := s.q.EdgesFrom(s.ctx, db.EdgesFromParams{
		Number: sql.NullInt64{Int64: int64(n), Valid: true}, MostStatus: mostStatus(open), UnmetOnly: flag(open), Most: int64(most),
	})
	edges := make([]pipeline.Edge, len(rows))
	for i, row := range rows {
		edges[i] = pipeline.Edge{Story: row.ID, Number: uint32(row.Number)}
	}
	return edges, err
}

// Dependent is that of [pipeline.Source].
func (s *source) Dependent(after int64, most int) ([]uint32, error) {
	return numbers(s.q.DependentNumbers(s.ctx, db.DependentNumbersParams{Number: sql.NullInt64{Int64: after, Valid: true}, Limit: int64(most)}))
}

// Claims is that of [pipeline.Source].
func (s *source) Claims(agent string, most int) ([]*crdt.Story, error) {
	rows, err := s.q.ClaimsOf(s.ctx, db.ClaimsOfParams{Agent: agent, Limit: int64(most)})
	return stories(rows, func(r *db.ClaimsOfRow) (string, []byte) { return r.ID, r.Merged }, err)
}

// Holding is that of [pipeline.Source].
func (s *source) Holding(stage pipeline.Stage, most int) ([]*crdt.Story, error) {
	rows, err := s.q.HoldingIn(s.ctx, db.HoldingInParams{Stage: stageColumn(stage), CountedStage: string(stage), Most: int64(most)})
	return stories(rows, func(r *db.HoldingInRow) (string, []byte) { return r.ID, r.Merged }, err)
}

// ClaimedBy is that of [pipeline.Source].
func (s *source) ClaimedBy(prefix string) (*crdt.Story, error) {
	if len(prefix) > 2*len(crdt.OpID{}) || strings.Trim(prefix, "0123456789abcdef") != "" {
		return nil, nil
	}
	padded := func(fill string) []byte {
		b, _ := hex.DecodeString(prefix + strings.Repeat(fill, 2*len(crdt.OpID{})-len(prefix)))
		return b
	}
	rows, err := s.q.ClaimBetween(s.ctx, db.ClaimBetweenParams{FromClaim: padded("0"), ToClaim: padded("f")})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	all, err := stories(rows, func(r *db.ClaimBetweenRow) (string, []byte) { return r.ID, r.Merged }, err)
	if err != nil {
		return nil, err
	}
	return slices.MinFunc(all, func(a, b *crdt.Story) int { return crdt.CompareStoryIDs(a.ID(), b.ID()) }), nil
}

// Count is that of [pipeline.Source].
func (s *source) Count() (int, error) {
	row, err := s.q.GetState(s.ctx)
	return int(row.Stories), err
}

// IDs is that of [pipeline.Source].
func (s *source) IDs(prefix string, most int) ([]string, error) {
	if prefix == "" {
		return s.q.VisibleIDs(s.ctx, int64(most))
	}
	return s.q.IDsFrom(s.ctx, db.IDsFromParams{Prefix: prefix, PrefixEnd: prefix + "\x7f", Most: int64(most)}) // IDs are ASCII
}

// Similar is that of [pipeline.Source].
func (s *source) Similar(part string, most int) ([]string, error) {
	return s.q.IDsWith(s.ctx, db.IDsWithParams{Part: strings.ToLower(part), Most: int64(most)})
}

// Agents is that of [pipeline.Source].
func (s *source) Agents() ([]string, error) { return s.q.AgentsAtWork(s.ctx) }

// Gaps is that of [pipeline.Source].
func (s *source) Gaps() (gaps pipeline.Gaps, err error) {
	for _, kind := range []Kind{Damaged, Assumed} {
		n, err := s.q.CountExceptions(s.ctx, int64(kind))
		if err != nil {
			return gaps, err
		}
		gaps.Damaged += int(n)
	}
	sums, err := s.q.Sums(s.ctx)
	for _, sum := range sums {
		if sumKind(sum.Kind) == sumPendingTrusted {
			gaps.Pending = int(sum.Ops)
		}
	}
	return gaps, err
}
