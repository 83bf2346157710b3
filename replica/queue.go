package replica

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Write is one change on its way into the log, see [Replica.Submit].
type Write struct {
	r     *Replica
	agent string
	fn    func(*pipeline.Tx) error
	plan  Plan          // of a change of several stories, which has no fn
	done  chan struct{} // closed when story and err are set

	// The rest belongs to the writer until done is closed, then to the caller.
	story    pipeline.Story
	err      error
	id       crdt.OpID // of the op; zero: there is none
	seq      uint64
	signed   crdt.SignedOp
	leases   []pipeline.LeaseChange
	position Position
}

// Submit puts a change at the end of the replica's queue and returns at once.
// Changes take effect in the order in which they were submitted; those that wait
// together are committed together. The caller calls Wait soon: a change that is
// alone in the queue is committed there.
func (r *Replica) Submit(agent string, fn func(*pipeline.Tx) error) *Write {
	w := &Write{r: r, agent: agent, fn: fn, done: make(chan struct{})}
	r.queue.push(w)
	return w
}

// Wait waits for the change and returns the story as its op left it, see
// [pipeline.State.Outcome]. When ctx
// ends, or the lock could not be had in time, and the change has not been taken
// up, it is withdrawn.
func (w *Write) Wait(ctx context.Context) (pipeline.Story, error) {
	if ctx.Err() == nil {
		w.r.writeHere()
	}
	select {
	case <-w.done:
		return w.story, w.err
	default:
	}
	if why := w.giveUpLate(ctx); why != nil && w.r.queue.withdraw(w) {
		w.finish(pipeline.Story{}, why())
	}
	<-w.done
	return w.story, w.err
}

// giveUpLate waits until the change is done, or for a reason to give it up. While
// another process rebuilds the state and comes on, that is no reason. If
// no other process holds the lock when the time is up, then this one was stopped,
// or has much to write: the change gets as much time again, once, since the disk
// may hang.
func (w *Write) giveUpLate(ctx context.Context) (why func() error) {
	timer := time.NewTimer(w.r.cfg.LockTimeout)
	defer timer.Stop()
	seen := ""
	for again := true; ; again = false {
		select {
		case <-w.done:
			return nil
		case <-ctx.Done():
			return func() error { return context.Cause(ctx) }
		case <-timer.C:
			if (!again || w.r.othersHoldLock()) && !w.r.comesOn(&seen) {
				return w.r.timedOut
			}
			timer.Reset(w.r.cfg.LockTimeout)
		}
	}
}

// timedOut returns the error of who waited too long.
func (r *Replica) timedOut() error {
	if r.committing.Load() {
		return &oplog.Error{
			Op: "write", Path: r.cfg.Path, Code: CodeStuck,
			Err: errors.New("this server is not done with the changes before this one: the disk hangs or is slow, or another program has the database"),
		}
	}
	return r.writing.TimedOut()
}

// readPatience bounds how long a read waits for the changes that were submitted
// before it: when they stand still, since another process holds the lock, the
// read goes on without them.
const readPatience = time.Second

// waitForRead waits until the change, if there is one, is done. An error is
// that of ctx.
func (w *Write) waitForRead(ctx context.Context) error {
	if w == nil {
		return nil
	}
	select {
	case <-w.done: // as nearly always
		return nil
	default:
		w.r.queue.start()
	}
	timer := time.NewTimer(readPatience)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// finish answers the change.
func (w *Write) finish(story pipeline.Story, err error) {
	w.story, w.err = story, err
	close(w.done)
}

// Position returns the position that the answer of a change reflects: that of its
// own op, or, if there was nothing to write, of the ops before it. It may be called
// when Wait has returned without an error.
func (w *Write) Position() Position { return w.position }

// othersHoldLock reports whether another process has the lock now, or whether
// that cannot be told.
func (r *Replica) othersHoldLock() bool {
	if r.committing.Load() {
		return false
	}
	pid, held, err := r.writing.Holder()
	return err != nil || held && pid != os.Getpid()
}

// queue holds the changes that wait for the writer. That is whoever waits for a
// change of its own while nobody else writes, which spares two switches between
// goroutines. Else it is a goroutine that is there for as long as changes wait.
type queue struct {
	run func() // is the writer on a goroutine of its own

	mu      sync.Mutex    // guards all below
	waiting []*Write      // in order of arrival
	last    *Write        // the one submitted last, also when it is done; not one that was withdrawn
	taken   *Write        // the last that the writer took
	closed  bool          // nobody may be the writer any more but to answer
	writer  chan struct{} // closed when the present writer ends; nil: there is none
}

func (q *queue) push(w *Write) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, w)
	q.last = w
	if len(q.waiting) > 1 { // whoever submitted the first does not wait for it yet
		q.startLocked()
	}
}

// start sees to it that somebody writes what waits.
func (q *queue) start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.startLocked()
}

func (q *queue) startLocked() {
	if q.writer == nil && len(q.waiting) > 0 {
		q.writer = make(chan struct{})
		go q.run()
	}
}

// endLocked ends the present writer.
func (q *queue) endLocked() {
	close(q.writer)
	q.writer = nil
}

// lead makes the caller the writer if something waits and there is none. The
// caller ends that with endLead.
func (q *queue) lead() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		q.startLocked()
	}
	if q.writer != nil || len(q.waiting) == 0 {
		return false
	}
	q.writer = make(chan struct{})
	return true
}

// endLead leaves what waits to the writer's own goroutine.
func (q *queue) endLead() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.endLocked()
	q.startLocked()
}

// close waits for the end of the present writer. The replica's life has ended, so the writers after it
// do nothing but answer with that.
func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	writer := q.writer
	q.mu.Unlock()
	if writer != nil {
		<-writer
	}
}

// take takes up to n changes out of the queue, oldest first. They are answered
// by who took them.
func (q *queue) take(n int) []*Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	n = min(n, len(q.waiting))
	taken := q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	if n > 0 {
		q.taken = taken[n-1]
	}
	return taken
}

// empty reports whether nothing waits.
func (q *queue) empty() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) == 0
}

// idle reports whether nothing waits. Then the writer has ended, and must return.
func (q *queue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) > 0 {
		return false
	}
	q.endLocked()
	return true
}

// first calls fn with the oldest change, if there is one, which nobody withdraws
// or takes meanwhile. If fn returns an error that is the answer to the change.
func (q *queue) first(fn func(*Write) error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		return
	}
	if err := fn(q.waiting[0]); err != nil {
		q.waiting[0].finish(pipeline.Story{}, err)
		q.waiting = q.waiting[1:]
	}
}

// withdraw takes the change out of the queue, if it is still there.
func (q *queue) withdraw(w *Write) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.waiting {
		if q.waiting[i] == w {
			q.waiting = append(q.waiting[:i:i], q.waiting[i+1:]...)
			if q.last == w { // who reads waits for the one before
				q.last = q.taken
				if len(q.waiting) > 0 {
					q.last = q.waiting[len(q.waiting)-1]
				}
			}
			return true
		}
	}
	return false
}

// lastWrite returns the change submitted last, or nil.
func (q *queue) lastWrite() *Write {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.last
}
