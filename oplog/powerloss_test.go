//go:build linux

package oplog

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// TestPowerLoss shows that an op whose Write has returned survives a power cut at any
// later moment, that ops of a Write that has not are there all or none, and that the
// state is what the log gives. A workload is recorded once. Then the power fails after
// each step of it, and what may be on disk at that moment is opened as after a restart.
//
// The control shows that the test can fail: with synchronous=NORMAL the same workload
// loses acknowledged ops.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, synchronous string
		loses             bool
	}{
		{name: "as configured"},
		{name: "control", synchronous: "NORMAL", loses: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			folder := filepath.Join(vfstest.TempDir(t), "home")
			w := recordWorkload(t, folder, test.synchronous)
			points, lost := 0, 0
			for c := range crashes(w.events) {
				points++
				err := w.check(t, folder, c)
				if err == nil {
					continue
				}
				lost++
				if test.loses {
					break // shown
				}
				if lost <= 3 {
					t.Errorf("power cut after step %d of %d: %v", c.step, len(w.events), err)
				}
			}
			t.Logf("%d crash points, wrong after %d", points, lost)
			if test.loses && lost == 0 {
				t.Error("lost nothing: this test finds no losses")
			}
		})
	}
}

// workload is what was asked of the log, and what it did to its files.
type workload struct {
	ops    []crdt.SignedOp // op i has seq and arrival i+1
	author crdt.Author
	events []vfstest.Event
}

// begun and acknowledged are notes in the recording: the test gave the log this
// many ops in all; the log said that this many ops are durable.
type (
	begun        int
	acknowledged int
)

// recordWorkload writes ops of many sizes, one and several at a time, with
// checkpoints between and two restarts, in a folder that it makes and removes.
func recordWorkload(t *testing.T, folder, synchronous string) *workload {
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	cfg := testConfig(t, filepath.Join(folder, "p.db"))
	r := &vfstest.Recorder{}
	defer vfstest.Watch(t, folder, r.Handle)()
	w := &workload{}
	for session := range 3 {
		l, err := create(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close() // should the test fail here; twice is harmless
		// Of a new file this acknowledges the key.
		r.Add(vfstest.Event{Kind: vfstest.Noted, Note: acknowledged(len(w.ops))})
		w.author = crdt.AuthorOf(l.Key())
		// A checkpoint every few writes, not every 1,000 pages: it is then that
		// pages are overwritten and the write-ahead log starts again.
		if _, err := l.file.Conn.ExecContext(t.Context(), "PRAGMA wal_autocheckpoint = 30"); err != nil {
			t.Fatal(err)
		}
		if synchronous != "" {
			if _, err := l.file.Conn.ExecContext(t.Context(), "PRAGMA synchronous = "+synchronous); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 8 {
			r.Add(vfstest.Event{Kind: vfstest.Noted, Note: begun(len(w.ops) + 1 + i%3)})
			if err := write(l, func(tx *Tx) error {
				for range 1 + i%3 {
					size := 10
					if i%4 == session {
						size = 6000 // goes on in a second page
					}
					edit := crdt.Set("name", crdt.String(strings.Repeat("x", size)))
					op, signed, err := nextOp(tx, l.Key(), fmt.Sprint(i%5), edit)
					if err != nil {
						return err
					}
					w.ops = append(w.ops, signed)
					if err := appendOp(tx, op, signed); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			r.Add(vfstest.Event{Kind: vfstest.Noted, Note: acknowledged(len(w.ops))})
		}
		if err := l.Close(); err != nil { // moves all to the database file
			t.Fatal(err)
		}
	}
	w.events = r.Events()
	return w
}

// check opens in the folder, which it makes and removes, what a crash left, as a
// process does after a restart, and says what is wrong with it.
func (w *workload) check(t *testing.T, folder string, c crash) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(folder)
	for name, data := range c.files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg := testConfig(t, filepath.Join(folder, "p.db"))
	cfg.Rand = keySource(8) // a key made now is not the one that was lost
	l, err := create(cfg)
	if err != nil {
		return err
	}
	defer l.Close()
	if author := crdt.AuthorOf(l.Key()); c.acknowledged >= 0 && author != w.author {
		return errors.New("the replica's key is lost")
	}
	all, err := readRows(l, 0)
	if err != nil {
		return err
	}
	if len(all) > c.begun {
		return fmt.Errorf("more than the %d ops begun", c.begun)
	}
	rows := len(all)
	for i, row := range all {
		want := w.ops[i]
		if row.Arrival != int64(i+1) || row.Seq != uint64(i+1) || row.ID != want.ID ||
			row.Signature != want.Signature || !bytes.Equal(row.Payload, want.Payload) {
			return fmt.Errorf("arrival %d, op %s, seq %d is not op %d as it was written", row.Arrival, row.ID.Short(), row.Seq, i+1)
		}
	}
	if rows != max(c.acknowledged, 0) && rows != c.begun {
		return fmt.Errorf("%d ops, want the %d acknowledged or all %d", rows, c.acknowledged, c.begun)
	}
	var found string
	if err := l.file.Conn.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
		return fmt.Errorf("integrity: %s, %v", found, err)
	}
	return stateFits(l)
}

// crash is a power cut and what may be on disk after it.
type crash struct {
	step         int               // of the recording, the last before the power cut
	files        map[string][]byte // by name
	begun        int               // ops given to the log by then
	acknowledged int               // of these, those it said are durable; -1: not even the key
}

// crashes cuts the power after each step of a recording (in -short mode after
// every fifth), twice: with nothing on disk but what was synced, and with some
// of the rest, or all of it, as after a process was killed.
func crashes(events []vfstest.Event) iter.Seq[crash] {
	return func(yield func(crash) bool) {
		random := rand.New(rand.NewPCG(1, 2)) // fixed: a failure comes again
		d := vfstest.NewDisk(nil)
		c := crash{acknowledged: -1}
		for i, e := range events {
			switch note := e.Note.(type) {
			case begun:
				c.begun = int(note)
			case acknowledged:
				c.acknowledged = int(note)
			default:
				d.Do(e)
			}
			if testing.Short() && i%5 != 0 {
				continue
			}
			c.step = i + 1
			for _, chance := range []float64{0, min(1, 1.3*random.Float64())} {
				c.files = d.Survivors(random, chance)
				if !yield(c) {
					return
				}
			}
		}
	}
}
