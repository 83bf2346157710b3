package oplog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// dumpOf returns the dump of the state that View answers from.
func dumpOf(l *Log) (text string, err error) {
	var kept bytes.Buffer
	err = l.View(context.Background(), func(s *Snapshot) error {
		kept.Reset()
		return dump(s.ctx, s.q, &kept)
	})
	return kept.String(), err
}

// stateDump is dumpOf where nothing fails.
func stateDump(t testing.TB, l *Log) string {
	t.Helper()
	text, err := dumpOf(l)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rebuiltDump returns the dump of a state that is made from the log, whatever the file's
// own tables say.
func rebuiltDump(l *Log) (text string, err error) {
	var s scratch
	defer func() { _ = s.close() }()
	ctx := context.Background()
	if err := s.open(ctx, l); err != nil {
		return "", err
	}
	if err := s.rebuild(ctx, l); err != nil {
		return "", err
	}
	var b bytes.Buffer
	err = dump(ctx, db.New(s.st), &b)
	return b.String(), err
}

// stateDiff returns how the state that View answers from differs from what the log gives.
func stateDiff(l *Log) (diff string, err error) {
	kept, err := dumpOf(l)
	if err != nil {
		return "", err
	}
	rebuilt, err := rebuiltDump(l)
	return cmp.Diff(rebuilt, kept), err
}

// checkState shows that the state is what the log gives.
func checkState(t testing.TB, l *Log) {
	t.Helper()
	diff, err := stateDiff(l)
	if err != nil {
		t.Fatal(err)
	}
	if diff != "" {
		t.Errorf("the state is not what the log gives (-rebuilt +kept):\n%s", diff)
	}
}

// falsified are statements of somebody who can write a file but has no key. Each leaves
// the log as it was. The state says that it was made with the next key.
var falsified = map[string]string{
	"a story":      "UPDATE stories SET merged = (SELECT merged FROM stories WHERE id = '2_story_b') WHERE id = '1_story_a'",
	"no story":     "DELETE FROM stories",
	"an exception": "INSERT INTO exceptions VALUES (1, 3, (SELECT op_id FROM crdt_ops WHERE arrival = 1), 1, zeroblob(32), 1)",
	"a head":       "INSERT INTO heads VALUES (zeroblob(32), 999, 0)",
	"the next key": "UPDATE stories SET status = 5; UPDATE state SET key = key + 1",
}

// TestStateOfAnotherHome shows that the tables of the state in a file that was moved or
// copied here are not believed: they are somebody else's word. View answers from the log,
// and before the first write the state is made anew.
func TestStateOfAnotherHome(t *testing.T) {
	t.Parallel()
	for name, statement := range falsified {
		for how, machine := range map[string]string{"copied to another machine": "there", "moved": "here", "copied beside": "here"} {
			t.Run(name+", "+how, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "p.db")
				l := mustCreate(t, path)
				for _, story := range []string{"1_story_a", "2_story_b"} {
					check(t, write(l, func(tx *Tx) error {
						op, signed, err := nextOp(tx, l.Key(), story, crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String(story)))
						return errors.Join(err, appendOp(tx, op, signed))
					}))
				}
				want, before := stateDump(t, l), position(t, l)
				check(t, l.Close())
				file, err := os.ReadFile(path)
				check(t, err)
				to := path
				if machine == "here" {
					to = filepath.Join(t.TempDir(), "other.db")
					check(t, os.WriteFile(to, file, 0o600))
				}
				if how == "moved" {
					check(t, os.Remove(path))
				}
				execRaw(t, to, statement)

				cfg := testConfig(t, to)
				cfg.Machine, cfg.Rand = machine, keySource(8)
				reader, err := Open(t.Context(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer reader.Close()
				if diff := cmp.Diff(want, stateDump(t, reader)); diff != "" {
					t.Errorf("a reader (-the log +what it believes):\n%s", diff)
				}
				writer, err := create(cfg)
				if err != nil {
					t.Fatal(err)
				}
				defer writer.Close()
				if diff := cmp.Diff(want, stateDump(t, writer)); diff != "" {
					t.Errorf("a writer (-the log +what it believes):\n%s", diff)
				}
				if after := position(t, writer); after.State == before.State {
					t.Error("the state has the ID that it had elsewhere")
				}
				appendOps(t, writer, "more")
				checkState(t, writer)
			})
		}
	}
}

// TestStateThatDoesNotFit shows that View answers from the log where the state row is not
// that of the log's last row, and that the next write makes the state anew.
func TestStateThatDoesNotFit(t *testing.T) {
	for name, statement := range map[string]string{
		"of an earlier row":    "UPDATE state SET arrival = 2, op_id = (SELECT op_id FROM crdt_ops WHERE arrival = 2)",
		"of another op":        "UPDATE state SET op_id = zeroblob(32)",
		"never filled":         "UPDATE state SET format = 0",
		"gone":                 "DELETE FROM state",
		"of another decision":  "INSERT INTO trust_decisions SELECT 1, author, '', 1, 1 FROM crdt_node_identity",
		"of a log that is cut": "DELETE FROM crdt_ops WHERE arrival = 3",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a", "b", "c")
			before := position(t, l)
			execRaw(t, path, "DELETE FROM stories; "+statement)
			checkState(t, l)
			appendOps(t, l, "d")
			checkState(t, l)
			if after := position(t, l); after.State == before.State {
				t.Error("the state was not made anew")
			}
		})
	}
}

// TestHubBesideAStateThatDoesNotFit shows that the replica is joined to its hub also while the state is
// made in memory.
func TestHubBesideAStateThatDoesNotFit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	check(t, write(l, func(tx *Tx) error { return tx.Join(Hub{Address: "hub:4222", Pipeline: "p", Replica: "r"}) }))
	appendOps(t, l, "a")
	execRaw(t, path, "UPDATE state SET format = 0")
	view(t, l, func(s *Snapshot) error {
		hub, err := s.Hub()
		state, stateErr := s.HubState()
		if hub == nil || state.Outbox != 1 {
			t.Errorf("joined to %v, with %d ops to send, want 1", hub, state.Outbox)
		}
		return errors.Join(err, stateErr)
	})
}

// TestPanicOfAView shows that a View that panics leaves nothing behind in the state that is made in memory.
func TestPanicOfAView(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "UPDATE state SET format = 0")
	for range 2 {
		func() {
			defer func() { _ = recover() }()
			_ = l.View(t.Context(), func(*Snapshot) error { panic("in a View") })
		}()
		checkState(t, l)
	}
}

// TestNoRoomLeavesNoAuthor shows that an author of whom no op was taken in, for want of room, is not among
// the authors of the state.
func TestNoRoomLeavesNoAuthor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	check(t, write(l, func(tx *Tx) error { return tx.Trust(l.Author(), "") }))
	execRaw(t, path, fmt.Sprintf("INSERT INTO sums VALUES (%d, %d, 0)", sumHeld, crdt.MaxHeld))
	op, _ := makeOp(t, authorKey("bob"), 1, "of bob")
	check(t, write(l, func(tx *Tx) error {
		var full *NoRoom
		if _, _, err := tx.Admit(op); !errors.As(err, &full) {
			t.Errorf("got %v, want no room", err)
		}
		_, err := appendNext(l, tx, "a")
		return err
	}))
	execRaw(t, path, "DELETE FROM sums")
	checkState(t, l)
}

// TestNewerState shows that a state of a newer build is refused like a newer schema, and
// left as it is.
func TestNewerState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "UPDATE state SET format = 99")
	_, viewed := dumpOf(l)
	_, created := create(testConfig(t, path))
	for what, err := range map[string]error{
		"View": viewed, "Create": created,
		"Write": write(l, func(tx *Tx) error { _, err := appendNext(l, tx, "b"); return err }),
	} {
		var broken *Error
		if !errors.As(err, &broken) || broken.Code != CodeNewer {
			t.Errorf("%s: got %v", what, err)
		}
	}
}

// TestDamagedState shows that a state whose rows hold what no build wrote is not answered
// from, and that a rebuild mends it.
func TestDamagedState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "UPDATE stories SET merged = x'ff'")
	view(t, l, func(s *Snapshot) error {
		story, err := s.Source().Story("1_s")
		if err == nil && story == nil {
			t.Error("the story is not there")
		}
		return s.Fail(err)
	})
	release, err := NewLock(path).Acquire(t.Context())
	check(t, err)
	check(t, l.Rebuild(t.Context()))
	release()
	checkState(t, l)
}

// TestNewLogSpeaksOfNoRebuild: the first state of a new database is no repair, so the log does not call
// it one. A state that does not match the log is repaired, and the log says so.
func TestNewLogSpeaksOfNoRebuild(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	logged := func() string {
		t.Helper()
		var text bytes.Buffer
		cfg := testConfig(t, path)
		cfg.Logger = slog.New(slog.NewTextHandler(&text, nil))
		l, err := create(cfg)
		if err != nil {
			t.Fatal(err)
		}
		appendOps(t, l, "a")
		check(t, l.Close())
		return text.String()
	}
	if said := logged(); strings.Contains(said, "rebuilt") {
		t.Errorf("a new log says %s", said)
	}
	execRaw(t, path, "UPDATE state SET arrival = 7")
	if said := logged(); !strings.Contains(said, "state was rebuilt from the log") || !strings.Contains(said, "did not match the log") {
		t.Errorf("after the state was changed the log says %s", said)
	}
}

// TestRebuildCutsTheWAL shows that what a rebuild wrote does not stay in the write-ahead
// log, whatever was the reason for it.
func TestRebuildCutsTheWAL(t *testing.T) {
	for name, rebuild := range map[string]func(t *testing.T, l *Log){
		"asked for": func(t *testing.T, l *Log) {
			release, err := NewLock(l.cfg.Path).Acquire(t.Context())
			check(t, err)
			defer release()
			check(t, l.Rebuild(t.Context()))
		},
		"trust": func(t *testing.T, l *Log) {
			check(t, write(l, func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(authorKey("bob")), "") }))
		},
		"another home": func(t *testing.T, l *Log) {
			cfg := testConfig(t, l.cfg.Path)
			cfg.Machine, cfg.Rand = "there", keySource(8)
			other, err := create(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = other.Close() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a", "b")
			op, signed := makeOp(t, authorKey("ann"), 1, "of ann")
			check(t, write(l, func(tx *Tx) error { return appendOp(tx, op, signed) }))
			if dbfile.LookAt(path+"-wal").Size() == 0 {
				t.Fatal("there is no write-ahead log before the rebuild: this test shows nothing")
			}
			before := position(t, l)
			rebuild(t, l)
			if after := position(t, l); after.State == before.State {
				t.Error("the state was not made anew")
			}
			if n := dbfile.LookAt(path + "-wal").Size(); n != 0 {
				t.Errorf("the write-ahead log has %d bytes", n)
			}
		})
	}
}

// rebuild makes the state anew.
func (s *scratch) rebuild(ctx context.Context, l *Log) error {
	return s.rebuildThen(ctx, l, func() error { return nil })
}
