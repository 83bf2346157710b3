package replica_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// On databases named flaky.db commits are counted, and those of the next 32
// whose bit is set, the lowest first, are turned into rollbacks by SQLite itself,
// through its commit hook (https://sqlite.org/c3ref/commit_hook.html).
var commits, commitsToFail atomic.Uint32

func failCommits(bits uint32) { commitsToFail.Store(bits) }

// countCommits returns what tells how many commits there were since.
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

// TestHistoryIsDurable: nobody hears of an op that a power cut may take back, also in the history.
func TestHistoryIsDurable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var syncs atomic.Int64
	r := replica.New(replica.Config{Path: path, Now: fixedNow, Rand: rand.Reader, Logger: discard, Sync: func(f *os.File) error {
		syncs.Add(1)
		return f.Sync()
	}})
	t.Cleanup(func() { _ = r.Close() })
	create(t, r, "1_s")
	create(t, newReplica(t, path), "2_s")
	before := syncs.Load()
	ops := 0
	err := r.History(t.Context(), func(replica.Entry) error {
		if ops++; syncs.Load() == before {
			t.Error("an op is shown and nothing was synced")
		}
		return nil
	})
	if err != nil || ops != 2 {
		t.Errorf("%d ops, want 2 (%v)", ops, err)
	}
}

// TestFailedCommitChangesNothing: a commit that fails is an error to the
// caller; neither this process nor another one shows the op, and the next write
// works.
func TestFailedCommitChangesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r, other := newReplica(t, path), newReplica(t, path)
	create(t, r, "1_s")
	before := text(t, r)
	rename := func(name string) error {
		_, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_s", pipeline.Changes{Name: &name})
			return err
		})
		return err
	}

	failCommits(0b1)
	err := rename("lost")

	var storage *oplog.Error
	if !errors.As(err, &storage) || storage.Op != "commit" || !strings.HasPrefix(storage.Next, "nothing was written") {
		t.Fatalf("got %v, want a failed commit", err)
	}
	if diff := cmp.Diff(before, text(t, r)); diff != "" {
		t.Error("the document changed:", diff)
	}
	if diff := cmp.Diff(before, text(t, other)); diff != "" {
		t.Error("the op is in the file:", diff)
	}
	if err := rename("kept"); err != nil {
		t.Fatal(err)
	}
	if s, err := read(t, other, "1_s"); err != nil || s.Name != "kept" {
		t.Errorf("got %+v, %v", s, err)
	}
}
