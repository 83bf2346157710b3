package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// maxGroup bounds the changes of one transaction: the cost of a commit is small
// beside so many, and other processes wait no longer than for a few commits of
// their own.
const maxGroup = 64

// writeQueued is the writer on a goroutine of its own: it commits what waits in
// the queue, group by group, until nothing is left.
func (r *Replica) writeQueued() {
	for !r.queue.idle() {
		if !r.prepare() {
			continue
		}
		// No time limit: who does not want to wait any more withdraws.
		if err := r.writing.AcquireThen(r.life, r.writeGroup); err != nil {
			r.answerWaiting(r.lockError(err))
		}
	}
}

// writeHere commits what waits in the queue, if nobody else does and the lock is
// free.
func (r *Replica) writeHere() {
	if !r.queue.lead() {
		return
	}
	defer r.queue.endLead()
	if !r.prepare() {
		return
	}
	if r.crowd > 1 {
		runtime.Gosched() // those who were answered together are about to submit their next ones
	}
	if release, ok := r.writing.TryAcquire(); ok {
		r.writeGroup(release)
	}
}

// writeGroup commits what waits in one transaction, releases the lock, and
// answers when that is durable. More changes come together meanwhile: to commit
// them before the disk is done makes small groups of them, which costs more than
// it saves.
func (r *Replica) writeGroup(release func()) {
	r.committing.Store(true)
	defer r.committing.Store(false)
	group, sync, err := r.commitGroup()
	release()
	if r.patience != nil {
		pause, end := context.WithTimeout(r.life, busyPause) // other processes may have the lock, and hear it for themselves
		defer end()
		<-pause.Done()
		return
	}
	if err == nil { // while the disk works other processes may write
		err = sync()
	}
	if err != nil {
		r.recoverGroup(group, err)
		return
	}
	r.crowd = len(group)
	for _, w := range group {
		w.finish(w.story, w.err)
	}
}

// answerWaiting answers those who wait with an error; nothing was written.
func (r *Replica) answerWaiting(err error) {
	for _, w := range r.queue.take(maxGroup) {
		w.finish(pipeline.Story{}, err)
	}
}

// prepare sees to it that there is a folder for the lock's file, and reports
// whether there is something to write. If there is no log yet, the oldest change
// is asked on the empty pipeline first, since one that is refused must not leave
// a new database behind.
func (r *Replica) prepare() (ready bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.life.Err(); err != nil { // the replica was closed
		r.answerWaiting(err)
		return false
	}
	if r.cfg.ReadOnly {
		r.answerWaiting(errReadOnly)
		return false
	}
	if r.log != nil {
		return true // whether it still is the one at the path is seen under the lock
	}
	err := r.open(r.life)
	if errors.Is(err, oplog.ErrNoLog) {
		if !r.firstIsWanted() {
			return false
		}
		err = oplog.CreateFolder(r.cfg.Path)
	}
	if err != nil && !errors.Is(err, oplog.ErrOutdated) {
		r.answerWaiting(err)
		return false
	}
	return true // what is missing is for create, under the lock
}

// firstIsWanted asks the oldest change on the empty pipeline, and answers it if
// it is refused.
func (r *Replica) firstIsWanted() (wanted bool) {
	r.queue.first(func(w *Write) error {
		err := ask(w.fn, r.state.NewTx())
		wanted = err == nil
		return err
	})
	return wanted
}

// lockError says why the lock could not be had: its folder may be gone, and the
// database with it.
func (r *Replica) lockError(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if openErr := r.open(r.life); openErr != nil && !errors.Is(openErr, oplog.ErrNoLog) && !errors.Is(openErr, oplog.ErrOutdated) {
		return openErr
	}
	return err
}

// commitGroup commits what waits in one transaction and returns what makes it
// durable. The caller holds the lock.
func (r *Replica) commitGroup() (group []*Write, sync func() error, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue.empty() { // all gave up: for nobody there is nothing to create
		r.endBusy()
		return nil, noSync, nil
	}
	err = r.life.Err() // the replica is being closed
	if err == nil {
		err = r.create(r.life)
	}
	if err != nil {
		r.answerWaiting(err)
		return nil, noSync, nil
	}
	group, err = r.commit(r.queue.take)
	if err != nil && len(group) == 0 { // it did not come to them
		r.told = r.removals // catching up may be what found out
		r.failWaiting(err)
		return nil, noSync, nil
	}
	r.endBusy()
	if err != nil {
		r.fail(err) // before anybody sees what is not on disk
		return group, nil, err
	}
	renewed := slices.ContainsFunc(group, func(w *Write) bool { return len(w.leases) > 0 })
	return group, r.syncLater(renewed), nil
}

// failWaiting answers those who wait with an error of the storage. While another program
// has the database they go on waiting, as long as for the lock, and may withdraw.
func (r *Replica) failWaiting(err error) {
	var failed *oplog.Error
	switch busy := errors.As(err, &failed) && failed.Busy(); {
	case !busy:
		r.fail(err)
	case r.patience == nil:
		r.patience, r.endPatience = context.WithTimeout(r.life, r.cfg.LockTimeout)
		return
	case r.patience.Err() == nil:
		return
	}
	r.endBusy()
	r.answerWaiting(err)
}

// endBusy: nobody waits for another program any more.
func (r *Replica) endBusy() {
	if r.patience != nil {
		r.endPatience()
		r.patience = nil
	}
}

// busyPause is between two tries of a database that another program has.
const busyPause = 10 * time.Millisecond

func noSync() error { return nil }

// syncLater returns what makes durable all that the document shows now, and the
// leases that were renewed without an op, if there are any. The caller holds mu, but
// not when it calls that.
func (r *Replica) syncLater(renewed bool) func() error {
	log, shown := r.log, r.cursor.arrival
	if shown <= r.synced && !renewed {
		return noSync
	}
	return func() error {
		if err := log.Sync(); err != nil {
			return err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.log == log {
			r.synced, r.known = max(r.synced, shown), r.first
			r.wakeWatchers(false)
		}
		return nil
	}
}

// recoverGroup answers the changes of a group of which storing ended with err.
// Of several changes each that was not written is tried again by itself, so that
// one which cannot be stored does not fail its neighbours.
func (r *Replica) recoverGroup(group []*Write, err error) {
	r.mu.Lock()
	r.fail(err)
	r.mu.Unlock()
	wait, cancel := context.WithTimeout(r.life, r.cfg.LockTimeout)
	defer cancel()
	release, lockErr := r.writing.Acquire(wait)
	if lockErr != nil { // another process hangs with it, or the replica is being closed
		for _, w := range group {
			w.finish(pipeline.Story{}, err)
		}
		return
	}
	defer release()
	r.mu.Lock()
	left, err := r.judge(group, err)
	r.mu.Unlock()
	patience, end := context.WithTimeout(r.life, retryPatience)
	defer end()
	for _, w := range left {
		if len(group) > 1 {
			w.reset() // what it was answered rested on those before it
		}
		if len(group) > 1 && patience.Err() == nil {
			r.writeAlone(w)
		} else {
			w.giveUp(err)
		}
	}
}

// retryPatience bounds how long the changes of a group are tried one by one, with the lock held: each
// that fails costs a replay of the log.
const retryPatience = 3 * time.Second

// writeAlone commits one change in a transaction of its own and answers it. The
// caller holds the lock.
func (r *Replica) writeAlone(w *Write) {
	r.mu.Lock() // reads go on between two of them
	defer r.mu.Unlock()
	err := r.create(r.life)
	if err == nil {
		left := []*Write{w}
		_, err = r.commit(func(int) []*Write {
			defer func() { left = nil }()
			return left
		})
	}
	if err == nil {
		err = r.log.Sync()
	}
	if err == nil {
		w.finish(w.story, w.err)
		return
	}
	r.fail(err)
	left, err := r.judge([]*Write{w}, err)
	for _, w := range left {
		w.giveUp(err)
	}
}

// judge finds out which changes are on disk although storing them ended with
// err, and answers these. It returns the others and why they were not written.
// When it cannot find out, all are answered with err, which says so. The caller
// holds the lock and mu.
func (r *Replica) judge(group []*Write, err error) (left []*Write, why error) {
	var failed *oplog.Error
	if !errors.As(err, &failed) || !failed.Uncertain() {
		return group, err
	}
	landed, lookErr := r.landed(group)
	if lookErr != nil {
		r.cfg.Logger.Error("storing failed, and what is on disk cannot be settled", "error", err, "then", lookErr)
		for _, w := range group {
			w.finish(pipeline.Story{}, err)
		}
		return nil, nil
	}
	r.cfg.Logger.Warn("storing failed; what is on disk was settled", "error", err, "changes", len(group), "landed", len(landed))
	for _, w := range group {
		if landed[w] {
			w.finish(w.story, nil)
		} else {
			left = append(left, w)
		}
	}
	return left, failed.Undone()
}

// landed settles what is on disk and finds out which ops of the group are there, and which
// leases of changes without one. It does not make the file anew: what it lacked would prove nothing.
func (r *Replica) landed(group []*Write) (map[*Write]bool, error) {
	removals := r.removals
	if err := r.reopen(r.life); err != nil {
		return nil, err
	}
	if r.removals != removals { // the next call hears of it
		return nil, errors.New(r.removal)
	}
	landed := make(map[*Write]bool)
	for _, w := range group {
		if w.op == nil {
			stored, err := r.leasesStored(w)
			if err != nil {
				r.drop()
				return nil, err
			}
			if stored {
				landed[w] = true
			}
			continue
		}
		sig, there, err := r.log.Signature(r.life, w.op.ID, w.op.Seq)
		if err != nil {
			r.drop()
			return nil, err
		}
		if there && sig == w.signed.Signature {
			landed[w] = true
		}
	}
	return landed, nil
}

// giveUp answers a change that was not written: with its own refusal, if that
// was found on what is on disk, or with err.
func (w *Write) giveUp(err error) {
	if w.err != nil {
		err = w.err
	}
	w.finish(pipeline.Story{}, err)
}

// errNotReady: a database was put over this one, without the key that it had, or a backup.
var errNotReady = errors.New("the database must be made ready to write to")

// commit is tryCommit, also for a database that must be made ready first.
func (r *Replica) commit(take func(n int) []*Write) (group []*Write, err error) {
	if group, err = r.tryCommit(take); !errors.Is(err, errNotReady) {
		return group, err
	}
	r.drop()
	if err = r.create(r.life); err != nil {
		return nil, err
	}
	return r.tryCommit(take)
}

// tryCommit decides on changes until take has no more of them, and commits their
// ops in one transaction. Each change sees those before it: the document moves
// before the commit, but nobody sees it, since mu is held, and unless the commit
// succeeds it is forgotten.
func (r *Replica) tryCommit(take func(n int) []*Write) (group []*Write, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write panicked: %v\n%s", p, debug.Stack())
		}
	}()
	err = r.log.Commit(r.life, func(tx *oplog.Tx) error {
		if err := r.catchUp(r.life); err != nil {
			return err
		}
		if !r.log.Ready() {
			return errNotReady
		}
		r.signer.begin(r.log.Key())
		defer r.signer.end()
		for appended := 0; ; appended++ {
			// Who comes while the first are signed comes along.
			more := take(maxGroup - len(group))
			group = append(group, more...)
			for _, w := range more {
				if err := r.edit(tx, w); err != nil {
					return err
				}
				if w.op != nil {
					r.signer.add(r.life, w)
				} else if n := len(r.signer.ops); n > 0 {
					w.behind = r.signer.ops[n-1]
				} else {
					w.position = r.PositionLocked()
				}
			}
			if appended == len(r.signer.ops) {
				return nil
			}
			if err := r.append(tx, r.signer.ops[appended]); err != nil {
				return err
			}
		}
	})
	if own := r.log.Committed(); err == nil && own.Exact() {
		r.seen = own
	}
	return group, err
}

// edit asks the change for its edits, on the state as those before it leave
// it, and applies them. Leases are stored at once, since those after it may ask for
// them. An error is not the change's own, which stands in w.err.
func (r *Replica) edit(into *oplog.Tx, w *Write) (err error) {
	w.reset()
	tx := r.state.NewTx()
	if w.err = ask(w.fn, tx); w.err != nil {
		return nil
	}
	w.leases = tx.Leases()
	if len(tx.Edits()) > 0 {
		op := r.draft(cmp.Or(tx.Agent(), w.agent), tx)
		if w.signed, w.err = crdt.Seal(op, r.author); w.err != nil {
			return nil
		}
		r.state.Record(true)
		if _, err := r.state.Apply(op); err != nil {
			return fmt.Errorf("apply an op of our own: %w", err)
		}
		w.op, w.changes = op, slices.Clone(r.state.Changes())
	}
	if err := r.putLeases(into, w); err != nil {
		return err
	}
	var refusal *pipeline.Error
	if w.story, err = r.state.Outcome(tx); errors.As(err, &refusal) {
		w.err, err = err, nil
	}
	return err // of the storage: the op is not to be committed
}

// reset forgets what the change came to.
func (w *Write) reset() {
	w.op, w.story, w.err, w.leases, w.behind = nil, pipeline.Story{}, nil, nil, nil
}

// ask calls fn, whose panic is its own error: others write, too.
func ask(fn func(*pipeline.Tx) error, tx *pipeline.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("update panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(tx)
}

// append appends an op as soon as it is signed.
func (r *Replica) append(tx *oplog.Tx, w *Write) error {
	r.signer.wait(w)
	arrival, err := tx.Append(w.op, w.signed)
	if err != nil {
		return err
	}
	r.moveTo(cursor{arrival, w.op.ID})
	r.changes.add(r.cursor, w.changes)
	w.position = r.PositionLocked()
	r.remember(w.op, crdt.Result{Status: crdt.Applied}, arrival)
	r.logOp(w.op, crdt.Applied, arrival)
	return nil
}

func (r *Replica) draft(agent string, tx *pipeline.Tx) *crdt.Op {
	parents, seq := r.state.Doc().Next()
	return &crdt.Op{
		Author:  r.author,
		Seq:     seq,
		Parents: parents,
		Story:   tx.Story(),
		Edits:   tx.Edits(),
		Agent:   agent,
		At:      max(0, r.cfg.Now().UnixMilli()), // a clock before 1970 is no reason to refuse
	}
}
