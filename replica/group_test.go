package replica_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// hold takes the lock of the database at path as another process would. Changes that are submitted
// meanwhile are committed together.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	f := flock.New(path + ".lock")
	if err := f.Lock(); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if err := f.Unlock(); err != nil {
			t.Error(err)
		}
	})
}

// TestGroupCommit shows that changes that wait together are committed together, in the order in
// which they were submitted. Each change has its own op and its own answer, sees the changes before
// it, and fails alone.
func TestGroupCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db") // whose commits are counted
	r := newReplica(t, path)
	create(t, r, "1_s")
	var order []string
	changes := []struct {
		fn   func(*pipeline.Tx) error
		want string // the story's name, or a part of the error
	}{
		{renaming("1_s", "a"), "a"},
		{renaming("2_none", "b"), string(pipeline.CodeNeedsStage)},
		{renaming("1_s", "c"), "c"},
		{renaming("1_s", "c"), "c"}, // changes nothing, since it sees the one before
		{func(*pipeline.Tx) error { panic("slip") }, "slip"},
		{renaming("1_s", "d"), "d"},
		{renaming("1_s", strings.Repeat("x", 1000)), string(pipeline.CodeTooLong)},
		{renaming("1_s", "e"), "e"},
	}
	release := hold(t, path)
	commits := countCommits()
	var writes []*replica.Write
	for i, c := range changes {
		writes = append(writes, r.Submit(fmt.Sprint("agent-", i), func(tx *pipeline.Tx) error {
			order = append(order, fmt.Sprint(i))
			return c.fn(tx)
		}))
	}
	release()
	for i, w := range writes {
		story, err := w.Wait(context.Background())
		if err != nil {
			if !strings.Contains(err.Error(), changes[i].want) {
				t.Errorf("change %d: got %v, want %q", i, err, changes[i].want)
			}
		} else if story.Name != changes[i].want {
			t.Errorf("change %d: got %q, want %q", i, story.Name, changes[i].want)
		}
	}
	if got := commits(); got != 1 {
		t.Errorf("%d commits, want 1", got)
	}
	if diff := cmp.Diff("0 1 2 3 4 5 6 7", strings.Join(order, " ")); diff != "" {
		t.Error(diff)
	}
	var agents []string
	if err := newReplica(t, path).History(context.Background(), func(e replica.Entry) error {
		agents = append(agents, e.Op.Agent)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tester", "agent-0", "agent-2", "agent-5", "agent-7"}, agents); diff != "" {
		t.Error("ops:", diff)
	}
	if diff := cmp.Diff(text(t, newReplica(t, path)), text(t, r)); diff != "" {
		t.Error("a new process and this one:", diff)
	}
}

// TestFailedGroup shows that nobody's answer rests on a group whose commit failed. Each change is
// decided and committed again by itself.
func TestFailedGroup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	var writes []*replica.Write
	for i := range 4 {
		writes = append(writes, r.Submit("", func(tx *pipeline.Tx) error {
			_, err := tx.BumpRetry("1_s", 1, 0)
			if i == 2 {
				err = errors.New("refused")
			}
			return err
		}))
	}
	failCommits(0b101) // the group's, not the one that settles it, the first one's own
	release()
	for i, want := range []int64{-1, 1, -2, 2} {
		story, err := writes[i].Wait(context.Background())
		var storage *oplog.Error
		switch {
		case want == -1 && (!errors.As(err, &storage) || storage.Op != "commit" || !storage.Undone):
			t.Errorf("change %d: got %v, want a failed commit of which nothing was written", i, err)
		case want == -2 && (err == nil || err.Error() != "refused"):
			t.Errorf("change %d: got %v, want its own refusal", i, err)
		case want > 0 && (err != nil || story.RetryCount != want):
			t.Errorf("change %d: got %d, %v, want %d", i, story.RetryCount, err, want)
		}
	}
	if diff := cmp.Diff(text(t, newReplica(t, path)), text(t, r)); diff != "" {
		t.Error("a new process and this one:", diff)
	}
}

// TestBadNeighbour shows that a change that cannot be stored fails alone. Its neighbours in the group
// are stored, each as if the bad change had never been.
func TestBadNeighbour(t *testing.T) {
	path := filepath.Join(t.TempDir(), brittle)
	first := newReplica(t, path)
	create(t, first, "1_s")
	create(t, first, "2_broken")
	r := newReplica(t, path)
	release := hold(t, path)
	var writes []*replica.Write
	for _, id := range []string{"1_s", "2_broken", "1_s", "2_broken", "1_s"} {
		writes = append(writes, r.Submit("", bumping(id)))
	}
	release()
	for i, want := range []int64{1, 0, 2, 0, 3} {
		story, err := writes[i].Wait(t.Context())
		var failed *oplog.Error
		switch {
		case want == 0 && (!errors.As(err, &failed) || failed.Code == "" || failed.Uncertain()):
			t.Errorf("change %d: got %v, want an error of the storage", i, err)
		case want > 0 && (err != nil || story.RetryCount != want):
			t.Errorf("change %d: got %d, %v, want %d", i, story.RetryCount, err, want)
		}
	}
	if s, err := bump(first, "2_broken"); err != nil || s.RetryCount != 1 {
		t.Errorf("afterwards: %d, %v", s.RetryCount, err)
	}
	text(t, r)
}

// TestRefusalOnNothing shows that a change is not refused for the sake of a change before it that
// was never made.
func TestRefusalOnNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "flaky.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	session := r.OpenSession("session")
	var claims []*replica.Write
	for _, agent := range []string{"a", "b"} {
		claims = append(claims, r.Submit("", func(tx *pipeline.Tx) error {
			_, err := tx.Claim("1_s", session.ClaimOptions(agent, 60))
			return err
		}))
	}
	failCommits(0b11101)
	defer failCommits(0)
	release()
	for i, w := range claims {
		var refused *pipeline.Error
		if _, err := w.Wait(t.Context()); err == nil || errors.As(err, &refused) {
			t.Errorf("claim %d: %v, want an error of the storage", i, err)
		}
	}
}

// TestPanicOfAWrite shows that a write that panics outside the change's own function holds nothing: this
// process and others write on, and the replica can be closed.
func TestPanicOfAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	cfg := configOf(t, path)
	var fails atomic.Bool
	cfg.Now = func() time.Time {
		if fails.CompareAndSwap(true, false) {
			panic("no clock")
		}
		return fixedNow()
	}
	r := replica.New(cfg)
	create(t, r, "1_s")
	_, err := r.Update(t.Context(), "", func(tx *pipeline.Tx) error {
		err := renaming("1_s", "never")(tx)
		fails.Store(true)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "no clock") {
		t.Errorf("got %v", err)
	}
	closed := make(chan error, 1)
	go func() {
		closed <- errors.Join(rename(r, "1_s", "here"), rename(newReplica(t, path), "1_s", "elsewhere"), r.Close())
	}()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("something is held")
	}
	if s, err := read(t, newReplica(t, path), "1_s"); err != nil || s.Name != "elsewhere" {
		t.Errorf("got %q, %v", s.Name, err)
	}
}

// TestWithdrawn shows that a change whose caller gives up before the writer takes the change is
// never made. The changes around it are made.
func TestWithdrawn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	ctx, cancel := context.WithCancelCause(context.Background())
	first := r.Submit("", renaming("1_s", "first"))
	given := r.Submit("", renaming("1_s", "given up"))
	last := r.Submit("", bumping("1_s"))
	why := errors.New("the caller went home")
	cancel(why)
	if _, err := given.Wait(ctx); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	release()
	for _, w := range []*replica.Write{first, last} {
		if story, err := w.Wait(context.Background()); err != nil || story.Name != "first" {
			t.Errorf("got %+v, %v", story, err)
		}
	}
	if story, err := read(t, r, "1_s"); err != nil || story.Name != "first" || story.RetryCount != 1 {
		t.Errorf("got %+v, %v", story, err)
	}
}

// TestReadsPassWithdrawn shows that a reader does not wait for a change that was given up, but for
// the change before it.
func TestReadsPassWithdrawn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	before := r.LastWrite()
	release := hold(t, path)
	given, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Submit("", renaming("1_s", "x")).Wait(given); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r.LastWrite() != before {
		t.Error("reads wait for a change that was given up")
	}
	first := r.Submit("", renaming("1_s", "y"))
	if _, err := r.Submit("", renaming("1_s", "z")).Wait(given); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if r.LastWrite() != first {
		t.Error("reads do not wait for the change before the one that was given up")
	}
	release()
	if s, err := read(t, r, "1_s"); err != nil || s.Name != "y" {
		t.Errorf("%q, %v", s.Name, err)
	}
}

// TestGivenUpCreatesNothing shows that no database is made for a change that was given up.
func TestGivenUpCreatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	release := hold(t, path)
	given, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := r.Update(given, "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_s", pipeline.Changes{Stage: ptr(pipeline.Backlog)})
		return err
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	release()
	time.Sleep(50 * time.Millisecond) // the writer gets the lock
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("there is a database:", err)
	}
}

// TestLockTimeout shows that a caller that waits too long for the lock hears so. Later callers have
// their own time, and a change that was given up is never made.
func TestLockTimeout(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	create(t, newReplica(t, path), "1_s")
	r := replica.New(replica.Config{Path: path, Now: fixedNow, LockTimeout: 20 * time.Millisecond, Logger: discard})
	defer r.Close()
	release := hold(t, path)
	for range 3 {
		_, err := r.Update(context.Background(), "", renaming("1_s", "late"))
		var storage *oplog.Error
		if !errors.Is(err, oplog.ErrLockTimeout) || !errors.As(err, &storage) || storage.Code != dbfile.CodeLocked {
			t.Fatalf("got %v", err)
		}
	}
	if story, err := read(t, r, "1_s"); err != nil || story.Name != "" {
		t.Errorf("read while the lock is held: %+v, %v", story, err)
	}
	release()
	w := r.Submit("", bumping("1_s"))
	for errors.Is(func() error { _, err := w.Wait(context.Background()); return err }(), oplog.ErrLockTimeout) {
		w = r.Submit("", bumping("1_s"))
	}
	if story, err := read(t, r, "1_s"); err != nil || story.Name != "" || story.RetryCount != 1 {
		t.Errorf("afterwards: %+v, %v", story, err)
	}
}

// TestBusyDatabase shows that changes wait while another program, which knows nothing of our lock,
// has the database. Meanwhile they may be withdrawn and leave the lock to others. When the wait is
// too long the callers hear why.
func TestBusyDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	conn := shell(t, path)
	run := func(stmt string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), stmt); err != nil {
			t.Fatal(err)
		}
	}
	run("BEGIN IMMEDIATE")
	given, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := r.Submit("", renaming("1_s", "given up")).Wait(given); err == nil {
		t.Error("written while another program had the database")
	}
	patient := r.Submit("", renaming("1_s", "patient"))
	impatient := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: discard, LockTimeout: time.Millisecond})
	defer impatient.Close()
	var failed *oplog.Error
	if _, err := impatient.Update(t.Context(), "", renaming("1_s", "x")); !errors.As(err, &failed) {
		t.Errorf("%v, want an error of the storage", err)
	}
	if _, err := read(t, r, "1_s"); err != nil {
		t.Error(err)
	}
	run("COMMIT")
	if story, err := patient.Wait(t.Context()); err != nil || story.Name != "patient" {
		t.Errorf("%q, %v", story.Name, err)
	}
}

// TestReadsFollowWrites shows that a read sees what was submitted before it, without anybody having
// waited for the write.
func TestReadsFollowWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	for i := range 100 {
		name := fmt.Sprint("name ", i)
		w := r.Submit("", renaming("1_s", name))
		if story, err := read(t, r, "1_s"); err != nil || story.Name != name {
			t.Fatalf("got %q, %v, want %q", story.Name, err, name)
		}
		if _, err := w.Wait(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseGivesUpWhatWaits shows that Close returns although the lock is held for ever.
func TestCloseGivesUpWhatWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	release := hold(t, path)
	defer release()
	w := r.Submit("", renaming("1_s", "late"))
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Wait(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestCloseWaitsForTheWriter shows that nothing is committed when Close has returned, also not by
// a caller that is the writer.
func TestCloseWaitsForTheWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	create(t, r, "1_s")
	writing, goOn := make(chan struct{}), make(chan struct{})
	answer, closed := make(chan error), make(chan error, 1)
	go func() {
		_, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
			close(writing)
			<-goOn
			return renaming("1_s", "x")(tx)
		})
		answer <- err
	}()
	<-writing
	go func() { closed <- r.Close() }()
	select {
	case <-closed:
		close(goOn)
		t.Fatal("Close has returned, and a change is being committed")
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	if err := <-answer; err != nil {
		t.Error(err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := rename(r, "1_s", "y"); !errors.Is(err, context.Canceled) {
		t.Errorf("a change after Close: %v", err)
	}
	if s, err := read(t, newReplica(t, path), "1_s"); err != nil || s.Name != "x" {
		t.Errorf("afterwards: %q, %v", s.Name, err)
	}
}
