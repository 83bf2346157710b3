package dbfile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofrs/flock"
)

// short is as long as a test waits for a lock that it does not get.
const short = 50 * time.Millisecond

// within returns a context that ends as that of a caller who waits so long for
// the lock.
func within(t *testing.T, wait time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), wait, ErrLockTimeout)
	t.Cleanup(cancel)
	return ctx
}

// holdLock takes the lock as another process would: flock(2) locks belong to
// the open file, so a second descriptor in this process is another holder.
func holdLock(t *testing.T, path string) (release func()) {
	t.Helper()
	f := flock.New(path)
	if err := f.Lock(); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Unlock(); err != nil {
			t.Error(err)
		}
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestLockTimeoutIsAClearError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := NewLock(path)
	held := holdLock(t, path+".lock")
	for range 3 { // one waiting goroutine serves them all
		_, err := l.Acquire(within(t, short))
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, ErrLockTimeout) || e.Code != CodeLocked {
			t.Fatalf("got %v", err)
		}
	}
	held()
	release, err := l.Acquire(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// TestLockNamesItsHolder: who waits in vain hears which process holds the lock,
// whatever stands in its file; who asks hears it without waiting.
func TestLockNamesItsHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if pid, held, err := NewLock(path).Holder(); pid != 0 || held || err != nil {
		t.Errorf("no file yet: %d, %v, %v", pid, held, err)
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 0 {
		t.Errorf("asking made %v", entries)
	}
	if err := os.WriteFile(path+".lock", []byte("4294967295         \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	holder, other := NewLock(path), NewLock(path)
	release, err := holder.Acquire(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_, err = other.Acquire(within(t, short))
	var e *Error
	if want := os.Getpid(); !errors.As(err, &e) || e.Process != want {
		t.Errorf("got %v, want %d", err, want)
	}
	if pid, held, err := other.Holder(); pid != os.Getpid() || !held || err != nil {
		t.Errorf("held: %d, %v, %v", pid, held, err)
	}
	release()
	for other.isWaiting() {
		runtime.Gosched()
	}
	if pid, held, err := other.Holder(); pid != 0 || held || err != nil {
		t.Errorf("free: %d, %v, %v", pid, held, err)
	}
}

// TestAbandonedLockIsLetGo: a lock that comes after its caller gave up is free
// for others at once.
func TestAbandonedLockIsLetGo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := NewLock(path)
	held := holdLock(t, path+".lock")
	if _, err := l.Acquire(within(t, time.Millisecond)); !errors.Is(err, ErrLockTimeout) {
		t.Fatalf("got %v", err)
	}
	held()
	holdLock(t, path+".lock")() // blocks until the abandoned attempt has let go
	release, err := l.Acquire(within(t, time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	release()
}

// TestAcquireThen calls with the lock as Acquire returns with it: when it is free, when it comes
// after a wait, also one that somebody else began and gave up, and when its file was replaced.
func TestAcquireThen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := NewLock(path)
	defer l.Close()
	calls := 0
	then := func(release func()) {
		defer release()
		calls++
		if _, held, err := NewLock(path).Holder(); !held || err != nil {
			t.Errorf("called without the lock (%v)", err)
		}
	}
	check(t, l.AcquireThen(t.Context(), then))

	held := holdLock(t, path+".lock")
	if err := l.AcquireThen(within(t, time.Millisecond), then); !errors.Is(err, ErrLockTimeout) || calls != 1 {
		t.Errorf("held by another: got %v, %d calls", err, calls)
	}
	done := make(chan error)
	go func() { done <- l.AcquireThen(t.Context(), then) }() // joins what is left of the wait before
	held()
	if err := <-done; err != nil || calls != 2 {
		t.Errorf("after a wait: got %v, %d calls", err, calls)
	}

	held = holdLock(t, path+".lock")
	go func() { done <- l.AcquireThen(t.Context(), then) }()
	for !l.isWaiting() {
		runtime.Gosched()
	}
	check(t, os.Remove(path+".lock"))
	held()
	if err := <-done; err != nil || calls != 3 {
		t.Errorf("of a file that was removed: got %v, %d calls", err, calls)
	}
	if release, ok := l.TryAcquire(); !ok {
		t.Error("the turn was not given back")
	} else {
		release()
	}
}

// TestLockFollowsLink: after Forget the lock is that of the database to which the path
// leads now, also when the one before was looked at just now.
func TestLockFollowsLink(t *testing.T) {
	dir := t.TempDir()
	a, b, link := filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db"), filepath.Join(dir, "p.db")
	for _, path := range []string{a, b} {
		check(t, os.WriteFile(path, nil, 0o600))
	}
	check(t, os.Symlink(a, link))
	l := NewLock(link)
	defer l.Close()
	for range 2 {
		release, err := l.Acquire(t.Context())
		check(t, err)
		release()
	}
	check(t, os.Remove(link))
	check(t, os.Symlink(b, link))
	l.Forget()
	release, ok := l.TryAcquire()
	if !ok {
		t.Fatal("not free")
	}
	defer release()
	if _, held, err := NewLock(b).Holder(); !held || err != nil {
		t.Errorf("the lock of b.db is free (%v)", err)
	}
	if _, held, err := NewLock(a).Holder(); held || err != nil {
		t.Errorf("the lock of a.db is held (%v)", err)
	}
}

func TestLockHonoursContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := NewLock(path)
	held := holdLock(t, path+".lock")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Acquire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	<-l.turn // was given back
	held()
	for l.isWaiting() {
		runtime.Gosched() // the abandoned attempt lets go before the folder is removed
	}
}

// TestLockOfARemovedFile: after somebody removed the lock file, all meet at the
// new one.
func TestLockOfARemovedFile(t *testing.T) {
	l := NewLock(filepath.Join(t.TempDir(), "p.db"))
	path := l.database + ".lock"
	held := holdLock(t, path)
	got := make(chan func())
	go func() {
		release, err := l.Acquire(within(t, time.Minute))
		if err != nil {
			t.Error(err)
		}
		got <- release
	}()
	for !l.isWaiting() {
		runtime.Gosched() // until it has opened the old file
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	held()
	release := <-got
	if ok, err := flock.New(path).TryLock(); ok || err != nil {
		t.Errorf("the file at the path is free (%v, %v) although the lock is held", ok, err)
	}
	release()
}

// TestLockExcludes: goroutines and holders of other descriptors never overlap,
// and all get their turn.
func TestLockExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	locks := []*Lock{NewLock(path), NewLock(path)}
	var wg sync.WaitGroup
	var inside, total atomic.Int32
	for i := range 8 {
		wg.Go(func() {
			for range 50 {
				release, err := locks[i%2].Acquire(within(t, time.Minute))
				if err != nil {
					t.Error(err)
					return
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d inside", n)
				}
				inside.Add(-1)
				total.Add(1)
				release()
			}
		})
	}
	wg.Wait()
	if n := total.Load(); n != 400 {
		t.Errorf("%d turns, want 400", n)
	}
}
