package replica

import (
	"context"
	"errors"
	"math"
	"syscall"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// errReadOnly: a replica that only looks was asked to write.
var errReadOnly = errors.New("the replica is read-only: nothing was written")

func (r *Replica) logConfig() oplog.Config {
	return oplog.Config{
		Path: r.cfg.Path, Now: r.cfg.Now, Rand: r.cfg.Rand, Seed: r.cfg.Seed, Machine: r.cfg.Machine, Logger: r.cfg.Logger, KeyHelp: r.cfg.KeyHelp,
		Before: r.cfg.Before, Progress: r.cfg.Progress, ReadOnly: r.cfg.ReadOnly,
	}
}

// use calls fn with the log of the file that is at the path now. If there is none, the
// error is oplog.ErrNoLog.
func (r *Replica) use(ctx context.Context, fn func(*oplog.Log) error) error {
	if r.untold.CompareAndSwap(true, false) {
		return r.anotherPipeline()
	}
	for {
		r.mu.RLock()
		if r.log != nil && r.log.Presence() == oplog.Present {
			defer r.mu.RUnlock()
			return fn(r.log)
		}
		r.mu.RUnlock()
		if err := r.open(ctx); err != nil {
			return err
		}
	}
}

// open opens the log of the file that is at the path now.
func (r *Replica) open(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.openLocked(ctx)
}

func (r *Replica) openLocked(ctx context.Context) error {
	if r.log != nil {
		if r.log.Presence() == oplog.Present {
			return nil
		}
		r.dropLocked()
	}
	if err := r.life.Err(); err != nil { // the replica was closed
		return err
	}
	log, err := oplog.Open(ctx, r.logConfig())
	if err == nil {
		return r.adoptLocked(ctx, log)
	}
	gone := errors.Is(err, oplog.ErrNoLog) || errors.Is(err, syscall.ENOTDIR)
	if gone && r.known != (crdt.OpID{}) {
		return r.removed()
	}
	return err
}

// drop closes the log: the next call starts afresh on whatever file is there then.
func (r *Replica) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropLocked()
}

func (r *Replica) dropLocked() {
	if r.log != nil {
		r.doubted = r.log.Doubted()
		_ = r.log.Close() // nothing is unwritten: every op was committed
		r.log = nil
	}
	r.writing.Forget()
}

// adoptLocked makes an opened log this replica's. If it is that of another pipeline than the
// one that was seen, that is an error, once: an agent must not take it for its own
// without a word.
func (r *Replica) adoptLocked(ctx context.Context, log *oplog.Log) error {
	first, err := log.First(ctx)
	if err != nil {
		_ = log.Close()
		return err
	}
	if r.doubted {
		log.Doubt()
	}
	r.log = log
	return r.recogniseLocked(first)
}

// recogniseLocked compares the first op of the log with the one of the pipeline that was seen. If
// they differ that is an error, once.
func (r *Replica) recogniseLocked(first crdt.OpID) error {
	before := r.known
	if r.known = first; before == (crdt.OpID{}) || before == first {
		return nil
	}
	r.pipelines++
	r.sameState.Store(math.MaxUint64)
	r.cfg.Logger.Error("another pipeline was put in the place of the database", "path", r.cfg.Path)
	return r.anotherPipeline()
}

// errOverwritten is the error of a View that finds another pipeline in the file it had open.
var errOverwritten = errors.New("another pipeline was copied into the database")

// isSame reports whether the snapshot is of the known pipeline. Another pipeline may be copied into
// the file itself, which changes the state's ID. The caller shares mu.
func (r *Replica) isSame(snap *oplog.Snapshot) (bool, error) {
	state := uint64(snap.Position().State)
	if r.known == (crdt.OpID{}) || r.sameState.Load() == state {
		return true, nil
	}
	first, err := snap.First()
	if err != nil || first != r.known {
		return false, err
	}
	r.sameState.Store(state)
	return true, nil
}

// recognise looks which pipeline the file has now, and opens it anew if that is another one than
// the one that was seen.
func (r *Replica) recognise(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reopenOtherLocked(ctx)
}

func (r *Replica) reopenOtherLocked(ctx context.Context) error {
	if r.log == nil || r.known == (crdt.OpID{}) {
		return nil
	}
	first, err := r.log.First(ctx)
	if err != nil || first == r.known {
		return err
	}
	r.dropLocked()
	return r.recogniseLocked(first)
}

// learn keeps which pipeline the log is of, once it has an op.
func (r *Replica) learn(ctx context.Context, log *oplog.Log) {
	r.mu.RLock()
	known := r.known
	r.mu.RUnlock()
	if known != (crdt.OpID{}) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == (crdt.OpID{}) && r.log == log {
		r.known, _ = log.First(ctx)
	}
}

// The codes of errors of a replica. Those of the log are in package oplog.
const (
	CodeRemoved  oplog.Code = "removed"  // the file is gone
	CodeReplaced oplog.Code = "replaced" // the file is of another pipeline
	CodeStuck    oplog.Code = "stuck"    // the changes before do not come to an end
)

func (r *Replica) removed() error {
	return &oplog.Error{
		Op: "find database", Path: r.cfg.Path, Code: CodeRemoved,
		Err: errors.New("the database file was removed while this server had it open"),
	}
}

// errOtherPipeline: the file at the path is of another pipeline than the one that was seen.
var errOtherPipeline = errors.New("another pipeline was put in the place of the database while this server had it open")

func (r *Replica) anotherPipeline() error {
	return &oplog.Error{Op: "find database", Path: r.cfg.Path, Code: CodeReplaced, Err: errOtherPipeline}
}

// isReady reports whether the log that is open can be written to as it is, as it nearly always can.
// Then the writer does not wait for the end of Views. The caller has the lock.
func (r *Replica) isReady(ctx context.Context) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.unsettled || r.log == nil || r.log.Presence() != oplog.Present || !r.log.Ready() {
		return false
	}
	if r.known == (crdt.OpID{}) {
		return true
	}
	first, err := r.log.First(ctx)
	return err == nil && first == r.known
}

// ready makes the log one that can be written to, and makes the file if there is none.
// The caller has the lock.
func (r *Replica) ready(ctx context.Context) error {
	if r.isReady(ctx) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.openLocked(ctx)
	if err == nil {
		err = r.reopenOtherLocked(ctx)
	}
	if err == nil && !r.log.Ready() {
		r.dropLocked() // reading did without
		err = oplog.ErrNoLog
	}
	if errors.Is(err, oplog.ErrNoLog) {
		var log *oplog.Log
		if log, err = oplog.Create(ctx, r.logConfig()); err == nil {
			err = r.adoptLocked(ctx, log)
		} else {
			r.unsettled = true // what it made may not be on disk, and show
		}
	}
	if err == nil && r.unsettled {
		if err = r.log.Settle(ctx); err == nil {
			r.unsettled = false
		} else {
			r.dropLocked()
		}
	}
	return err
}

// acquire waits for the lock as long as writes wait, and longer while the process that
// has it rebuilds the state and comes on.
func (r *Replica) acquire(ctx context.Context) (release func(), err error) {
	for seen := ""; ; {
		wait, cancel := context.WithTimeoutCause(ctx, r.cfg.LockTimeout, oplog.ErrLockTimeout)
		release, err = r.writing.Acquire(wait)
		cancel()
		if !errors.Is(err, oplog.ErrLockTimeout) || !r.comesOn(&seen) {
			return release, err
		}
	}
}

// comesOn reports whether the process that has the lock has come on since seen.
func (r *Replica) comesOn(seen *string) bool {
	now := r.writing.Progress()
	on := now != "" && now != *seen
	*seen = now
	return on
}

// locked calls fn with the lock and a log that can be written to. If fn finds the state
// damaged, locked calls fn once more, on a log that rebuilds the state.
func (r *Replica) locked(ctx context.Context, fn func(*oplog.Log) error) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.ready(ctx); err != nil {
		return err
	}
	err = r.write(ctx, fn)
	if err != nil && r.isDoubted() {
		if err := r.ready(ctx); err != nil {
			return err
		}
		err = r.write(ctx, fn) // on a state that is rebuilt first
	}
	return err
}

// isDoubted reports whether the state was found damaged, so that the next write rebuilds it.
func (r *Replica) isDoubted() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.log != nil {
		return r.log.Doubted()
	}
	return r.doubted
}

// write calls fn with the log, and sees to what follows: who waits hears of it, or,
// if it failed, the log is opened anew. The caller has the lock and the log is ready.
func (r *Replica) write(ctx context.Context, fn func(*oplog.Log) error) error {
	r.mu.RLock()
	log, known := r.log, r.known != crdt.OpID{}
	err := func() error {
		defer r.mu.RUnlock() // fn may panic
		return fn(log)
	}()
	if err == nil {
		r.bell.Ring()
		if r.cfg.Wrote != nil {
			r.cfg.Wrote()
		}
		if !known {
			r.learn(ctx, log)
		}
		return nil
	}
	var failed *oplog.Error
	if errors.As(err, &failed) {
		switch {
		case failed.Busy():
		case !failed.Uncertain() && (failed.Damaged() || errors.Is(err, oplog.ErrState)): // the log remembers to rebuild its state
			r.unsettled = true
		default:
			r.unsettled = true // also a rebuild may have failed at its commit
			r.drop()
		}
	}
	return err
}
