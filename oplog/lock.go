package oplog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// ErrLockTimeout: the lock was not free in time.
var ErrLockTimeout = errors.New("another process holds the lock")

// Lock is the right to write to the database at a path: an exclusive flock(2)
// on <database>.lock, by which processes queue, and a queue for the goroutines
// of this process. One process uses one Lock a path. While a process holds the
// lock its ID stands in the file, for those who wait in vain.
//
// A blocked flock cannot be interrupted. When a wait runs out of time the
// goroutine in flock stays, lets the lock go again should it get it with nobody
// waiting, and serves the next acquire if that comes first: there is never more
// than one such goroutine.
type Lock struct {
	database string
	turn     chan struct{} // holds one token; who has it may use the rest

	mu      sync.Mutex   // guards all below
	waiting *lockAttempt // the goroutine in flock(2), if any
}

// lockAttempt is one blocking flock(2).
type lockAttempt struct {
	wanted bool // guarded by Lock.mu: somebody waits on done
	done   chan lockResult
}

type lockResult struct {
	file *flock.Flock
	err  error
}

// NewLock returns the lock of the database at path.
func NewLock(path string) *Lock {
	l := &Lock{database: path, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Acquire waits for the lock, at most for the given time, and returns what
// releases it. The database's folder must be there. When the time is up the
// error is ErrLockTimeout, in an [Error] that names the holder.
func (l *Lock) Acquire(ctx context.Context, wait time.Duration) (release func(), err error) {
	path, err := l.path()
	if err != nil {
		return nil, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, failedLock(path, ErrLockTimeout)
	}
	file, err := l.acquireFile(ctx, path, timer.C)
	if err != nil {
		l.turn <- struct{}{}
		return nil, failedLock(path, err)
	}
	unsign := sign(path)
	return func() {
		unsign()
		_ = file.Unlock() // closing the descriptor lets go in any case
		l.turn <- struct{}{}
	}, nil
}

// path returns where the lock's file is.
func (l *Lock) path() (string, error) {
	path, err := resolve(l.database)
	if err != nil {
		return "", storageError("lock", l.database, err)
	}
	return path + ".lock", nil
}

// failedLock says what err means to the caller.
func failedLock(path string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrLockTimeout):
		who, find := "a process", fmt.Sprintf(": a person can find it with 'fuser %s'", path)
		if pid := readPID(path); pid != 0 {
			who, find = fmt.Sprintf("process %d", pid), ""
			err = fmt.Errorf("%w: it is %s", err, who)
		}
		return &Error{
			Op: "lock", Path: path, Err: err,
			Next: fmt.Sprintf("nothing was written; repeat the call later. If it goes on, %s holds the lock and hangs or is stopped%s; 'huskies-mcp doctor' says more", who, find),
		}
	}
	return storageError("lock", path, err)
}

// pidBytes is the length of what a holder writes: its process ID and a newline,
// filled up with blanks, so that it covers what stood there.
const pidBytes = 20

// sign writes our process ID into the lock's file, until unsign is called. It is
// there for people: that it cannot be written, on a full disk, is no reason not
// to go on. The caller holds the lock.
func sign(path string) (unsign func()) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	_, _ = f.WriteAt(fmt.Appendf(nil, "%-*d\n", pidBytes-1, os.Getpid()), 0)
	return func() {
		_, _ = f.WriteAt(fmt.Appendf(nil, "%-*s\n", pidBytes-1, ""), 0)
		_ = f.Close()
	}
}

// readPID returns the process ID in the lock's file, 0 if there is none.
func readPID(path string) int {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > pidBytes {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// Holder says whether a process holds the lock now and which one, as far as it
// is known: pid is 0 if it is not. It does not wait, and makes no file.
func (l *Lock) Holder() (pid int, held bool, err error) {
	path, err := l.path()
	if err != nil {
		return 0, false, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	// A shared lock, so that two who ask do not see each other.
	f := flock.New(path, flock.SetFlag(os.O_RDONLY))
	free, err := f.TryRLock()
	if err != nil {
		return 0, false, storageError("look at lock", path, err)
	}
	if free {
		return 0, false, f.Unlock()
	}
	return readPID(path), true, nil
}

func (l *Lock) acquireFile(ctx context.Context, path string, expired <-chan time.Time) (*flock.Flock, error) {
	for {
		var res lockResult
		attempt := l.attempt(path)
		select {
		case res = <-attempt.done:
		case <-ctx.Done():
			res = l.abandon(attempt, ctx.Err())
		case <-expired:
			res = l.abandon(attempt, ErrLockTimeout)
		}
		if res.err != nil {
			return nil, res.err
		}
		if sameFile(res.file, path) {
			return res.file, nil
		}
		_ = res.file.Unlock() // the file was replaced meanwhile: lock the new one
	}
}

// attempt starts a flock(2), or joins the one that an earlier acquire left.
func (l *Lock) attempt(path string) *lockAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != nil {
		l.waiting.wanted = true
		return l.waiting
	}
	a := &lockAttempt{wanted: true, done: make(chan lockResult, 1)}
	f := flock.New(path, flock.SetPermissions(0o600))
	if ok, err := f.TryLock(); ok || err != nil {
		a.done <- lockResult{f, err}
		return a
	}
	l.waiting = a
	go func() {
		err := f.Lock()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.waiting = nil
		if !a.wanted {
			_ = f.Unlock()
			return
		}
		a.done <- lockResult{f, err}
	}()
	return a
}

// abandon stops waiting for the attempt, unless it has just come through.
func (l *Lock) abandon(a *lockAttempt, why error) lockResult {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case res := <-a.done:
		return res
	default:
		a.wanted = false
		return lockResult{err: why}
	}
}

// sameFile reports whether the locked file is still the one at path: after
// somebody removed the file, others lock a new one there.
func sameFile(f *flock.Flock, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}
