package replica

import (
	"cmp"
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
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
	if release, ok := r.writing.TryAcquire(); ok {
		r.writeGroup(release)
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
	if err := r.life.Err(); err != nil { // the replica was closed
		r.answerWaiting(err)
		return false
	}
	if r.cfg.ReadOnly {
		r.answerWaiting(errReadOnly)
		return false
	}
	err := r.use(r.life, func(*oplog.Log) error { return nil })
	if errors.Is(err, oplog.ErrNoLog) {
		if !r.firstIsWanted() {
			return false
		}
		err = oplog.CreateFolder(r.cfg.Path)
	}
	if err != nil {
		r.answerWaiting(err)
		return false
	}
	return true // what is missing is made under the lock
}

// firstIsWanted asks the oldest change on the empty pipeline, and answers it if
// it is refused.
func (r *Replica) firstIsWanted() (wanted bool) {
	r.queue.first(func(w *Write) error {
		err := w.isWanted(pipeline.NewState(pipeline.NewModel(), nil))
		wanted = err == nil
		return err
	})
	return wanted
}

// lockError says why the lock could not be had: its folder may be gone, and the
// database with it.
func (r *Replica) lockError(err error) error {
	if openErr := ifThere(r.use(r.life, func(*oplog.Log) error { return nil })); openErr != nil {
		return openErr
	}
	return err
}

// writeGroup commits what waits in one transaction, and answers. More changes come
// together meanwhile.
func (r *Replica) writeGroup(release func()) {
	r.committing.Store(true)
	group := r.commitGroup()
	r.committing.Store(false)
	release()
	if r.patience != nil {
		pause, end := context.WithTimeout(r.life, busyPause) // other processes may have the lock, and hear it for themselves
		defer end()
		<-pause.Done()
	}
	for _, w := range group {
		w.finish(w.story, w.err)
	}
}

// commitGroup commits what waits, and returns the changes that have their answers. The
// caller holds the lock.
func (r *Replica) commitGroup() (group []*Write) {
	if r.queue.empty() { // all gave up: for nobody there is nothing to create
		r.endBusy()
		return nil
	}
	err := r.life.Err() // the replica is being closed
	if err == nil {
		err = r.ready(r.life)
	}
	if err != nil {
		r.failWaiting(err)
		return nil
	}
	group, err = r.commit(r.queue.take)
	if err != nil && len(group) == 0 { // it did not come to them
		r.failWaiting(err)
		return nil
	}
	r.endBusy()
	if err != nil {
		r.recoverGroup(group, err)
	}
	return group
}

// failWaiting answers those who wait with an error of the storage. While another program
// has the database they go on waiting, as long as for the lock, and may withdraw.
func (r *Replica) failWaiting(err error) {
	var failed *oplog.Error
	switch busy := errors.As(err, &failed) && failed.Busy(); {
	case !busy:
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

// commit decides on changes until take has no more of them, and commits their ops in
// one transaction. Each change sees those before it; nobody else does before the
// commit.
func (r *Replica) commit(take func(n int) []*Write) (group []*Write, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("write panicked: %v\n%s", p, debug.Stack())
		}
	}()
	err = r.write(r.life, func(log *oplog.Log) error {
		return log.Write(r.life, func(tx *oplog.Tx) error {
			for {
				more := take(maxGroup - len(group))
				if len(more) == 0 {
					return nil
				}
				group = append(group, more...)
				for _, w := range more {
					if err := r.edit(log, tx, w); err != nil {
						return err
					}
				}
			}
		})
	})
	return group, err
}

// edit asks the change for its edits, on the state as those before it leave it, and
// writes its op. An error is not the change's own, which stands in w.err.
func (r *Replica) edit(log *oplog.Log, tx *oplog.Tx, w *Write) (err error) {
	w.reset()
	if w.plan != nil {
		return r.editAll(log, tx, w)
	}
	return r.editOne(log, tx, w, w.fn)
}

// editOne is edit for one op.
func (r *Replica) editOne(log *oplog.Log, tx *oplog.Tx, w *Write, fn func(*pipeline.Tx) error) (err error) {
	state, err := r.stateOf(tx)
	if err != nil {
		return err
	}
	change := state.NewTx()
	change.SubmittedBy(w.agent)
	change.MakeApart(func() (string, error) { return r.suffix(tx) })
	w.err = ask(fn, change)
	if err := state.Err(); err != nil {
		w.err = nil // the change did not see the pipeline as it is
		return tx.Fail(err)
	}
	w.position = tx.Position()
	if w.err != nil {
		return nil
	}
	w.leases = change.Leases()
	if len(change.Edits()) > 0 {
		if err := r.append(log, tx, w, change); err != nil || w.err != nil {
			return err
		}
	}
	if err := r.putLeases(tx, w); err != nil {
		return err
	}
	return r.outcome(tx, w, change)
}

// suffix returns what sets the IDs of new stories apart from those that other replicas give out at the
// same time: 20 random bits, or "" while this replica knows of no other.
func (r *Replica) suffix(tx *oplog.Tx) (string, error) {
	if shared, err := tx.Shared(); err != nil || !shared {
		return "", err
	}
	var bits [3]byte
	if _, err := io.ReadFull(r.cfg.Rand, bits[:]); err != nil {
		return "", fmt.Errorf("draw the end of a story ID: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(bits[:])[:4]), nil
}

// stateOf returns the pipeline as the transaction has made it.
func (r *Replica) stateOf(tx *oplog.Tx) (*pipeline.State, error) {
	src, err := tx.Source()
	return pipeline.NewState(src, leases{r, tx}), err
}

// append signs and appends the op of a change.
func (r *Replica) append(log *oplog.Log, tx *oplog.Tx, w *Write, change *pipeline.Tx) error {
	counts, err := tx.Counts()
	if err != nil {
		return err
	}
	if !counts {
		w.err = pipeline.NoMember()
		return nil
	}
	parents, seq, err := tx.Next()
	if err != nil {
		return err
	}
	fence, err := change.Fence()
	if err != nil {
		return tx.Fail(err)
	}
	if err := change.NameOverwritten(); err != nil {
		return tx.Fail(err)
	}
	op := &crdt.Op{
		Seq:     seq,
		Parents: parents,
		Story:   change.Story(),
		Edits:   change.Edits(),
		Agent:   cmp.Or(change.Agent(), w.agent),
		Creates: change.Creates(),
		Fence:   fence,
		At:      max(0, r.cfg.Now().UnixMilli()), // a clock before 1970 is no reason to refuse
	}
	if w.signed, w.err = crdt.Sign(op, log.Key()); w.err != nil {
		return nil
	}
	_, kind, err := tx.Append(op, w.signed)
	if err == nil && kind != oplog.Applied {
		err = fmt.Errorf("an op of our own is %s", kind)
	}
	w.id, w.seq, w.position = op.ID, op.Seq, tx.Position()
	return err
}

// outcome finds out what the change made of its story.
func (r *Replica) outcome(tx *oplog.Tx, w *Write, change *pipeline.Tx) error {
	state, err := r.stateOf(tx)
	if err != nil {
		return err
	}
	var refusal *pipeline.Error
	if w.story, err = state.Outcome(change); errors.As(err, &refusal) {
		w.err, err = err, nil
	}
	if failed := state.Err(); failed != nil {
		w.err = nil // it is no refusal of the change's own
		return tx.Fail(failed)
	}
	return err
}

// reset forgets what the change came to.
func (w *Write) reset() {
	w.id, w.story, w.err, w.leases = crdt.OpID{}, pipeline.Story{}, nil, nil
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

// retryPatience bounds how long the changes of a group are tried one by one, with the
// lock held.
const retryPatience = 3 * time.Second

// recoverGroup finds the answers of a group of which storing ended with err. Of several
// changes each that was not written is tried again by itself, so that one which cannot
// be stored does not fail its neighbours. The caller holds the lock.
func (r *Replica) recoverGroup(group []*Write, err error) {
	left, err := r.judge(group, err)
	patience, end := context.WithTimeout(r.life, retryPatience)
	defer end()
	for _, w := range left {
		if len(group) > 1 || errors.Is(err, oplog.ErrState) {
			w.reset() // what it was answered rested on those before it
			if patience.Err() == nil {
				r.writeAlone(w)
				continue
			}
		}
		w.giveUp(err)
	}
}

// writeAlone commits one change in a transaction of its own. The caller holds the lock.
func (r *Replica) writeAlone(w *Write) {
	err := r.ready(r.life)
	if err == nil {
		left := []*Write{w}
		_, err = r.commit(func(int) []*Write {
			defer func() { left = nil }()
			return left
		})
	}
	if err == nil {
		return
	}
	left, err := r.judge([]*Write{w}, err)
	for _, w := range left {
		w.giveUp(err)
	}
}

// judge finds out which changes are on disk although storing them ended with
// err: these have their answers. It returns the others and why they were not written.
// When it cannot find out, all are answered with err, which says so. The caller
// holds the lock.
func (r *Replica) judge(group []*Write, err error) (left []*Write, why error) {
	var failed *oplog.Error
	if !errors.As(err, &failed) || !failed.Uncertain() {
		return group, err
	}
	landed, lookErr := r.landed(group)
	if lookErr != nil {
		r.cfg.Logger.Error("storing failed, and what is on disk cannot be settled", "error", err, "then", lookErr)
		for _, w := range group {
			w.story, w.err = pipeline.Story{}, err
		}
		return nil, nil
	}
	r.cfg.Logger.Warn("storing failed; what is on disk was settled", "error", err, "changes", len(group), "landed", len(landed))
	left = slices.DeleteFunc(slices.Clone(group), func(w *Write) bool { return landed[w] })
	undone := *failed
	undone.Undone = true
	return left, &undone
}

// landed settles what is on disk and finds out which ops of the group are there, and which
// leases of changes without one. It does not make the file anew: what it lacked would prove nothing.
func (r *Replica) landed(group []*Write) (map[*Write]bool, error) {
	if err := r.reopen(r.life); err != nil {
		return nil, err
	}
	landed := make(map[*Write]bool)
	err := r.use(r.life, func(log *oplog.Log) error {
		return log.View(r.life, func(snap *oplog.Snapshot) error {
			for _, w := range group {
				is, err := w.landedIn(snap)
				if err != nil {
					return err
				}
				if is {
					landed[w] = true
				}
			}
			return nil
		})
	})
	return landed, err
}

// landedIn reports whether what the change wrote is in the snapshot.
func (w *Write) landedIn(snap *oplog.Snapshot) (bool, error) {
	if !w.id.IsZero() {
		sig, there, err := snap.Signature(w.id, w.seq)
		return there && sig == w.signed.Signature, err
	}
	for _, change := range w.leases {
		lease, there, err := snap.Lease(change.Claim)
		if err != nil || there != (change.Lease != nil) {
			return false, err
		}
		if there && (lease.Session != change.Lease.Session || lease.Seconds != change.Lease.Seconds || lease.Ends.Before(change.Lease.Ends)) {
			return false, nil
		}
	}
	return len(w.leases) > 0, nil
}

// reopen makes the log ready to write after a failure. It makes no file: that one is
// gone is for the next call to tell. The caller holds the lock.
func (r *Replica) reopen(ctx context.Context) error {
	if err := r.use(ctx, func(*oplog.Log) error { return nil }); err != nil {
		return err
	}
	return r.ready(ctx)
}

// giveUp answers a change that was not written: with its own refusal, if that
// was found on what is on disk, or with err.
func (w *Write) giveUp(err error) {
	if w.err == nil {
		w.err = err
	}
	w.story = pipeline.Story{}
}
