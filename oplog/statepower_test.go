//go:build linux

package oplog

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// stages of the file that TestStatePowerLoss makes, as its recording counts them.
const (
	stageSchema4  = 1 + iota // a file of schema 4, with ops
	stageMigrated            // brought up to date, with a state
	stageRebuilt             // the state made anew
	stageTrusted             // a decision that changes which ops are applied
)

// statePowerOps are how many ops the file has.
const statePowerOps = 40

// TestStatePowerLoss shows that wherever the power fails, or the process is killed, while
// an old file gets its state, while the state is made anew, and while a decision whom to
// trust changes it, the next start finds all ops, a decision that was acknowledged, and a
// state that is what the log gives.
func TestStatePowerLoss(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(vfstest.TempDir(t), "home")
	points := 0
	for c := range crashes(recordStates(t, folder)) {
		if c.acknowledged < stageSchema4 || c.step%3 != 0 {
			continue
		}
		points++
		if err := checkStateAfter(t, folder, c); err != nil {
			t.Errorf("power cut after step %d, stage %d: %v", c.step, c.acknowledged, err)
		}
		if t.Failed() {
			return
		}
	}
	if points < 50 && !testing.Short() {
		t.Errorf("%d crash points: the recording is too short to say anything", points)
	}
	t.Log(points, "crash points")
}

// checkStateAfter opens in the folder, which it makes and removes, what a crash left.
func checkStateAfter(t *testing.T, folder string, c crash) error {
	writeFiles(t, folder, c.files)
	defer os.RemoveAll(folder)
	l, err := create(testConfig(t, filepath.Join(folder, "p.db")))
	if err != nil {
		return err
	}
	defer l.Close()
	rows, err := readRows(l, 0)
	if err != nil {
		return err
	}
	if len(rows) != statePowerOps || l.Author() != crdt.AuthorOf(faultKey) {
		return fmt.Errorf("%d rows, author %s", len(rows), l.Author().Short())
	}
	if n := len(trusted(t, l)); n == 0 && c.acknowledged >= stageTrusted {
		return fmt.Errorf("the decision whom to trust is lost")
	}
	return stateFits(l)
}

// recordStates makes a file of schema 4 in a folder that it makes and removes, brings it
// up to date, makes its state anew, and decides whom to trust.
func recordStates(t *testing.T, folder string) []vfstest.Event {
	check(t, os.Mkdir(folder, 0o700))
	defer os.RemoveAll(folder)
	r := &vfstest.Recorder{}
	defer vfstest.Watch(t, folder, r.Handle)()
	reached := func(stage int) { r.Add(vfstest.Event{Kind: vfstest.Noted, Note: acknowledged(stage)}) }
	path := filepath.Join(folder, "p.db")
	var ops []crdt.SignedOp
	for i := range statePowerOps {
		op := &crdt.Op{Seq: uint64(i) + 1, Story: fmt.Sprintf("%d_story_s", i%7), Edits: []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog")), crdt.Note("a note")}}
		if i > 0 {
			op.Parents = []crdt.OpID{ops[i-1].ID}
		}
		signed, err := crdt.Sign(op, []ed25519.PrivateKey{faultKey, authorKey("bob")}[i%2])
		check(t, err)
		ops = append(ops, signed)
	}
	makeOlder(t, path, 4, faultKey, ops...)
	reached(stageSchema4)
	l, err := create(testConfig(t, path))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached(stageMigrated)
	release, err := NewLock(path).Acquire(t.Context())
	check(t, err)
	check(t, l.Rebuild(context.Background()))
	release()
	reached(stageRebuilt)
	check(t, write(l, func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(authorKey("ann")), "ann") }))
	reached(stageTrusted)
	check(t, l.Close())
	return r.Events()
}
