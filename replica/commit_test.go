package replica_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/oplog"
)

// On databases named flaky.db commits are counted. Those of the next 32 commits whose bit is set,
// the lowest first, are turned into rollbacks by SQLite itself, through its commit hook
// (https://sqlite.org/c3ref/commit_hook.html).
var commits, commitsToFail atomic.Uint32

func failCommits(bits uint32) { commitsToFail.Store(bits) }

// countCommits returns a function that tells how many commits there were since.
func countCommits() func() uint32 {
	start := commits.Load()
	return func() uint32 { return commits.Load() - start }
}

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		hooks, ok := conn.(sqlite.HookRegisterer)
		if ok && strings.Contains(dsn, "flaky.db") {
			hooks.RegisterCommitHook(func() int32 {
				commits.Add(1)
				bits := commitsToFail.Load()
				commitsToFail.Store(bits >> 1)
				return int32(bits & 1)
			})
		}
		return nil
	})
}

// TestFailedCommitChangesNothing shows that a commit that fails is an error to the caller. Neither
// this process nor another one shows the op, and the next write works.
func TestFailedCommitChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "1_s")
	before := text(t, r)
	failCommits(0b1)
	err := rename(r, "1_s", "lost")

	var storage *oplog.Error
	if !errors.As(err, &storage) || storage.Op != "commit" || !storage.Undone {
		t.Fatalf("got %v, want a failed commit", err)
	}
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error("the state changed:", diff)
	}
	if diff := cmp.Diff(before, text(t, other)); diff != "" {
		t.Error("the op is in the file:", diff)
	}
	if err := rename(r, "1_s", "kept"); err != nil {
		t.Fatal(err)
	}
	if s, err := read(t, other, "1_s"); err != nil || s.Name != "kept" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// brittle is the name of databases into which ops with the word "broken" cannot be appended, by
// connections that were made when the database was there.
const brittle = "brittle.db"

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		if strings.Contains(dsn, brittle) {
			// Without a table there is nothing to break yet.
			_, _ = conn.ExecContext(context.Background(), `CREATE TEMP TRIGGER broken BEFORE INSERT ON main.crdt_ops
				WHEN instr(NEW.payload, CAST('broken' AS BLOB)) > 0 BEGIN SELECT RAISE(ABORT, 'the disk broke'); END`, nil)
		}
		return nil
	})
}
