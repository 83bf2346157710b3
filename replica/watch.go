package replica

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// pollInterval is how often a replica that is watched looks whether other
	// processes wrote, idlePollInterval how often when nobody has for idleLooks. The
	// looking costs little beside the waking up: some machines take 0.1 ms for that.
	// The system is not asked to report changes: for that it needs files open that
	// SQLite must not share.
	pollInterval     = 15 * time.Millisecond
	idlePollInterval = 40 * time.Millisecond
	idleLooks        = 200
	// settling is for how many looks after the write-ahead log changed the next
	// change may bear the same stamp, if that is not exact: file systems' clocks tick
	// every 10 ms or more often.
	settling = 4
	// seldom is after how many looks at the write-ahead log's stamp alone, about a
	// second, all is looked at: the file may be gone, or another.
	seldom = 25
)

// watcher is one Watch.
type watcher struct {
	wake chan struct{} // holds one element when there may be something new
	// seen is the document that fn was called with last, told the removals of the
	// file before it. Both are guarded by the replica's mu.
	seen version
	told int
}

// version tells one document from another of the same replica.
type version struct {
	cursor   cursor
	epoch    int64
	removals int
}

// version returns that of the document as it is. The caller holds mu.
func (r *Replica) version() version { return version{r.cursor, r.epoch, r.removals} }

// Watch calls fn with the pipeline as View does, and again each time it may have
// changed, by this process or another, until fn returns true or an error, or ctx
// ends, whose cause is the error then. What fn sees is durable. Changes that come
// close together may be one call.
//
// A pipeline that has no database yet is empty until it has one. Otherwise a
// database that cannot be read ends Watch with the error that View would return.
// While nobody watches nothing runs.
func (r *Replica) Watch(ctx context.Context, fn func(*pipeline.State) (done bool, err error)) error {
	if err := r.LastWrite().waitForRead(ctx); err != nil {
		return err
	}
	w, err := r.addWatcher()
	if err != nil {
		return err
	}
	defer r.removeWatcher(w)
	done := false
	call := func() (err error) {
		w.seen = r.version()
		done, err = fn(r.state)
		return err
	}
	fresh := func() error {
		if r.log != nil {
			if err := r.refresh(ctx); err != nil {
				return err
			}
		}
		return call()
	}
	for err = r.read(ctx, fresh); err == nil && !done; err = r.watchOn(ctx, w, call, fresh) {
		select {
		case <-w.wake:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.life.Done():
			return r.life.Err()
		}
	}
	return err
}

// watchOn calls call on the document as who woke the watcher left it, if that is
// durable, and fresh otherwise. While a commit is under way it does nothing: who
// commits wakes the watcher again.
func (r *Replica) watchOn(ctx context.Context, w *watcher, call, fresh func() error) error {
	r.mu.Lock()
	if r.log != nil && !r.unsynced && w.told == r.removals {
		durable := r.cursor.arrival <= r.synced
		if durable || r.committing.Load() {
			defer r.mu.Unlock()
			if durable {
				return call()
			}
			return nil
		}
	}
	r.mu.Unlock()
	return r.readFor(ctx, &w.told, fresh)
}

// addWatcher begins a Watch; the first one begins to look for changes.
func (r *Replica) addWatcher() (*watcher, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.life.Err(); err != nil { // the replica was closed
		return nil, err
	}
	w := &watcher{wake: make(chan struct{}, 1), told: r.removals}
	r.watching.Add(1)
	if len(r.watchers) == 0 {
		ctx, stop := context.WithCancel(r.life)
		r.stopPolling = stop
		r.watching.Go(func() { r.poll(ctx) })
	}
	r.watchers[w] = struct{}{}
	return w, nil
}

func (r *Replica) removeWatcher(w *watcher) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.watchers, w); len(r.watchers) == 0 {
		r.stopPolling()
	}
	r.watching.Done()
}

// poll looks for changes by other processes while there are watchers.
func (r *Replica) poll(ctx context.Context) {
	var last lookout
	timer := time.NewTimer(pollInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			r.lookForChanges(ctx, &last)
			timer.Reset(last.pause())
		}
	}
}

// lookout is what poll saw of the write-ahead log, and for how many looks it has
// been so.
type lookout struct {
	stamp oplog.Stamp
	same  int
}

// settled reports whether the log that bears the stamp need not be asked. A zero
// stamp says nothing.
func (last *lookout) settled(stamp oplog.Stamp) bool {
	last.same++
	if stamp != last.stamp {
		*last = lookout{stamp: stamp}
	}
	sure := stamp.Exact() && last.same > 0 || stamp != (oplog.Stamp{}) && last.same > settling
	return sure && last.same%seldom != 0
}

// pause returns how long to wait before the next look.
func (last *lookout) pause() time.Duration {
	if last.same < idleLooks {
		return pollInterval
	}
	return idlePollInterval
}

// lookForChanges catches up and wakes those who have not seen what there is. An
// error is theirs to find again.
func (r *Replica) lookForChanges(ctx context.Context, last *lookout) {
	if r.committing.Load() { // who commits wakes them when all is durable
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	var stamp oplog.Stamp
	if r.log != nil {
		stamp = r.log.Stamp()
	}
	var err error
	if !last.settled(stamp) {
		err = r.catchUpForWatchers(ctx)
	}
	r.wakeWatchers(err != nil)
}

// catchUpForWatchers is what a View does before it calls its function.
func (r *Replica) catchUpForWatchers(ctx context.Context) error {
	r.look()
	err := r.openLog(ctx)
	switch {
	case errors.Is(err, oplog.ErrNoLog):
		return nil
	case err != nil:
		return err
	case r.unsynced:
		return errUnsettled
	}
	return r.refresh(ctx)
}

// wakeWatchers wakes those who have not seen the document as it is, or all. The
// caller holds mu.
func (r *Replica) wakeWatchers(all bool) {
	now := r.version()
	for w := range r.watchers {
		if all || w.seen != now {
			select {
			case w.wake <- struct{}{}:
			default: // it is awake
			}
		}
	}
}
