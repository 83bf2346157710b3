package oplog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestDamageThatReadersFind shows that a row which rotted after its op was applied is an exception
// as soon as something is written after somebody read the row. Its edits stay in the state, and the
// rebuild that loses them names the op and makes a copy first.
func TestDamageThatReadersFind(t *testing.T) {
	for name, read := range map[string]func(*Snapshot) error{
		"rows": func(s *Snapshot) error { return s.Rows(0, func(SignedRow) error { return nil }) },
		"history": func(s *Snapshot) error {
			return s.History("1_s", 0, func(SignedRow) (bool, error) { return true, nil })
		},
		"changes": func(s *Snapshot) error {
			ok, err := s.Changes(Position{}, func(Change) bool { return true })
			if err == nil && !ok {
				err = errors.New("the changes are not known")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			var logged bytes.Buffer
			cfg := testConfig(t, path)
			cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			l, err := Create(t.Context(), cfg)
			check(t, err)
			defer l.Close()
			appendOps(t, l, "one", "two", "three")
			damaged := func() (arrivals []int64) {
				check(t, l.View(t.Context(), func(s *Snapshot) error {
					return s.Exceptions(Assumed, func(e Exception) error {
						arrivals = append(arrivals, e.Arrival)
						return nil
					})
				}))
				return arrivals
			}
			execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
			appendOps(t, l, "four")
			if got := damaged(); len(got) != 0 {
				t.Errorf("rows %v are exceptions before anybody read them", got)
			}
			check(t, l.View(t.Context(), read))
			appendOps(t, l, "five")
			if got := damaged(); len(got) != 1 || got[0] != 2 {
				t.Fatalf("got exceptions %v, want row 2", got)
			}
			check(t, l.View(t.Context(), read)) // it is an exception once, whoever reads it again
			appendOps(t, l, "six")
			check(t, l.View(t.Context(), func(s *Snapshot) error {
				gaps, err := s.Source().Gaps()
				if err == nil && gaps.Damaged != 1 {
					t.Errorf("the pipeline says that %d ops are damaged, want 1", gaps.Damaged)
				}
				return err
			}))
			check(t, l.Rebuild(t.Context()))
			copies, err := filepath.Glob(path + ".before-rebuild-*")
			if err != nil || len(copies) != 1 || !strings.Contains(logged.String(), "the rebuild loses their edits") {
				t.Errorf("got copies %v, %v, and the log %s", copies, err, &logged)
			}
		})
	}
}

// TestOpIDsOfAnotherLength shows that an op ID that is cut ends nothing: it is damage like any other, and
// the next write rebuilds the state.
func TestOpIDsOfAnotherLength(t *testing.T) {
	for name, tt := range map[string]struct {
		damage string
		look   func(l *Log, s *Snapshot, id crdt.OpID) error
	}{
		"of a row": {
			"UPDATE crdt_ops SET op_id = substr(op_id, 1, 8) WHERE arrival = 1",
			func(_ *Log, s *Snapshot, id crdt.OpID) error { _, _, _, err := s.KindOf(id); return err },
		},
		"of a head": {
			"UPDATE heads SET op_id = x'01'",
			func(_ *Log, s *Snapshot, _ crdt.OpID) error { _, err := s.Heads(); return err },
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a", "b")
			id := arrived(t, l)[0]
			execRaw(t, path, "PRAGMA ignore_check_constraints = 1; "+tt.damage)
			_ = l.View(t.Context(), func(s *Snapshot) error { return tt.look(l, s, id) })
			if !l.Doubted() {
				t.Error("the state is believed")
			}
			if _, err := OpIDs(t.Context(), testConfig(t, path)); err != nil {
				t.Error(err)
			}
			appendOps(t, l, "c")
			check(t, l.View(t.Context(), func(s *Snapshot) error { return tt.look(l, s, id) }))
			checkState(t, l)
			check(t, l.Close())
			l = mustCreate(t, path)
			execRaw(t, path, "PRAGMA ignore_check_constraints = 1; "+tt.damage)
			err := write(l, func(tx *Tx) error {
				_, err := tx.IsSound(id)
				return errors.Join(err, func() error { _, err := appendNext(l, tx, "d"); return err }())
			})
			if !errors.Is(err, ErrState) {
				t.Errorf("a write: got %v", err)
			}
			appendOps(t, l, "e")
			checkState(t, l)
		})
	}
}

// TestReleaseOfADamagedOp shows that an op which waits for its parents is not applied when its row was
// changed meanwhile to what still looks like an op.
func TestReleaseOfADamagedOp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	key := authorKey("ann")
	first, signedFirst := makeOp(t, key, 1, "first")
	second := &crdt.Op{Seq: 2, Parents: []crdt.OpID{first.ID}, Story: "1_s", Edits: []crdt.Edit{crdt.Set("name", crdt.String("second"))}}
	signed, err := crdt.Sign(second, key)
	check(t, err)
	check(t, write(l, func(tx *Tx) error { return appendOp(tx, second, signed) }))
	changed := bytes.Replace(signed.Payload, []byte("second"), []byte("forged"), 1)
	_, err = l.file.Conn.ExecContext(t.Context(), "UPDATE crdt_ops SET payload = ? WHERE arrival = 1", changed)
	check(t, err)
	come := func() error { return write(l, func(tx *Tx) error { return appendOp(tx, first, signedFirst) }) }
	if err := come(); !errors.Is(err, ErrState) {
		t.Errorf("got %v, want a damaged state", err)
	}
	check(t, come()) // on a state that is rebuilt first
	checkState(t, l)
}

// TestRebuildOfOneOpTwice shows that a state can be made of a log in which a second row has an op of
// another one, under another ID, wherever the row stands.
func TestRebuildOfOneOpTwice(t *testing.T) {
	for _, arrival := range []int{1, 3, 9} {
		path := filepath.Join(t.TempDir(), "p.db")
		l := mustCreate(t, path)
		appendOps(t, l, "a", "b")
		execRaw(t, path, fmt.Sprintf(`UPDATE crdt_ops SET arrival = 2 * arrival + 2;
			INSERT INTO crdt_ops SELECT %d, zeroblob(32), author, seq, payload, signature, received_at FROM crdt_ops WHERE arrival = 4`, arrival))
		appendOps(t, l, "c")
		before := position(t, l)
		appendOps(t, l, "d")
		if after := position(t, l); before.State != after.State {
			t.Errorf("row %d: the state does not fit the log", arrival)
		}
		checkState(t, l)
	}
}

// TestRebuildWithAnEmptyOpID shows that a state can be made of a log that has a row of which nothing is left.
func TestRebuildWithAnEmptyOpID(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b", "c")
	execRaw(t, path, "PRAGMA ignore_check_constraints = 1; UPDATE crdt_ops SET op_id = x'', payload = x'' WHERE arrival = 2; UPDATE state SET format = 0")
	checkState(t, l)
	appendOps(t, l, "d")
	checkState(t, l)
}
