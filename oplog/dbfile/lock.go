package dbfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"github.com/gofrs/flock"
)

// ErrLockTimeout: the lock was not free in time.
var ErrLockTimeout = errors.New("another process holds the lock")

// Lock is the right to write to the database at a path: an exclusive flock(2)
// on <database>.lock, by which processes queue, and a queue for the goroutines
// of this process. One process uses one Lock a path. Who waits in vain hears which
// process holds it, where the system or the holder says so (see holderOf).
//
// A blocked flock cannot be interrupted. When a wait runs out of time the
// goroutine in flock stays. If it gets the lock while nobody waits, it lets it
// go again. If the next acquire comes first, it serves that. So there is never
// more than one such goroutine.
type Lock struct {
	database string
	turn     chan struct{} // holds one token; who has it may lock the file

	mu      sync.Mutex   // guards all below
	found   string       // the path of the lock's file; empty: not looked for yet
	file    *LockFile    // nil: not open
	waiting *lockAttempt // the goroutine in flock(2), if any
}

// lockAttempt is one blocking flock(2).
type lockAttempt struct {
	// Guarded by Lock.mu. Wanted: somebody waits on done, or else has given up. Then is
	// what to do with the lock, see AcquireThen; nil: done tells of it.
	wanted bool
	then   func(release func())
	path   string // where the file should be, for then
	done   chan lockResult
}

type lockResult struct {
	file *LockFile
	err  error
	ran  bool // then was called
}

// NewLock returns the lock of the database at path.
func NewLock(path string) *Lock {
	l := &Lock{database: path, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// Acquire waits for the lock until ctx ends and returns what releases it. The
// database's folder must be there. If ctx ends with the cause [ErrLockTimeout],
// the error is [Lock.TimedOut]'s.
func (l *Lock) Acquire(ctx context.Context) (release func(), err error) {
	return l.acquire(ctx, nil)
}

// AcquireThen is Acquire for one who calls fn with the lock, and returns when fn has:
// it is called where the lock comes, so that nobody has to be woken first.
func (l *Lock) AcquireThen(ctx context.Context, fn func(release func())) error {
	release, err := l.acquire(ctx, fn)
	if release != nil {
		fn(release)
	}
	return err
}

// acquire is Acquire. After a wait it calls then with the lock, if that is not nil, and
// returns no release when then has returned.
func (l *Lock) acquire(ctx context.Context, then func(release func())) (release func(), err error) {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return nil, l.failed(context.Cause(ctx))
	}
	path, err := l.find()
	if err == nil {
		release, err = l.acquireFile(ctx, path, then)
	}
	if err != nil {
		l.turn <- struct{}{}
		return nil, l.failed(err)
	}
	return release, nil
}

// TryAcquire is Acquire if the lock is free.
func (l *Lock) TryAcquire() (release func(), ok bool) {
	path, err := l.find()
	if err != nil {
		return nil, false
	}
	select {
	case <-l.turn:
	default:
		return nil, false
	}
	if l.isWaiting() {
		l.turn <- struct{}{}
		return nil, false // for Acquire to join
	}
	if f, err := l.open(path); err == nil {
		if ok, err := f.TryLock(); ok && err == nil {
			if f.IsAtPath() {
				return l.held(f), true
			}
			l.discard(f)
		}
	}
	l.turn <- struct{}{}
	return nil, false
}

// isWaiting reports whether a goroutine is in flock(2).
func (l *Lock) isWaiting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting != nil
}

// open returns the lock's file at path, opened.
func (l *Lock) open(path string) (*LockFile, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.openLocked(path)
}

func (l *Lock) openLocked(path string) (f *LockFile, err error) {
	if l.file != nil && l.file.Path == path {
		return l.file, nil
	}
	if l.file != nil { // of where the database's path led before
		l.file.Close()
	}
	l.file, err = OpenLockFile(path)
	return l.file, err
}

// discard closes the file, which is locked but not the one at the path any more:
// after somebody removed it, others lock a new one there.
func (l *Lock) discard(f *LockFile) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.discardLocked(f)
}

func (l *Lock) discardLocked(f *LockFile) {
	f.Close()
	if l.file == f {
		l.file = nil
	}
}

// held returns what releases the lock.
func (l *Lock) held(f *LockFile) (release func()) {
	f.sign(os.Getpid())
	return func() {
		f.sign(0)
		l.unlock(f)
		l.turn <- struct{}{}
	}
}

// unlock lets the file's lock go; closing it does so, too.
func (l *Lock) unlock(f *LockFile) {
	if f.Unlock() != nil {
		l.discard(f)
	}
}

// find returns where the lock's file is. To look for it takes a look at every
// folder above, so the answer is kept until Forget.
func (l *Lock) find() (path string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found == "" {
		database, err := Resolve(l.database)
		if err != nil {
			return "", Wrap("lock", l.database, err)
		}
		l.found = database + ".lock"
	}
	return l.found, nil
}

// Forget makes the next acquire look anew for the lock's file: what is at the
// database's path may be a link that leads to another one now.
func (l *Lock) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.found = ""
}

// failed says what err means to the caller.
func (l *Lock) failed(err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrLockTimeout):
		return l.TimedOut()
	}
	return Wrap("lock", l.database+".lock", err)
}

// TimedOut returns the error of who waited for the lock too long. It is an
// [ErrLockTimeout] and names the process that holds the lock, if that is known.
func (l *Lock) TimedOut() error {
	path, err := l.find()
	if err != nil {
		return err
	}
	err = ErrLockTimeout
	pid := holderOf(path)
	if pid != 0 {
		err = fmt.Errorf("%w: it is process %d", err, pid)
	}
	return &Error{Op: "lock", Path: path, Code: CodeLocked, Err: err, Process: pid}
}

// Holder says whether a process holds the lock now and which one, as far as it
// is known: pid is 0 if it is not. It does not wait, and makes no file.
func (l *Lock) Holder() (pid int, held bool, err error) {
	path, err := l.find()
	if err != nil {
		return 0, false, err
	}
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, false, nil
	}
	if err := CheckPlain(path); err != nil {
		return 0, false, err
	}
	// A shared lock, so that two who ask do not see each other.
	f := flock.New(path, flock.SetFlag(os.O_RDONLY|plainFlags))
	free, err := f.TryRLock()
	if err != nil {
		return 0, false, Wrap("look at lock", path, err)
	}
	if free {
		return 0, false, f.Unlock()
	}
	return holderOf(path), true, nil
}

// acquireFile takes the flock. The caller has the turn, which what it returns, or
// gives to then, gives back.
func (l *Lock) acquireFile(ctx context.Context, path string, then func(release func())) (release func(), err error) {
	for {
		res := l.wait(ctx, l.attempt(path, then))
		if res.err != nil || res.ran {
			return nil, res.err
		}
		if res.file.Path == path && res.file.IsAtPath() {
			return l.held(res.file), nil
		}
		l.discard(res.file) // it was replaced meanwhile: lock the new one
	}
}

// wait waits for an attempt until ctx ends.
func (l *Lock) wait(ctx context.Context, a *lockAttempt) lockResult {
	select {
	case res := <-a.done:
		return res
	case <-ctx.Done():
		return l.abandon(a, context.Cause(ctx))
	}
}

// attempt starts a flock(2), or joins the one that an earlier acquire left.
func (l *Lock) attempt(path string, then func(release func())) *lockAttempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting != nil {
		l.waiting.wanted, l.waiting.then, l.waiting.path = true, then, path
		return l.waiting
	}
	a := &lockAttempt{wanted: true, then: then, path: path, done: make(chan lockResult, 1)}
	f, err := l.openLocked(path)
	if err != nil {
		a.done <- lockResult{err: err}
		return a
	}
	if ok, err := f.TryLock(); ok || err != nil {
		a.done <- lockResult{file: f, err: err}
		return a
	}
	l.waiting = a
	go l.lock(a, f)
	return a
}

// lock is the goroutine of an attempt.
func (l *Lock) lock(a *lockAttempt, f *LockFile) {
	err := f.Lock()
	l.mu.Lock()
	l.waiting = nil
	wanted, then := a.wanted, a.then
	if !wanted && f.Unlock() != nil {
		l.discardLocked(f)
	}
	l.mu.Unlock()
	switch {
	case !wanted:
	case err == nil && then != nil && f.Path == a.path && f.IsAtPath():
		then(l.held(f))
		a.done <- lockResult{ran: true}
	default:
		a.done <- lockResult{file: f, err: err}
	}
}

// abandon stops waiting for the attempt, unless it has just come through.
func (l *Lock) abandon(a *lockAttempt, why error) lockResult {
	l.mu.Lock()
	given := l.waiting == a
	if given {
		a.wanted = false
	}
	l.mu.Unlock()
	if given {
		return lockResult{err: why}
	}
	return <-a.done
}

// Close closes what the lock has open. The caller does not hold the lock, and
// nobody acquires it any more.
func (l *Lock) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}
