package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// textLog is a log to which ops are appended as they are made, and the model of it.
type textLog struct {
	t     testing.TB
	log   *Log
	lock  *Lock
	model *pipeline.Model // nil: nobody asks for it
}

func newTextLog(t testing.TB) *textLog {
	t.Helper()
	cfg := Config{
		Path: filepath.Join(t.TempDir(), "p.db"), Machine: "here",
		Now:    func() time.Time { return time.UnixMilli(1_700_000_000_000) },
		Rand:   rand.NewChaCha8([32]byte{1}),
		Logger: slog.New(slog.DiscardHandler),
	}
	h := &textLog{t: t, lock: NewLock(cfg.Path)}
	h.locked(func() (err error) {
		h.log, err = Create(context.Background(), cfg)
		return err
	})
	t.Cleanup(func() { _ = h.log.Close(); h.lock.Close() })
	return h
}

func (h *textLog) locked(fn func() error) {
	h.t.Helper()
	release, err := h.lock.Acquire(context.Background())
	if err != nil {
		h.t.Fatal(err)
	}
	defer release()
	if err := fn(); err != nil {
		h.t.Fatal(err)
	}
}

// write appends ops in one transaction: one a story, in which edits are for it.
func (h *textLog) write(stories int, edits func(i int) (story string, edits []crdt.Edit)) {
	h.t.Helper()
	h.locked(func() error {
		return h.log.Write(context.Background(), func(tx *Tx) error {
			for i := range stories {
				op := &crdt.Op{At: 1_700_000_000_000}
				op.Story, op.Edits = edits(i)
				if err := h.append(tx, op); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (h *textLog) append(tx *Tx, op *crdt.Op) (err error) {
	if op.Parents, op.Seq, err = tx.Next(); err != nil {
		return err
	}
	signed, err := crdt.Sign(op, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		return err
	}
	op, err = crdt.Decode(signed.Payload)
	if err != nil {
		return err
	}
	if h.model != nil {
		if _, err := h.model.Apply(op); err != nil {
			return err
		}
	}
	_, _, err = tx.Append(op, signed)
	return err
}

func (h *textLog) view(fn func(s *Snapshot)) {
	h.t.Helper()
	if err := h.log.View(context.Background(), func(s *Snapshot) error { fn(s); return nil }); err != nil {
		h.t.Fatal(err)
	}
}

// queued returns how many texts are queued.
func (h *textLog) queued() (n int64) {
	h.t.Helper()
	h.view(func(s *Snapshot) {
		var err error
		if n, err = s.q.CountQueuedTexts(s.ctx); err != nil {
			h.t.Fatal(err)
		}
	})
	return n
}

func setText(field, value string) crdt.Edit { return crdt.Set(field, crdt.String(value)) }

// TestTextQueue: the write with which 256 texts wait indexes them all. A text that is
// changed twice waits once.
func TestTextQueue(t *testing.T) {
	h := newTextLog(t)
	h.write(maxQueued-2, func(i int) (string, []crdt.Edit) {
		return fmt.Sprint(i+1, "_story"), []crdt.Edit{setText("stage", "1_backlog")}
	})
	change := func(edit crdt.Edit) {
		h.write(1, func(int) (string, []crdt.Edit) { return "1_story", []crdt.Edit{edit} })
	}
	for _, step := range []struct {
		edit crdt.Edit
		want int64
	}{
		{setText("name", "again"), maxQueued - 2},
		{setText("agent", "coder-1"), maxQueued - 2},
		{crdt.Note("a note"), maxQueued - 1},
		{crdt.Note("another note"), 0},
		{setText("agent", "coder-2"), 0},
		{setText("name", "and again"), 1},
	} {
		change(step.edit)
		if got := h.queued(); got != step.want {
			t.Errorf("after %v: got %d texts queued, want %d", pipeline.Describe(&step.edit), got, step.want)
		}
	}
	h.locked(func() error { return h.log.Rebuild(context.Background()) })
	if got := h.queued(); got != 0 {
		t.Errorf("after a rebuild: got %d texts queued, want 0", got)
	}
}

// TestManyHits: searches with more hits than are counted, and with fewer, find the same
// stories in the same order as the model, by every filter and page.
func TestManyHits(t *testing.T) {
	h := newTextLog(t)
	h.model = pipeline.NewModel()
	const stories = maxHits + 300
	h.write(stories, func(i int) (string, []crdt.Edit) {
		edits := []crdt.Edit{setText("stage", string(pipeline.Stages()[i%6])), setText("name", "common"), crdt.Place(crdt.Anchor{})}
		switch i % 7 {
		case 0:
			edits = append(edits, setText("agent", "coder-1"), crdt.Note("rare"))
		case 1:
			edits = append(edits, crdt.Set("blocked", crdt.Bool(true)), setText("description", "rare"))
		case 2:
			edits = append(edits, crdt.Dep(uint32(1+i%10), true))
		case 3:
			edits[0] = crdt.Set("deleted", crdt.Bool(i%2 == 0)) // and without a stage
		}
		return fmt.Sprint(i+1, "_story"), edits
	})
	yes, no, agent, nobody := true, false, "coder-1", ""
	filters := []pipeline.Filter{
		{},
		{Agent: &agent},
		{Agent: &nobody},
		{Blocked: &yes},
		{Blocked: &no},
		{Ready: &yes},
		{Ready: &no},
		{Waiting: &yes},
		{Waiting: &no},
		{Agent: &agent, Blocked: &no, Waiting: &no},
		{Stages: []pipeline.Stage{pipeline.Done, pipeline.Backlog}},
	}
	h.view(func(s *Snapshot) {
		for _, f := range filters {
			if f.Stages == nil {
				f.Stages = pipeline.Stages()
			}
			for _, f.Words = range [][]string{{"comm"}, {"rare"}, {"COMMON", "rare", "--"}, {"common", "no"}} {
				compareHits(t, s.Source(), h.model, f)
			}
		}
	})
}

// compareHits compares all pages and the counts of a filter.
func compareHits(t *testing.T, src, model pipeline.Source, f pipeline.Filter) {
	t.Helper()
	name := fmt.Sprint(f.Words, f.Stages)
	var after *pipeline.Position
	for more := true; more; {
		want, wantMore, _, err := model.List(f, after, 100)
		if err != nil {
			t.Fatal(err)
		}
		got, gotMore, ok, err := src.List(f, after, 100)
		if diff := cmp.Diff(hitIDs(want), hitIDs(got)); diff != "" || err != nil || !ok || gotMore != wantMore {
			t.Fatalf("%s: ok %v, more %v, error %v, want more %v (-want +got):\n%s", name, ok, gotMore, err, wantMore, diff)
		}
		if more = wantMore; more {
			last := want[len(want)-1]
			after = &pipeline.Position{Stage: pipeline.VisibleStage(last), Place: last.Anchor()}
		}
	}
	want, _, _ := model.Counts(f)
	got, complete, err := src.Counts(f)
	if err != nil || complete != (countOf(want) <= maxHits) || countOf(got) != min(countOf(want), maxHits) {
		t.Errorf("%s: got %d hits, complete %v, error %v, want %d", name, countOf(got), complete, err, countOf(want))
	}
	if complete && !slices.Equal(want, got) {
		t.Errorf("%s: got counts %v, want %v", name, got, want)
	}
}

func countOf(counts []pipeline.StageCount) (n int) {
	for _, c := range counts {
		n += c.Count
	}
	return n
}

func hitIDs(list []*crdt.Story) (ids []string) {
	for _, s := range list {
		ids = append(ids, s.ID())
	}
	return ids
}

// TestSearchWhileIndexing: whatever the writer queues and indexes meanwhile, each View
// finds every story by the one name that it has.
func TestSearchWhileIndexing(t *testing.T) {
	h := newTextLog(t)
	const stories = 300
	names := []string{"alpha", "beta"}
	rename := func(n, from, round int) {
		h.write(n, func(i int) (string, []crdt.Edit) {
			return fmt.Sprint(from+i+1, "_story"), []crdt.Edit{setText("stage", "1_backlog"), setText("name", names[round%2])}
		})
	}
	rename(stories, 0, 0)
	reading, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() {
		for reading.Err() == nil {
			err := h.log.View(context.Background(), func(s *Snapshot) error {
				found := 0
				for _, name := range names {
					counts, _, err := s.Source().Counts(pipeline.Filter{Stages: pipeline.Stages(), Words: []string{name}})
					if err != nil {
						return err
					}
					found += countOf(counts)
				}
				if found != stories {
					return fmt.Errorf("got %d stories, want %d", found, stories)
				}
				return nil
			})
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for round := 1; round <= 6; round++ {
		for from := 0; from < stories; from += 10 {
			rename(10, from, round)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestSearchReadOnly: a log that is opened for reading alone is searched like any other,
// with the queue and without, and so is one whose state must be built in memory.
func TestSearchReadOnly(t *testing.T) {
	h := newTextLog(t)
	h.write(3, func(i int) (string, []crdt.Edit) {
		return fmt.Sprint(i+1, "_story"), []crdt.Edit{setText("stage", "1_backlog"), crdt.Note("Crème")}
	})
	find := func(what string, change func(*Config)) {
		t.Helper()
		cfg := h.log.cfg
		change(&cfg)
		l, err := Open(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		err = l.View(context.Background(), func(s *Snapshot) error {
			page, _, _, err := s.Source().List(pipeline.Filter{Stages: pipeline.Stages(), Words: []string{"crem", "story"}}, nil, 10)
			if len(page) != 3 {
				t.Errorf("%s: got %d stories, want 3", what, len(page))
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	readOnly := func(c *Config) { c.ReadOnly = true }
	find("queued", readOnly)
	find("another machine", func(c *Config) { c.Machine = "there" })
	h.locked(func() error { return h.log.Rebuild(context.Background()) })
	find("indexed", readOnly)
}
