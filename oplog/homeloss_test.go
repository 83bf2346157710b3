//go:build linux

package oplog

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
	"github.com/huskies/huskies-mcp/migrations"
)

// stages of the file that TestHomesPowerLoss makes, as its recording counts them.
const (
	stageOld   = 1 + iota // a file of schema 2
	stageHomes            // brought up to date
	stageFresh            // copied to another machine, with a fresh key there
)

// TestHomesPowerLoss: wherever the power fails while an old file gets homes, and
// while a copy gets its key, the next start finds the old key at home and one
// fresh key on the other machine: the one that was acknowledged, if it was.
func TestHomesPowerLoss(t *testing.T) {
	t.Parallel()
	parent, err := filepath.EvalSymlinks(t.TempDir())
	check(t, err)
	folder := filepath.Join(parent, "home")
	old := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	fresh := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{10}, ed25519.SeedSize))
	start := func(machine string, key ed25519.PrivateKey) (*Log, error) {
		cfg := testConfig(t, filepath.Join(folder, "p.db"))
		cfg.Machine, cfg.Rand = machine, keySource(key.Seed()[0])
		return create(cfg)
	}
	points := 0
	for c := range crashes(recordHomes(t, folder, old, fresh, start)) {
		if c.acknowledged < stageOld || c.step%2 == 0 { // every other step will do
			continue
		}
		points++
		check(t, os.Mkdir(folder, 0o700))
		for name, data := range c.files {
			check(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
		}
		// The old key was made "here"; a file of schema 2 belongs where it is opened.
		for _, machine := range []string{"here", "there", "here"} {
			key, other := old, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{11}, ed25519.SeedSize))
			if machine == "there" {
				if key = other; c.acknowledged == stageFresh {
					key = fresh
				}
			}
			l, err := start(machine, other)
			if err != nil {
				t.Fatalf("power cut after step %d, stage %d, on %s: %v", c.step, c.acknowledged, machine, err)
			}
			got := l.Author()
			// The fresh key may have reached the disk before that was acknowledged.
			early := machine == "there" && c.acknowledged == stageHomes && got == crdt.AuthorOf(fresh)
			if got != crdt.AuthorOf(key) && !early {
				t.Errorf("power cut after step %d, stage %d: on %s the key is %s", c.step, c.acknowledged, machine, got.Short())
			}
			if n := len(readAll(t, l, 0)); n != 1 {
				t.Errorf("power cut after step %d, stage %d: %d ops, want 1", c.step, c.acknowledged, n)
			}
			check(t, stateFits(l))
			check(t, l.Close())
		}
		check(t, os.RemoveAll(folder))
		if t.Failed() {
			return
		}
	}
	if points < 50 && !testing.Short() {
		t.Errorf("%d crash points: the recording is too short to say anything", points)
	}
	t.Log(points, "crash points")
}

// recordHomes makes a file of schema 2 with one op, in a folder that it makes and
// removes, and opens it here and there.
func recordHomes(t *testing.T, folder string, old, fresh ed25519.PrivateKey, start func(string, ed25519.PrivateKey) (*Log, error)) []vfstest.Event {
	check(t, os.Mkdir(folder, 0o700))
	defer os.RemoveAll(folder)
	r := &vfstest.Recorder{}
	defer vfstest.Watch(t, folder, r.Handle)()
	_, signed := makeOp(t, old, 1, "a")
	author := crdt.AuthorOf(old)
	execRaw(t, filepath.Join(folder, "p.db"), strings.Join([]string{
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN", strings.Join(migrations.All()[:2], "\n"),
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = 2", applicationID),
		fmt.Sprintf("INSERT INTO crdt_node_identity VALUES (1, x'%x', x'%s', 1)", old.Seed(), author),
		fmt.Sprintf("INSERT INTO crdt_ops VALUES (1, x'%s', x'%s', 1, x'%x', x'%s', 1); COMMIT", signed.ID, author, signed.Payload, signed.Signature),
	}, ";\n"))
	r.Add(vfstest.Event{Kind: vfstest.Noted, Note: acknowledged(stageOld)})
	for _, s := range []struct {
		stage   int
		machine string
		key     ed25519.PrivateKey
	}{{stageHomes, "here", old}, {stageFresh, "there", fresh}} {
		l, err := start(s.machine, s.key)
		if err != nil {
			t.Fatal(err)
		}
		r.Add(vfstest.Event{Kind: vfstest.Noted, Note: acknowledged(s.stage)})
		check(t, l.Close())
	}
	return r.Events()
}
