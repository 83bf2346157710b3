package oplog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// follower hears of changes as an agent does that asks now and then.
type follower struct {
	at     Position
	told   map[crdt.OpID]bool
	resets int // how often it had to begin anew
}

// hear asks what has changed. It reports whether that could be told.
func (f *follower) hear(l *Log) (ok bool, err error) {
	err = l.View(context.Background(), func(s *Snapshot) error {
		ok, err = f.ask(s, f.at)
		if err == nil && !ok {
			f.resets++
			f.told = nil
			_, err = f.ask(s, Position{})
		}
		f.at = s.Position()
		return err
	})
	return ok, err
}

func (f *follower) ask(s *Snapshot, since Position) (ok bool, err error) {
	if f.told == nil {
		f.told = make(map[crdt.OpID]bool)
	}
	last, twice := since, ""
	ok, err = s.Changes(since, func(c Change) bool {
		if f.told[c.Op] {
			twice += fmt.Sprintf("op %s was told twice; ", c.Op.Short())
		}
		if c.Position.Arrival < last.Arrival || c.Position.Arrival <= since.Arrival {
			twice += fmt.Sprintf("op %s at %v came after %v; ", c.Op.Short(), c.Position, last)
		}
		f.told[c.Op], last = true, c.Position
		return true
	})
	if twice != "" {
		err = errors.Join(err, errors.New(twice))
	}
	return ok, err
}

// appliedOps returns the ops that are applied, as the state knows them.
func appliedOps(l *Log, all []*crdt.Op) (applied []string, err error) {
	err = l.View(context.Background(), func(s *Snapshot) error {
		applied = nil
		for _, op := range all {
			kind, _, there, err := s.KindOf(op.ID)
			if err != nil {
				return err
			}
			if there && kind == Applied {
				applied = append(applied, op.ID.String())
			}
		}
		return nil
	})
	slices.Sort(applied)
	return applied, err
}

func (f *follower) all() (told []string) {
	for id := range f.told {
		told = append(told, id.String())
	}
	slices.Sort(told)
	return told
}

// TestPositions shows, after every step of random histories, that followers who ask after
// each step, now and then, and seldom, have heard of each applied op exactly once since
// they last had to begin anew. They have to only when a decision whom to trust, a damaged
// row or a repair changed the state.
func TestPositions(t *testing.T) {
	t.Parallel()
	resets, steps := 0, 0
	for seed := range uint64(4) {
		h := newEquality(t, 100+seed)
		h.alone = true
		followers := []*follower{{}, {}, {}}
		changed := make([]bool, len(followers))
		for step := range 150 {
			h.step()
			for i, f := range followers {
				switch h.did {
				case "trust", "distrust", "damage", "repair":
					changed[i] = true
				}
				if step%[]int{1, 4, 19}[i] != 0 {
					continue
				}
				ok, err := f.hear(h.log)
				if err != nil {
					t.Fatalf("seed %d, step %d, after %s: %v", seed, step, h.did, err)
				}
				if !ok && !changed[i] {
					t.Fatalf("seed %d, step %d, after %s: what changed is not known", seed, step, h.did)
				}
				changed[i] = false
				want, err := appliedOps(h.log, h.ops)
				h.must(err)
				if diff := cmp.Diff(want, f.all()); diff != "" {
					t.Fatalf("seed %d, step %d, after %s (-applied +told):\n%s", seed, step, h.did, diff)
				}
				steps++
			}
		}
		for _, f := range followers {
			resets += f.resets
		}
	}
	if resets == 0 || resets > steps/4 {
		t.Errorf("%d of %d answers were that it is not known what changed: these histories show little", resets, steps)
	}
}

// TestPositionsAcrossPages shows that more changes than one page are told, that those of
// released ops come behind the row that released them, and that the listener can stop.
func TestPositionsAcrossPages(t *testing.T) {
	c := newChronicle(t)
	op, signed := c.draft("ann", "first")
	check(t, write(c.log, func(tx *Tx) error { // all of these wait for the first
		for i := range scanPage + 10 {
			waiting, sig := c.draft("ann", fmt.Sprint("waits ", i), "first")
			if _, kind, err := tx.Append(waiting, sig); err != nil || kind != Pending {
				return fmt.Errorf("op %d is %v: %w", i, kind, err)
			}
		}
		return nil
	}))
	f := &follower{}
	if ok, err := f.hear(c.log); !ok || err != nil || len(f.told) != 0 {
		t.Fatalf("pending ops: ok %t, %v, told %d", ok, err, len(f.told))
	}
	c.append(op, signed)
	c.write("own", "last", "first")
	if ok, err := f.hear(c.log); !ok || err != nil || len(f.told) != scanPage+12 {
		t.Errorf("ok %t, %v, told %d, want %d", ok, err, len(f.told), scanPage+12)
	}
	var first []Change
	view(t, c.log, func(s *Snapshot) error {
		ok, err := s.Changes(Position{}, func(c Change) bool { first = append(first, c); return len(first) < 3 })
		if !ok || len(first) != 3 || first[0].Op != signed.ID || first[1].Op != c.ops["waits 0"].ID {
			t.Errorf("ok %t, got %v, want the first op and those that waited, in their order", ok, first)
		}
		for _, c := range first {
			if c.Position.Arrival != scanPage+11 {
				t.Errorf("op %s counts at %v, want the row that released it", c.Op.Short(), c.Position)
			}
		}
		return err
	})
}

// TestPositionsOfAnotherLog shows that a position of another file at the path, or of what a
// file was before a backup was put back, is not taken for one of what is there.
func TestPositionsOfAnotherLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b")
	early := position(t, l)
	to, _, err := backup(t, path, true)
	check(t, err)
	check(t, l.Close())
	raw, err := os.ReadFile(path)
	check(t, err)
	l = mustCreate(t, path)
	appendOps(t, l, "c", "d")
	late := position(t, l)
	check(t, l.Close())
	replace := func(file []byte) *Log {
		t.Helper()
		for _, side := range []string{"", "-wal", "-shm"} {
			_ = os.Remove(path + side)
		}
		if file != nil {
			check(t, os.WriteFile(path, file, 0o600))
		}
		return mustCreate(t, path)
	}
	tells := func(l *Log, since Position, wantOK bool, want int) {
		t.Helper()
		n := 0
		view(t, l, func(s *Snapshot) error {
			ok, err := s.Changes(since, func(Change) bool { n++; return true })
			if ok != wantOK || n != want || err != nil {
				t.Errorf("since %v: ok %t, %d changes (%v), want %t and %d", since, ok, n, err, wantOK, want)
			}
			return nil
		})
	}
	backupFile, err := os.ReadFile(to)
	check(t, err)

	l = replace(backupFile) // a state of its own
	appendOps(t, l, "x", "y", "z")
	tells(l, early, false, 0)
	tells(l, late, false, 0)
	tells(l, Position{}, true, 5)
	check(t, l.Close())

	l = replace(raw) // the file as it was, with its state
	tells(l, early, true, 0)
	tells(l, late, false, 0)
	appendOps(t, l, "x", "y", "z")
	tells(l, early, true, 3)
	tells(l, late, false, 0) // the row is there again, with another op
	check(t, l.Close())

	l = replace(nil) // another pipeline
	appendOps(t, l, "1", "2", "3", "4", "5")
	tells(l, early, false, 0)
	tells(l, late, false, 0)
}

// TestPositionAfterARebuild shows that a rebuild that was asked for gives the state another
// ID, and that the same state is answered from.
func TestPositionAfterARebuild(t *testing.T) {
	c := sound(t)
	before, dumped := position(t, c.log), stateDump(t, c.log)
	release, err := NewLock(c.path).Acquire(t.Context())
	check(t, err)
	check(t, c.log.Rebuild(t.Context()))
	release()
	after := position(t, c.log)
	if before.Arrival != after.Arrival || before.Op != after.Op || before.State == after.State {
		t.Errorf("the position was %v and is %v", before, after)
	}
	if diff := cmp.Diff(dumped, stateDump(t, c.log)); diff != "" {
		t.Errorf("the state (-before +after):\n%s", diff)
	}
	view(t, c.log, func(s *Snapshot) error {
		if ok, err := s.Changes(before, func(Change) bool { t.Error("a change is told"); return true }); ok || err != nil {
			t.Errorf("ok %t, %v", ok, err)
		}
		return nil
	})
}

// TestPositionsInMemory shows that a position in a state that is made in memory is told from one that was
// made by other decisions, or before a row was repaired, and is good after an op.
func TestPositionsInMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	cfg := testConfig(t, path)
	cfg.Machine = "elsewhere"
	reader, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	appendOps(t, l, "a")
	bob := authorKey("bob")
	op, signed := makeOp(t, bob, 1, "of bob")
	check(t, write(l, func(tx *Tx) error { return appendOp(tx, op, signed) }))
	next := func(name string) func(*Tx) error {
		return func(tx *Tx) error { _, err := appendNext(l, tx, name); return err }
	}
	for i, step := range []struct {
		change func(tx *Tx) error
		told   int // -1: the position is not known any more
	}{
		{next("b"), 1},
		{func(tx *Tx) error { return tx.Trust(l.Author(), "") }, -1},
		{func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(bob), "") }, -1},
		{next("c"), 1},
		{func(tx *Tx) error { return tx.Repair(op, signed) }, -1},
	} {
		before := position(t, reader)
		check(t, write(l, step.change))
		view(t, reader, func(s *Snapshot) error {
			told := 0
			ok, err := s.Changes(before, func(Change) bool { told++; return true })
			if !ok {
				told = -1
			}
			if told != step.told {
				t.Errorf("step %d: %d changes are told, want %d", i, told, step.told)
			}
			return err
		})
	}
}

// TestChangesPassOverDamage shows that rows of which no change can be told are passed over:
// one that has rotted since it was applied, and one that holds an op a second time.
func TestChangesPassOverDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b", "c", "d")
	execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	f := &follower{}
	if ok, err := f.hear(l); !ok || err != nil || len(f.told) != 3 {
		t.Errorf("a rotten row: ok %t, %v, told %d", ok, err, len(f.told))
	}
	execRaw(t, path, "UPDATE crdt_ops SET (payload, signature, author) = (SELECT payload, signature, author FROM crdt_ops WHERE arrival = 1) WHERE arrival = 4")
	release, err := NewLock(path).Acquire(t.Context())
	check(t, err)
	defer release()
	check(t, l.Rebuild(t.Context()))
	if ok, err := f.hear(l); ok || err != nil || len(f.told) == 0 {
		t.Errorf("an op in two rows: ok %t, %v, told %d", ok, err, len(f.told))
	}
	checkState(t, l)
}

// TestParsePosition shows that a position is read as it is written, and nothing else is.
func TestParsePosition(t *testing.T) {
	for _, p := range []Position{{}, {Arrival: 1}, {Arrival: 1234, Op: [4]byte{0x9f, 0x3a, 1, 0xbc}, State: 0x5d0a7c11}, {Arrival: 1<<63 - 1, State: 1}} {
		got, err := ParsePosition(p.String())
		if err != nil || got != p && p.Arrival > 0 {
			t.Errorf("%v is read as %v (%v)", p, got, err)
		}
	}
	good := Position{Arrival: 12, Op: [4]byte{1, 2, 3, 4}, State: 5}.String()
	for _, text := range []string{"", " 0", "00", "-1", "12", strings.ToUpper("a") + good, good + ".", " " + good, "+" + good, "0" + good, good[:len(good)-1], good + "0", strings.Replace(good, "01020304", "0102030405", 1), strings.Replace(good, "01020304", "zz020304", 1)} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q is read as %v", text, p)
		}
	}
	if bytes.Contains([]byte(good), []byte(" ")) {
		t.Errorf("%q has white space", good)
	}
}
