// Package bell tells the processes of a database that one of them has committed.
//
// The bell of the database <db> is the file <db>-bell/bell. A writer rings after each COMMIT: Ring
// writes one byte over the file's first one. Processes with listeners watch the folder through the
// operating system and wake their listeners. The listeners of the ringing process are woken
// directly.
//
// The folder is the bell's own, because on macOS fsnotify opens every file of a watched folder.
// Closing a database file there would drop SQLite's locks.
//
// # Guarantees
//
// A listener that subscribes before it looks at the database misses no later commit. A wake-up
// means that something may have changed. Several rings may become one wake-up, and a wake-up may
// come without a ring.
//
// A bell may be impossible to make or watch: the database does not exist yet, the folder cannot be
// written, the system has no watches left, or the file system is shared with other machines. The
// listeners are then woken every 500 ms, until the bell can be watched. Beside a watched bell they
// are woken every 2 s, so that an event that the system lost delays a change but never hides it.
//
// The bell is made by the first ring or listener after the database exists. Nothing makes the bell
// of a database that does not exist.
//
// # Use
//
//	l := b.Subscribe()
//	defer l.Close()
//	for !satisfied(look()) {
//		select {
//		case _, open := <-l.C():
//			if !open {
//				return errClosed
//			}
//		case <-ctx.Done():
//			return context.Cause(ctx)
//		}
//	}
package bell

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// lookInterval is the time between two wake-ups while the bell is not watched.
	lookInterval = 500 * time.Millisecond
	// safetyInterval is the time between two wake-ups that no event asked for while the bell is
	// watched. A look at the database costs about 0.1 ms, so they take less than 0.01 % of a core.
	safetyInterval = 2 * time.Second
)

// Bell is one database's bell in one process. Its methods may be called from any goroutine.
type Bell struct {
	place   place
	clapper *clapper
	logger  *slog.Logger

	listenOnly bool // the bell is never made by this process

	// Tests change these before the first call: lookInterval, safetyInterval, and the function that
	// reports whether other machines may change the files at a path.
	lookEvery, safetyEvery time.Duration
	shared                 func(path string) (bool, error)

	// running counts the goroutines of all watches. Close waits for them.
	running sync.WaitGroup
	// turn guards the system's watcher, of which there is one at a time. A watch holds turn as long
	// as it runs.
	turn sync.Mutex

	// mu guards the fields below.
	mu        sync.Mutex
	listeners map[*Listener]struct{}
	watch     *watch // nil while nobody listens
	closed    bool
	watchErr  error // why the current watch looks instead of listening, or nil
	ringErr   error // why the last ring failed, or nil
	watchTold bool  // a failure to watch has been logged
	ringTold  bool  // a failure to ring has been logged
}

// New returns the bell of the database at the path db. New touches no file. All processes must
// name the database by the same file: the caller must resolve symbolic links in the path's last
// element, as SQLite does.
func New(db string, logger *slog.Logger) *Bell {
	p := placeOf(db)
	return &Bell{
		place: p, clapper: newClapper(p), logger: logger,
		lookEvery: lookInterval, safetyEvery: safetyInterval, shared: shared,
		listeners: map[*Listener]struct{}{},
	}
}

// ListenOnly keeps this process from making the bell, for a database that is only read. The caller
// must call it before any other method, and must not ring.
func (b *Bell) ListenOnly() { b.listenOnly = true }

// Ring wakes the listeners of all processes. The caller must have committed. A failure to reach
// the other processes is logged once and kept for Err.
func (b *Bell) Ring() {
	b.wake()
	err := b.clapper.strike()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ringErr = err
	if err != nil && !b.ringTold {
		b.ringTold = true
		b.logger.Warn("cannot tell other processes of commits, they look for them", "error", err)
	}
}

// Subscribe returns a new listener. The caller must subscribe before it looks at the database, and
// must close the listener. The first listener begins to watch the bell, the last one's Close ends
// that. The listener of a closed bell is closed.
func (b *Bell) Subscribe() *Listener {
	l := &Listener{bell: b, c: make(chan struct{}, 1)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		close(l.c)
		return l
	}
	b.listeners[l] = struct{}{}
	if b.watch == nil {
		w := &watch{bell: b, stop: make(chan struct{})}
		b.watch = w
		b.running.Go(w.run)
	}
	return l
}

// Err returns why the last ring did not reach other processes or why the listeners are woken by
// the clock alone. Err returns nil while neither is so.
func (b *Bell) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchErr != nil {
		return b.watchErr
	}
	return b.ringErr
}

// Close closes all listeners and waits until nothing of the bell runs any more. A later Ring still
// reaches other processes.
func (b *Bell) Close() {
	b.mu.Lock()
	b.closed = true
	for l := range b.listeners {
		b.removeLocked(l)
	}
	b.mu.Unlock()
	b.running.Wait()
	b.clapper.close()
}

// wake leaves a wake-up with every listener that does not have one yet.
func (b *Bell) wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.listeners {
		select {
		case l.c <- struct{}{}:
		default:
		}
	}
}

// removeLocked ends the listener, and with the last one the watch. The caller must hold mu.
func (b *Bell) removeLocked(l *Listener) {
	if _, open := b.listeners[l]; !open {
		return
	}
	delete(b.listeners, l)
	close(l.c)
	if len(b.listeners) == 0 {
		close(b.watch.stop)
		b.watch, b.watchErr = nil, nil
	}
}

// Listener is woken when the database may have changed.
type Listener struct {
	bell *Bell
	// c holds one element while the listener has a wake-up that nobody received. The bell's mu
	// guards sending and closing.
	c chan struct{}
}

// C returns the channel of wake-ups. The channel is closed when the listener or the bell is.
func (l *Listener) C() <-chan struct{} { return l.c }

// Close ends the listener. Further calls do nothing. Close waits for nothing.
func (l *Listener) Close() {
	l.bell.mu.Lock()
	defer l.bell.mu.Unlock()
	l.bell.removeLocked(l)
}
