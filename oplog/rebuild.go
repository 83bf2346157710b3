package oplog

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// stateFormat is the format of the state's tables that this build writes. A greater
// one is a newer build's; a lesser one is rebuilt.
const stateFormat = 7

// rebuilder writes the state that a replay gives into the tables, which it empties
// first.
type rebuilder struct {
	ctx      context.Context
	q        *db.Queries
	text     textIndex
	r        *replay
	trust    *trust
	ns       map[string]int64    // of stories
	places   map[crdt.OpID]int64 // of place edits in the list
	own      map[string]int64    // of own elements
	counts   map[countKey]int64
	stories  int64
	greatest int64
	rows     int64 // written so far, of those that comesOn counts
}

// comesOn counts what was written: a story, its text, its notes' texts, or one change of its
// history. Those who wait are told now and then.
func (b *rebuilder) comesOn() {
	const every = 256
	if b.rows++; b.rows%every == 0 && b.r.written != nil {
		of := int64(3*len(b.ns) + len(b.r.history))
		b.r.written(min(b.rows, of), of)
	}
}

// stateTables are the tables that a rebuild fills.
var stateTables = []string{
	"op_index", "exceptions", "waiting_ops", "late", "heads", "authors", "sums", "stories", "numbers",
	"dependencies", "notes", "increments", "places", "counts", "claims", "history", "spells", "flow",
	"overwritten", "fts_todo", "member_ops",
}

// rebuild makes the tables of the state anew from a replay of the log. The state gets
// the given ID. The caller is in a write transaction.
func rebuild(ctx context.Context, q *db.Queries, conn db.DBTX, r *replay, trust *trust, stateID int64) error {
	for _, table := range stateTables {
		if _, err := conn.ExecContext(ctx, "DELETE FROM "+table); err != nil {
			return err
		}
	}
	b := &rebuilder{
		ctx: ctx, q: q, text: textIndex{ctx, conn}, r: r, trust: trust, ns: make(map[string]int64), places: make(map[crdt.OpID]int64),
		own: make(map[string]int64), counts: make(map[countKey]int64),
	}
	for _, step := range []func() error{b.nameStories, b.putPlaces, b.putStories, b.putNumbers, b.putGraph, b.putHistory, b.putSpells, b.putOverwritten, b.putMembers, b.putTexts} {
		if err := step(); err != nil {
			return err
		}
	}
	if err := q.IndexAllOps(ctx); err != nil {
		return err
	}
	old, err := q.GetState(ctx)
	if err != nil {
		return err
	}
	state := db.PutStateParams{
		Format: stateFormat, StateID: stateID, Arrival: r.arrival, OpID: []byte{},
		Greatest: max(old.Greatest, b.greatest), Stories: b.stories, Decision: old.LastDecision, Key: old.LastKey,
	}
	if r.arrival > 0 {
		state.OpID = r.last[:]
	}
	return q.PutState(ctx, state)
}

// nameStories enters the stories, so that they have numbers: also those that only an
// anchor names, which have own elements in the list.
func (b *rebuilder) nameStories() error {
	ids := make(map[string]bool)
	for e := range b.r.model.Doc().Elements() {
		ids[e.Story] = true
	}
	for s := range b.r.model.Doc().Stories() {
		ids[s.ID()] = true
	}
	for _, id := range slices.SortedFunc(maps.Keys(ids), crdt.CompareStoryIDs) {
		n, err := b.q.AddStory(b.ctx, db.AddStoryParams{ID: id, SortKey: crdt.StorySortKey(id), Merged: crdt.AppendStory(nil, crdt.NewStory(id))})
		if err != nil {
			return err
		}
		b.ns[id] = n
	}
	return nil
}

// putPlaces writes the elements of the list, evenly labelled.
func (b *rebuilder) putPlaces() error {
	label := int64(0)
	for e := range b.r.model.Doc().Elements() {
		row := db.AddPlaceParams{Story: b.ns[e.Story], Seq: int64(e.By.Seq), Author: e.By.Author[:]}
		if e.By == (crdt.Stamp{}) {
			row.OwnKey, row.Author = crdt.StorySortKey(e.Story), []byte{}
		} else {
			row.OpID = e.By.Op[:]
		}
		if e.Anchor.IsZero() {
			row.Label = sql.NullInt64{Int64: label, Valid: true}
			label += labelStep
		} else {
			row.Anchor = e.Anchor[:]
		}
		n, err := b.q.AddPlace(b.ctx, row)
		switch {
		case err != nil:
			return err
		case e.By == (crdt.Stamp{}):
			b.own[e.Story] = n
		case e.Anchor.IsZero():
			b.places[e.By.Op] = n
		}
	}
	return nil
}

func (b *rebuilder) putStories() error {
	for s := range b.r.model.Doc().Stories() {
		if err := b.putStory(s); err != nil {
			return err
		}
		b.comesOn()
	}
	for key, n := range b.counts {
		if err := b.q.AddCount(b.ctx, db.AddCountParams{Stage: key.stage, Agent: key.agent, Blocked: key.blocked, Waiting: key.waiting, Stories: n}); err != nil {
			return err
		}
	}
	return nil
}

func (b *rebuilder) putStory(s *crdt.DocStory) error {
	open := &openStory{Story: &s.Story, n: b.ns[s.ID()]}
	on, err := b.r.model.Dependencies(s.ID())
	if err != nil {
		return err
	}
	open.depends = int64(len(on))
	for _, d := range on {
		open.unmet += flag(!d.Met())
	}
	open.place = b.own[s.ID()]
	if a := s.Anchor(); a.Story == "" {
		open.place = b.places[a.Op]
	}
	now := open.columns()
	number := sql.NullInt64{Int64: int64(now.row.Number), Valid: now.row.HasNumber}
	if err := b.q.PutStory(b.ctx, db.PutStoryParams{
		Number: number, Status: now.status, Depends: open.depends, Unmet: open.unmet, Place: open.place,
		Merged: crdt.AppendStory(nil, open.Story), N: open.n,
	}); err != nil {
		return err
	}
	b.stories++
	if number.Valid {
		b.greatest = max(b.greatest, number.Int64)
	}
	if key, visible := now.countKey(); visible {
		b.counts[key]++
		if claim := now.row.Claim; !claim.IsZero() {
			if err := b.q.PutClaim(b.ctx, db.PutClaimParams{Claim: claim[:], Story: open.n, Agent: now.row.Agent}); err != nil {
				return err
			}
		}
	}
	if at := now.shown(); at != (db.ShowPlaceParams{}) {
		at.N = now.place
		if err := b.q.ShowPlace(b.ctx, at); err != nil {
			return err
		}
	}
	return b.putBeside(s, open.n)
}

// putBeside writes what grows with the ops of a story.
func (b *rebuilder) putBeside(s *crdt.DocStory, n int64) error {
	for d, by := range s.DependencyRegisters() {
		if err := b.q.PutDependency(b.ctx, db.PutDependencyParams{
			Story: n, Number: int64(d.Number), IsOn: flag(d.On), Seq: int64(by.Seq), Author: by.Author[:], OpID: by.Op[:],
		}); err != nil {
			return err
		}
	}
	count := 0
	for note := range s.Notes() {
		by := note.By
		count++
		if err := b.q.AddNote(b.ctx, db.AddNoteParams{
			N: noteN(n, count), Story: n, Seq: int64(by.Seq), Author: by.Author[:], OpID: by.Op[:], Agent: note.Agent, At: note.At, Text: note.Text,
		}); err != nil {
			return err
		}
	}
	for sum, total := range s.Sums() {
		if _, err := b.q.AddIncrement(b.ctx, db.AddIncrementParams{Story: n, Field: int64(sum.Field), Base: baseColumn(sum.Base), Total: int64(total)}); err != nil {
			return err
		}
	}
	return nil
}

func (b *rebuilder) putNumbers() error {
	seen := make(map[uint32]bool)
	for s := range b.r.model.Doc().Stories() {
		n, ok := pipeline.Number(s.ID())
		if !ok || seen[n] {
			continue
		}
		seen[n] = true
		state, err := b.r.model.Number(n)
		if err == nil {
			err = b.q.AddNumber(b.ctx, db.AddNumberParams{
				Number: int64(n), Known: int64(state.Known), Visible: int64(state.Visible), Open: int64(state.Open),
				Archived: int64(state.Archived), Deleted: int64(state.Deleted),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// putGraph writes heads, exceptions and what is known of authors.
func (b *rebuilder) putGraph() error {
	for by, assumed := range b.r.model.Doc().HeadStamps() {
		if err := b.q.AddHead(b.ctx, db.AddHeadParams{OpID: by.Op[:], Seq: int64(by.Seq), Assumed: flag(assumed)}); err != nil {
			return err
		}
	}
	w := newStateWriter(b.ctx, b.q, b.trust, db.PutStateParams{}) // for its sums
	for a, n := range b.r.authors {
		author, err := w.author(a)
		if err != nil {
			return err
		}
		author.Ops = n
	}
	for _, arrival := range slices.Sorted(maps.Keys(b.r.exceptions)) {
		e := b.r.exceptions[arrival]
		if err := b.q.AddException(b.ctx, *e); err != nil {
			return err
		}
		if len(e.Author) == 0 {
			continue
		}
		if err := w.count(crdt.Author(e.Author), Kind(e.Kind), 1, int(e.Size)); err != nil {
			return err
		}
	}
	for missing, op := range b.r.model.Doc().Pending() {
		if err := b.q.WaitForOp(b.ctx, db.WaitForOpParams{Missing: missing[:], Arrival: b.r.pending[op.ID]}); err != nil {
			return err
		}
	}
	for _, l := range b.r.late {
		if err := b.q.AddLate(b.ctx, l); err != nil {
			return err
		}
	}
	return w.flush()
}

func (b *rebuilder) putHistory() error {
	ns := make([]int64, len(b.r.stories.all))
	for i, id := range b.r.stories.all {
		n, ok := b.ns[id]
		if !ok {
			return fmt.Errorf("history of story %s, which is not known: %w", id, ErrState)
		}
		ns[i] = n
	}
	slices.SortFunc(b.r.history, func(x, y historyRow) int { // in the order of the table
		return cmp.Or(cmp.Compare(ns[x.story], ns[y.story]), cmp.Compare(x.arrival, y.arrival))
	})
	stage := func(n int32) sql.NullString { return stageColumn(pipeline.Stage(b.r.stages.all[n])) }
	for _, h := range b.r.history {
		err := b.q.AddHistory(b.ctx, db.AddHistoryParams{Story: ns[h.story], Arrival: h.arrival, Before: stage(h.before), After: stage(h.after)})
		if err != nil {
			return err
		}
		b.comesOn()
	}
	return nil
}

// putSpells writes the times that stories spent in stages, and counts them by day.
func (b *rebuilder) putSpells() error {
	flow := flow{}
	for i := range b.r.spells {
		spell := &b.r.spells[i]
		id := b.r.stories.all[spell.story]
		row := db.AddSpellParams{
			N: spellN(b.ns[id], spell.count), Type: pipeline.TypeOf(id), Stage: b.r.stages.all[spell.stage],
			Began: spell.began, Ended: spell.ended, Started: spell.started,
		}
		if err := b.q.AddSpell(b.ctx, row); err != nil {
			return err
		}
		flow.move(row.Type, b.r.stages.all[spell.before], row.Stage, spell.began)
	}
	return flow.flush(b.ctx, b.q)
}

// putOverwritten writes the values that were lost apart.
func (b *rebuilder) putOverwritten() error {
	all, err := b.r.model.Overwritten("", math.MinInt64, math.MaxInt)
	for i := range all {
		if err := putOverwritten(b.ctx, b.q, b.ns[all[i].Story], &all[i]); err != nil {
			return err
		}
	}
	return err
}

// putMembers writes where the ops about members are.
func (b *rebuilder) putMembers() error {
	for _, arrival := range b.r.memberOps {
		if err := b.q.AddMemberOp(b.ctx, arrival); err != nil {
			return err
		}
	}
	return nil
}

// putTexts indexes all texts in the order of their numbers.
func (b *rebuilder) putTexts() error {
	if err := b.text.empty(); err != nil {
		return err
	}
	stories := slices.SortedFunc(b.r.model.Doc().Stories(), func(x, y *crdt.DocStory) int {
		return cmp.Compare(b.ns[x.ID()], b.ns[y.ID()])
	})
	for _, s := range stories {
		text := queuedText{textOfStory, b.ns[s.ID()], pipeline.Tokens(pipeline.StoryText(&s.Story))}
		if err := b.text.put(&text); err != nil {
			return err
		}
		b.comesOn()
	}
	for _, s := range stories {
		b.comesOn()
		count := 0
		for note := range s.Notes() {
			count++
			text := queuedText{textOfNote, noteN(b.ns[s.ID()], count), pipeline.Tokens(note.Text)}
			if err := b.text.put(&text); err != nil {
				return err
			}
		}
	}
	return nil
}
