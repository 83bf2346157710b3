package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/pipeline/sourcetest"
)

// equalitySteps is how many steps TestEquality takes in all; HUSKIES_EQUALITY says
// otherwise.
const equalitySteps = 1500

// TestEquality shows after every step of random histories that the tables kept step by
// step, the tables that a rebuild makes, and the model in memory are the same state. The
// histories have ops of several authors in any order, ops that break rules, decisions
// whom to trust, damaged rows, repairs and restarts.
func TestEquality(t *testing.T) {
	t.Parallel()
	steps := equalitySteps
	if s, err := strconv.Atoi(os.Getenv("HUSKIES_EQUALITY")); err == nil {
		steps = s
	}
	const perHistory = 100
	for seed := range uint64(max(1, steps/perHistory)) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			h := newEquality(t, seed)
			for range perHistory {
				h.step()
				h.check()
				if t.Failed() {
					t.FailNow()
				}
			}
		})
	}
}

type equality struct {
	t       *testing.T
	rng     *rand.Rand
	cfg     Config
	log     *Log
	lock    *Lock
	keys    []ed25519.PrivateKey
	root    ed25519.PrivateKey
	alone   bool       // no members are decided
	ops     []*crdt.Op // all that were ever made
	sign    map[crdt.OpID]crdt.SignedOp
	away    []*crdt.Op // not delivered yet
	did     string
	steps   int
	scratch scratch
}

func newEquality(t *testing.T, seed uint64) *equality {
	h := &equality{
		t: t, rng: rand.New(rand.NewPCG(seed, 11)), lock: nil,
		cfg: Config{
			Path: filepath.Join(t.TempDir(), "p.db"), Machine: "here",
			Now:    func() time.Time { return time.UnixMilli(1_700_000_000_000) },
			Rand:   rand.NewChaCha8([32]byte{byte(seed)}),
			Logger: slog.New(slog.DiscardHandler),
		},
		sign: make(map[crdt.OpID]crdt.SignedOp),
	}
	for i := range 3 {
		h.keys = append(h.keys, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(i + 1)}, 32)))
	}
	h.root = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, 32))
	h.lock = NewLock(h.cfg.Path)
	h.open()
	t.Cleanup(func() { _ = h.scratch.close(); _ = h.log.Close(); h.lock.Close() })
	return h
}

func (h *equality) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%s: %v", h.did, err)
	}
}

func (h *equality) locked(fn func() error) {
	h.t.Helper()
	release, err := h.lock.Acquire(context.Background())
	h.must(err)
	defer release()
	h.must(fn())
}

func (h *equality) open() {
	h.locked(func() (err error) {
		h.log, err = Create(context.Background(), h.cfg)
		return err
	})
}

func (h *equality) write(fn func(*Tx) error) {
	h.t.Helper()
	h.locked(func() error { return h.log.Write(context.Background(), fn) })
}

func (h *equality) step() {
	switch n := h.rng.IntN(100); {
	case n < 35:
		h.did = "own write"
		h.deliver(h.make(h.log.Key(), true))
	case n < 45 && !h.alone:
		h.did = "members change elsewhere"
		h.away = append(h.away, h.makeOfMembers())
	case n < 55:
		h.did = "write elsewhere"
		h.away = append(h.away, h.make(h.keys[h.rng.IntN(len(h.keys))], false))
	case n < 86 && len(h.away) > 0:
		h.did = "delivery"
		i := h.rng.IntN(len(h.away))
		if h.rng.IntN(3) > 0 {
			i = len(h.away) - 1 // parents after children
		}
		op := h.away[i]
		h.away = slices.Delete(h.away, i, i+1)
		h.deliver(op)
	case n < 90:
		h.did = "indexing"
		h.write(func(tx *Tx) error {
			tx.wrote = true
			return textIndex{tx.ctx, tx.log.file.St}.indexTexts(tx.log.queries, 1)
		})
	case n < 91:
		h.did = "trust"
		h.write(func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(h.keys[h.rng.IntN(len(h.keys))]), "") })
	case n < 93:
		h.did = "distrust"
		h.write(func(tx *Tx) error { return tx.Distrust(crdt.AuthorOf(h.keys[h.rng.IntN(len(h.keys))])) })
	case n < 94 && !h.alone:
		h.did = "follow"
		h.write(func(tx *Tx) error { return tx.Follow([]crdt.Author{{}, crdt.AuthorOf(h.root)}[h.rng.IntN(8)/7^1]) })
	case n < 95:
		h.did = "restart"
		h.must(h.log.Close())
		h.open()
	case n < 97:
		h.did = "damage"
		h.damage()
	default:
		h.did = "repair"
		h.repair()
	}
}

// deliver appends ops as an import does, in one transaction: each is decoded into the memory of the one before.
func (h *equality) deliver(ops ...*crdt.Op) {
	h.write(func(tx *Tx) error {
		var decoder crdt.Decoder
		for _, made := range ops {
			signed := h.sign[made.ID]
			op, err := decoder.Decode(signed.Payload)
			if err != nil {
				return err
			}
			_, known, err := tx.Admit(op)
			if err == nil && !known {
				_, _, err = tx.Append(op, signed)
			}
			if err != nil {
				return err
			}
		}
		_, next := makeOp(h.t, h.root, 1, "not taken in")
		_, err := decoder.Decode(next.Payload)
		return err
	})
	row, err := h.log.queries.GetState(context.Background())
	h.must(err)
	if ok, _ := fits(&row); !ok {
		h.t.Errorf("%s: the state does not fit the log", h.did)
	}
}

// damage changes the payload of a row, and rebuilds.
func (h *equality) damage() {
	if len(h.ops) == 0 {
		return
	}
	id := h.ops[h.rng.IntN(len(h.ops))].ID
	_, err := h.log.file.Conn.ExecContext(context.Background(), "UPDATE crdt_ops SET payload = CAST(substr(payload, 1, length(payload) - 1) || x'00' AS BLOB) WHERE op_id = ?", id[:])
	h.must(err)
	h.locked(func() error { return h.log.Rebuild(context.Background()) })
}

func (h *equality) repair() {
	var damaged []crdt.OpID
	h.must(h.log.View(context.Background(), func(s *Snapshot) error {
		collect := func(e Exception) error { damaged = append(damaged, e.ID); return nil }
		return errors.Join(s.Exceptions(Damaged, collect), s.Exceptions(Assumed, collect))
	}))
	if len(damaged) == 0 {
		return
	}
	id := damaged[h.rng.IntN(len(damaged))]
	i := slices.IndexFunc(h.ops, func(op *crdt.Op) bool { return op.ID == id })
	h.write(func(tx *Tx) error { return tx.Repair(h.ops[i], h.sign[id]) })
}

var equalityStories = []string{"1_story_a", "1_bug_b", "2_story_c", "3_story_d", "10_spike_e", "77", "no_number", "4294967295_story_z", "huskies.settings"}

var equalityTexts = []string{"!", "one two", "Two thrées_four", "画面にログイン", "one ONE one", "--"}

// make signs an op. An honest one builds on the heads.
func (h *equality) make(key ed25519.PrivateKey, honest bool) *crdt.Op {
	op := &crdt.Op{Story: h.pick(equalityStories), Agent: h.pick([]string{"", "coder-1"}), At: h.clock()}
	if honest {
		h.must(h.log.Write(context.Background(), func(tx *Tx) (err error) {
			op.Parents, op.Seq, err = tx.Next()
			return err
		}))
	} else {
		seqs := uint64(0)
		for range h.rng.IntN(4) {
			if len(h.ops) == 0 {
				break
			}
			p := h.ops[len(h.ops)-1-h.rng.IntN(min(len(h.ops), 12))]
			if !slices.Contains(op.Parents, p.ID) {
				op.Parents, seqs = append(op.Parents, p.ID), max(seqs, p.Seq)
			}
		}
		crdt.SortOpIDs(op.Parents)
		op.Seq = seqs + 1
		if h.rng.IntN(25) == 0 {
			op.Seq++ // refused
		}
	}
	op.Edits = h.edits()
	h.nameOverwritten(op)
	op.Fence = h.fence()
	return h.seal(op, key)
}

// makeOfMembers signs an op about members, as root or anybody writes it, mostly behind all others.
func (h *equality) makeOfMembers() *crdt.Op {
	key := h.root
	if h.rng.IntN(3) > 0 {
		key = h.keys[h.rng.IntN(len(h.keys))]
	}
	about := append([]ed25519.PrivateKey{h.log.Key()}, h.keys...)
	change := members.Change{Author: crdt.AuthorOf(about[h.rng.IntN(len(about))]), Admin: h.rng.IntN(3) > 0}
	if change.Remove = h.rng.IntN(3) == 0; change.Remove {
		for range h.rng.IntN(3) {
			if id := h.op(); !id.IsZero() && !slices.Contains(change.Heads, id) {
				change.Heads = append(change.Heads, id)
			}
		}
		change.Admin = false
	}
	op := &crdt.Op{Story: members.Story, Edits: []crdt.Edit{change.Edit()}}
	var ops []members.Op
	seqs := map[crdt.OpID]uint64{}
	for _, op := range h.ops {
		if seqs[op.ID] = op.Seq; op.Story == members.Story {
			ops = append(ops, members.Read(op))
		}
	}
	op.Parents, op.Seq = members.Next(ops, func(crdt.Author) bool { return h.rng.IntN(4) > 0 }, nil)
	if id := h.op(); h.rng.IntN(20) == 0 && !slices.Contains(op.Parents, id) && !id.IsZero() { // it does not count
		op.Parents, op.Seq = append(op.Parents[:0:0], id), seqs[id]+1
	}
	return h.seal(op, key)
}

// seal signs an op and keeps it.
func (h *equality) seal(op *crdt.Op, key ed25519.PrivateKey) *crdt.Op {
	h.t.Helper()
	signed, err := crdt.Sign(op, key)
	h.must(err)
	full, err := crdt.Verify(signed.Payload, signed.Signature)
	h.must(err)
	h.ops = append(h.ops, full)
	h.sign[full.ID] = signed
	return full
}

// nameOverwritten lets edits say what they overwrite: what stands here, or anything, or nothing.
func (h *equality) nameOverwritten(op *crdt.Op) {
	h.must(h.log.View(context.Background(), func(s *Snapshot) error {
		story, err := s.Source().Story(op.Story)
		for i := range op.Edits {
			e := &op.Edits[i]
			f, known := pipeline.Schema().Field(e.Field)
			switch {
			case e.Kind != crdt.KindSet:
			case h.rng.IntN(3) == 0:
				e.Over = crdt.OverOp(h.op())
			case story != nil && known:
				e.Over = crdt.OverOp(story.Writer(f))
			}
		}
		return err
	}))
}

// fence returns the fence of an op. Most have none, and some that of an earlier op.
func (h *equality) fence() (f crdt.Fence) {
	switch h.rng.IntN(4) {
	case 0:
		return crdt.Fence{Epoch: uint64(1 + h.rng.IntN(2)), Revision: uint64(1 + h.rng.IntN(3))}
	case 1:
		if len(h.ops) > 0 {
			return h.ops[h.rng.IntN(len(h.ops))].Fence
		}
	}
	return f
}

// clock returns the time of an op. Some clocks lie.
func (h *equality) clock() int64 {
	switch h.rng.IntN(8) {
	case 0:
		return []int64{0, 1, 1 << 52}[h.rng.IntN(3)]
	case 1:
		return h.cfg.Now().UnixMilli() + int64(h.rng.IntN(1_000_000_000))
	}
	return h.cfg.Now().UnixMilli() - int64(h.rng.IntN(1_000_000_000))
}

func (h *equality) pick(from []string) string { return from[h.rng.IntN(len(from))] }

func (h *equality) op() (id crdt.OpID) {
	if len(h.ops) > 0 && h.rng.IntN(4) > 0 {
		return h.ops[h.rng.IntN(len(h.ops))].ID
	}
	return id
}

func (h *equality) edits() (edits []crdt.Edit) {
	used := make(map[string]bool)
	for range 1 + h.rng.IntN(4) {
		e := h.edit()
		what := fmt.Sprint(e.Kind, e.Field, e.Number)
		if e.Kind == crdt.KindInc {
			what = fmt.Sprint(crdt.KindSet, e.Field, e.Number)
		}
		if !used[what] {
			used[what] = true
			edits = append(edits, e)
		}
	}
	return edits
}

func (h *equality) edit() crdt.Edit {
	switch h.rng.IntN(13) {
	case 0, 1, 2:
		return crdt.Set("stage", crdt.String(h.pick([]string{"1_backlog", "1_backlog", "2_current", "5_done", "6_archived", "9_new", ""})))
	case 3:
		return crdt.Set("agent", crdt.String(h.pick([]string{"", "coder-1", "coder-2"})))
	case 4:
		return crdt.Set("claim", crdt.String("2026-01-01T00:00:00Z/.."))
	case 5:
		return crdt.Set("blocked", crdt.Bool(h.rng.IntN(2) == 0))
	case 6:
		return crdt.Set("deleted", crdt.Bool(h.rng.IntN(3) == 0))
	case 7:
		if h.rng.IntN(2) == 0 {
			return crdt.Set("retry_count", crdt.Int(int64(h.rng.IntN(5))))
		}
		return crdt.Inc("retry_count", uint64(1+h.rng.IntN(3)), h.op())
	case 8, 9:
		return crdt.Dep(uint32([]int{1, 2, 3, 10, 77, 500}[h.rng.IntN(6)]), h.rng.IntN(3) > 0)
	case 10:
		return crdt.Note(h.pick(equalityTexts))
	case 11:
		if h.rng.IntN(4) == 0 {
			return crdt.Set(h.pick([]string{"max_retries", "limit.4_merge", "lease_grace", "limit.new"}), crdt.String(h.pick([]string{"", "1", "90s"})))
		}
		return crdt.Set(h.pick([]string{"name", "description"}), crdt.String(h.pick(equalityTexts)))
	}
	switch h.rng.IntN(4) {
	case 0:
		return crdt.Place(crdt.Anchor{})
	case 1:
		return crdt.Place(crdt.Anchor{Story: h.pick(append([]string{"9_ghost"}, equalityStories...))})
	}
	return crdt.Place(crdt.Anchor{Op: h.op()})
}

// check compares the three forms of the state.
func (h *equality) check() {
	h.t.Helper()
	ctx := context.Background()
	h.steps++
	var kept, rebuilt bytes.Buffer
	h.must(h.log.View(ctx, func(s *Snapshot) error {
		h.must(dump(ctx, s.q, &kept))
		h.checkLabels(s)
		h.checkTexts(s)
		h.checkWords(s)
		h.checkFlow(s)
		if h.steps%20 != 0 {
			return nil
		}
		by, err := replayTrust(ctx, s.q)
		h.must(err)
		r, err := replayLog(ctx, s.q, by, nil)
		h.must(err)
		if diff := sourcetest.Difference(r.model, s.Source()); diff != "" {
			h.t.Errorf("after %s the tables answer otherwise than the model: %s", h.did, diff)
		}
		return nil
	}))
	if h.scratch.st == nil {
		h.must(h.scratch.open(ctx, h.log))
	}
	h.must(h.scratch.rebuild(ctx, h.log))
	h.must(dump(ctx, db.New(h.scratch.st), &rebuilt))
	if diff := cmp.Diff(rebuilt.String(), kept.String()); diff != "" {
		h.t.Errorf("after %s (-rebuilt +kept):\n%s", h.did, diff)
	}
}

// checkFlow shows that the moves of all days add up to the stories that there are.
func (h *equality) checkFlow(s *Snapshot) {
	there, moved := map[string]int64{}, map[string]int64{}
	counts, err := s.q.Counts(s.ctx)
	h.must(err)
	for _, c := range counts {
		there[c.Stage] += c.Stories
	}
	flow, err := s.q.DumpFlow(s.ctx)
	h.must(err)
	for _, f := range flow {
		if f.Stage == "" {
			continue
		}
		if moved[f.Stage] += f.Came - f.Went; moved[f.Stage] == 0 {
			delete(moved, f.Stage)
		}
	}
	if diff := cmp.Diff(there, moved); diff != "" {
		h.t.Errorf("after %s (-stories +moves):\n%s", h.did, diff)
	}
}

// checkLabels shows that the labels say an order.
func (h *equality) checkLabels(s *Snapshot) {
	rows, err := s.q.AllPlaces(s.ctx)
	h.must(err)
	for i := range rows[:max(0, len(rows)-1)] {
		if rows[i].Label.Int64 >= rows[i+1].Label.Int64 {
			h.t.Errorf("after %s label %d stands before label %d", h.did, rows[i].Label.Int64, rows[i+1].Label.Int64)
		}
	}
}
