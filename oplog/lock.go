package oplog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// errLockTimeout: the lock was not free in time.
var errLockTimeout = errors.New("another process holds the lock")

// DefaultLockTimeout bounds a wait for the lock. The queue of 8 processes that
// write in a loop passes in milliseconds; hosts give up a call after 60 s.
const DefaultLockTimeout = 10 * time.Second

// Lock is the right to write to the database at a path: an exclusive flock(2)
// on <database>.lock, by which processes queue, and a queue for the goroutines
// of this process. One process uses one Lock a path.
//
// A blocked flock cannot be interrupted. When a wait runs out of time the
// goroutine in flock stays, lets the lock go again should it get it with nobody
// waiting, and serves the next acquire if that comes first: there is never more
// than one such goroutine.
type Lock struct {
	database string
	timeout  time.Duration
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

// NewLock returns the lock of the database at path. A wait for it ends with an
// error after timeout; 0 means DefaultLockTimeout.
func NewLock(path string, timeout time.Duration) *Lock {
	if timeout == 0 {
		timeout = DefaultLockTimeout
	}
	l := &Lock{database: path, timeout: timeout, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Acquire waits for the lock and returns what releases it. The database's
// folder must be there.
func (l *Lock) Acquire(ctx context.Context) (release func(), err error) {
	path, err := resolve(l.database)
	if err != nil {
		return nil, storageError("lock", l.database, err)
	}
	path += ".lock"
	timer := time.NewTimer(l.timeout)
	defer timer.Stop()
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, l.failed(path, errLockTimeout)
	}
	file, err := l.acquireFile(ctx, path, timer.C)
	if err != nil {
		l.turn <- struct{}{}
		return nil, l.failed(path, err)
	}
	return func() {
		_ = file.Unlock() // closing the descriptor lets go in any case
		l.turn <- struct{}{}
	}, nil
}

// failed says what err means to the caller.
func (l *Lock) failed(path string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, errLockTimeout):
		return &Error{
			Op: "lock", Path: path, Err: err,
			Next: fmt.Sprintf("nothing was written; repeat the call later. If it goes on, a process that holds the lock hangs or is stopped (waited %v): a person can find it with 'fuser %s'", l.timeout, path),
		}
	}
	return storageError("lock", path, err)
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
			res = l.abandon(attempt, errLockTimeout)
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
