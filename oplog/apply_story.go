package oplog

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/pipeline"
)

// ErrState marks an error of the state alone: the tables of the state hold what no build wrote there. They can be made
// anew from the log.
var ErrState = errors.New("the state is damaged")

// The values of stories.status. Stories from statusOpen on are visible.
const (
	statusNamed     = iota // only an anchor names it
	statusStageless        // it has no stage yet
	statusDeleted
	statusOpen
	statusDone
	statusArchived
)

// openStory is a story that the op which is being applied changes.
type openStory struct {
	*crdt.Story
	n              int64
	depends, unmet int64
	place          int64
	was            storyColumns // what the tables say
}

// storyColumns is what the tables say of a story outside its merge data.
type storyColumns struct {
	row     pipeline.Row
	status  int64
	waiting bool
	place   int64
}

// countKey is a kind of visible stories.
type countKey struct {
	stage, agent     string
	blocked, waiting int64
}

func (s *openStory) columns() storyColumns {
	c := storyColumns{row: pipeline.RowOf(s.Story), waiting: s.unmet > 0, place: s.place}
	c.status = statusOf(s.Story, &c.row)
	return c
}

func statusOf(s *crdt.Story, row *pipeline.Row) int64 {
	switch {
	case !s.Known():
		return statusNamed
	case row.Deleted:
		return statusDeleted
	case row.Stage == "":
		return statusStageless
	case row.Stage == pipeline.Archived:
		return statusArchived
	case row.Finished:
		return statusDone
	}
	return statusOpen
}

func (c *storyColumns) countKey() (key countKey, visible bool) {
	return countKey{string(c.row.Stage), c.row.Agent, flag(c.row.Blocked), flag(c.waiting)}, c.row.Stage != ""
}

// numberState returns what a story adds to the stories with its number.
func (c *storyColumns) numberState() (n pipeline.NumberState) {
	if c.status == statusNamed {
		return n
	}
	n.Known = 1
	n.Deleted = int(flag(c.status == statusDeleted))
	n.Visible = int(flag(c.status >= statusOpen))
	n.Open = int(flag(c.status == statusOpen))
	n.Archived = int(flag(c.status == statusArchived))
	return n
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func stageColumn(s pipeline.Stage) sql.NullString {
	return sql.NullString{String: string(s), Valid: s != ""}
}

// story opens a story, which it enters if it is new.
func (w *stateWriter) story(id string) (*openStory, error) {
	row, err := w.q.GetStory(w.ctx, id)
	if errors.Is(err, sql.ErrNoRows) {
		return w.newStory(id)
	}
	if err != nil {
		return nil, err
	}
	return w.openStory(db.GetStoryByNRow(row))
}

func (w *stateWriter) storyByN(n int64) (*openStory, error) {
	if s, ok := w.open[n]; ok {
		return s, nil
	}
	row, err := w.q.GetStoryByN(w.ctx, n)
	if err != nil {
		return nil, fmt.Errorf("story %d: %w: %w", n, ErrState, err)
	}
	return w.openStory(row)
}

func (w *stateWriter) openStory(row db.GetStoryByNRow) (*openStory, error) {
	if s, ok := w.open[row.N]; ok {
		return s, nil
	}
	story, err := crdt.DecodeStory(row.ID, row.Merged)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	s := &openStory{Story: story, n: row.N, depends: row.Depends, unmet: row.Unmet, place: row.Place}
	s.was = s.columns()
	w.open[s.n] = s
	return s, nil
}

func (w *stateWriter) newStory(id string) (*openStory, error) {
	s := &openStory{Story: crdt.NewStory(id)}
	s.was = s.columns()
	n, err := w.q.AddStory(w.ctx, db.AddStoryParams{ID: id, SortKey: crdt.StorySortKey(id), Merged: crdt.AppendStory(nil, s.Story)})
	if err != nil {
		return nil, err
	}
	s.n = n
	w.open[n] = s
	return s, nil
}

// save writes what the op made of a story, and what follows from that for others.
func (w *stateWriter) save(s *openStory) error {
	if s.Known() && s.place == 0 { // no op has placed it
		own, err := w.ownPlace(s)
		if err != nil {
			return err
		}
		s.place = own.n
	}
	now := s.columns()
	number := sql.NullInt64{Int64: int64(now.row.Number), Valid: now.row.HasNumber && s.Known()}
	err := w.q.PutStory(w.ctx, db.PutStoryParams{
		Number: number, Status: now.status, Depends: s.depends, Unmet: s.unmet, Place: s.place, Merged: crdt.AppendStory(nil, s.Story), N: s.n,
	})
	if err != nil {
		return err
	}
	if s.was.status == statusNamed && now.status != statusNamed {
		w.state.Stories++
		if number.Valid {
			w.state.Greatest = max(w.state.Greatest, number.Int64)
		}
	}
	if err := w.saveClaim(s, &now); err != nil {
		return err
	}
	if err := w.show(&s.was, &now); err != nil {
		return err
	}
	was := s.was
	s.was = now
	if number.Valid {
		return w.saveNumber(number.Int64, was.numberState(), now.numberState())
	}
	return nil
}

func (w *stateWriter) saveClaim(s *openStory, now *storyColumns) error {
	token := func(c *storyColumns) (id crdt.OpID) {
		if c.row.Stage != "" {
			id = c.row.Claim
		}
		return id
	}
	is := token(now)
	if token(&s.was) == is && (is.IsZero() || s.was.row.Agent == now.row.Agent) {
		return nil
	}
	if err := w.q.DropClaim(w.ctx, s.n); err != nil || is.IsZero() {
		return err
	}
	return w.q.PutClaim(w.ctx, db.PutClaimParams{Claim: is[:], Story: s.n, Agent: now.row.Agent})
}

// show writes where a story stands and what queries need to know of it there.
func (w *stateWriter) show(was, now *storyColumns) error {
	if key, visible := was.countKey(); visible {
		w.counts[key]--
	}
	if key, visible := now.countKey(); visible {
		w.counts[key]++
	}
	if was.place != 0 && was.place != now.place {
		if err := w.q.ShowPlace(w.ctx, db.ShowPlaceParams{N: was.place}); err != nil {
			return err
		}
	}
	if now.place == 0 || was.place == now.place && was.shown() == now.shown() {
		return nil
	}
	at := now.shown()
	at.N = now.place
	return w.q.ShowPlace(w.ctx, at)
}

func (c *storyColumns) shown() (p db.ShowPlaceParams) {
	p.Shown = flag(c.status >= statusOpen || c.status == statusStageless)
	if c.row.Stage == "" {
		return p
	}
	p.Stage, p.Agent = stageColumn(c.row.Stage), c.row.Agent
	p.Blocked, p.Waiting = flag(c.row.Blocked), flag(c.waiting)
	p.Claimable = flag(pipeline.Claimable(c.row.Stage, c.row.Blocked, c.waiting))
	return p
}

// saveNumber writes what a story adds to the stories with its number. When a
// dependency on the number is met now, or not any more, those who depend on it hear.
func (w *stateWriter) saveNumber(number int64, was, now pipeline.NumberState) error {
	if was == now {
		return nil
	}
	before, err := numberState(w.ctx, w.q, uint32(number))
	if err != nil {
		return err
	}
	change := db.AddNumberParams{
		Number: number, Known: int64(now.Known - was.Known), Visible: int64(now.Visible - was.Visible),
		Open: int64(now.Open - was.Open), Archived: int64(now.Archived - was.Archived), Deleted: int64(now.Deleted - was.Deleted),
	}
	if err := w.q.AddNumber(w.ctx, change); err != nil {
		return err
	}
	after := before
	after.Visible, after.Open = after.Visible+int(change.Visible), after.Open+int(change.Open)
	if before.Met() == after.Met() {
		return nil
	}
	by := int64(1)
	if after.Met() {
		by = -1
	}
	return w.tellDependents(number, by)
}

// tellDependents changes by how many dependencies the stories wait that depend on the
// number. The cost is linear in their number.
func (w *stateWriter) tellDependents(number, by int64) error {
	rows, err := w.q.DependentRows(w.ctx, number)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := w.q.AddUnmet(w.ctx, db.AddUnmetParams{Unmet: by, N: row.N}); err != nil {
			return err
		}
		was, now := row.Unmet > 0, row.Unmet+by > 0
		if was == now || !row.Stage.Valid {
			continue
		}
		key := countKey{row.Stage.String, row.Agent.String, row.Blocked.Int64, flag(was)}
		w.counts[key]--
		key.waiting = flag(now)
		w.counts[key]++
		claimable := pipeline.Claimable(pipeline.Stage(key.stage), key.blocked == 1, now)
		if err := w.q.SetWaiting(w.ctx, db.SetWaitingParams{Waiting: flag(now), Claimable: flag(claimable), N: row.Place}); err != nil {
			return err
		}
	}
	return nil
}

// besideTables keeps in tables what grows with the ops of a story.
type besideTables struct {
	w *stateWriter
	s *openStory
}

// Increment is that of [crdt.Beside].
func (b *besideTables) Increment(f crdt.Field, base crdt.OpID, by uint64) (uint64, error) {
	sum, err := b.w.q.AddIncrement(b.w.ctx, db.AddIncrementParams{Story: b.s.n, Field: int64(f), Base: baseColumn(base), Total: int64(by)})
	return uint64(sum), err
}

// Increments is that of [crdt.Beside].
func (b *besideTables) Increments(f crdt.Field, base crdt.OpID) (uint64, error) {
	sum, err := b.w.q.GetIncrements(b.w.ctx, db.GetIncrementsParams{Story: b.s.n, Field: int64(f), Base: baseColumn(base)})
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return uint64(sum), err
}

func baseColumn(base crdt.OpID) []byte {
	if base.IsZero() {
		return []byte{}
	}
	return base[:]
}

// Depend is that of [crdt.Beside].
func (b *besideTables) Depend(number uint32, on bool, by crdt.Stamp) error {
	q, ctx := b.w.q, b.w.ctx
	old, err := q.GetDependency(ctx, db.GetDependencyParams{Story: b.s.n, Number: int64(number)})
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if err == nil && !by.Wins(stampOf(old.Seq, old.Author, old.OpID)) {
		return nil
	}
	err = q.PutDependency(ctx, db.PutDependencyParams{
		Story: b.s.n, Number: int64(number), IsOn: flag(on), Seq: int64(by.Seq), Author: by.Author[:], OpID: by.Op[:],
	})
	if err != nil || on == (old.IsOn == 1) {
		return err
	}
	state, err := numberState(ctx, q, number)
	by1 := 2*flag(on) - 1
	b.s.depends += by1
	if !state.Met() {
		b.s.unmet += by1
	}
	return err
}

// Note is that of [crdt.Beside].
func (b *besideTables) Note(op *crdt.Op, text string) error {
	n := noteN(b.s.n, b.s.NoteCount())
	err := b.w.q.AddNote(b.w.ctx, db.AddNoteParams{
		N: n, Story: b.s.n, Seq: int64(op.Seq), Author: op.Author[:], OpID: op.ID[:], Agent: op.Agent, At: op.At, Text: text,
	})
	if err != nil {
		return err
	}
	b.w.queued = true
	return b.w.q.QueueText(b.w.ctx, db.QueueTextParams{Kind: textOfNote, N: n})
}

// Place is that of [crdt.Beside].
func (b *besideTables) Place(op *crdt.Op, after crdt.Anchor) error { return b.w.place(b.s, op, after) }

func stampOf(seq int64, author, op []byte) (s crdt.Stamp) {
	s.Seq = uint64(seq)
	copy(s.Author[:], author)
	copy(s.Op[:], op)
	return s
}
