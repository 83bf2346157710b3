package bell

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/fsnotify/fsnotify"
)

// errShared says why a bell on a network or shared file system is not watched.
var errShared = errors.New("the file system is shared with other machines and reports no changes made there")

// watch wakes a bell's listeners from the first one's Subscribe to the last one's Close.
type watch struct {
	bell *Bell
	stop chan struct{} // closed when the last listener is
}

// run follows the bell as long as that is possible and looks in between, until the watch stops.
// The watch before has ended by then: the systems allow few watchers, Linux 128 for each user.
func (w *watch) run() {
	w.bell.turn.Lock()
	defer w.bell.turn.Unlock()
	for !w.stopped() {
		watcher, folder, err := w.bell.listen()
		w.report(err)
		// A ring before the system began to watch was not heard.
		w.bell.wake()
		if err == nil {
			w.follow(watcher, folder)
			_ = watcher.Close() // nothing is lost with it
		}
		// The pause lets somebody who deletes the folder finish: a bell made anew in the middle
		// would be in the way.
		w.pause()
	}
}

// stopped reports whether the watch is to end.
func (w *watch) stopped() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// pause waits for the time between two looks, or until the watch stops.
func (w *watch) pause() {
	timer := time.NewTimer(w.bell.lookEvery)
	defer timer.Stop()
	select {
	case <-w.stop:
	case <-timer.C:
	}
}

// report keeps why the bell cannot be watched for Err, or that it is. The log gets one line of the
// first failure. A database that does not exist is no failure.
func (w *watch) report(err error) {
	b := w.bell
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watch != w {
		return // the last listener is gone
	}
	b.watchErr = err
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !b.watchTold {
		b.watchTold = true
		b.logger.Warn("cannot watch for commits of other processes, looking for them instead", "interval", b.lookEvery, "error", err)
	}
}

// listen asks the system for the events of the bell's folder, and returns the folder that is
// watched. A missing bell is made, unless the process only listens. The caller must close the watcher.
func (b *Bell) listen() (_ *fsnotify.Watcher, folder fs.FileInfo, err error) {
	find := b.place.find
	if b.listenOnly {
		find = b.place.stat
	}
	folder, _, err = find()
	if err != nil {
		return nil, nil, err
	}
	if far, err := b.shared(b.place.folder); err != nil {
		return nil, nil, err
	} else if far {
		return nil, nil, errShared
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, nil, err
	}
	if err = watcher.Add(b.place.folder); err == nil && !b.place.isStill(folder) {
		err = fmt.Errorf("%s was replaced before it was watched", b.place.folder)
	}
	if err != nil {
		_ = watcher.Close()
		return nil, nil, err
	}
	return watcher, folder, nil
}

// follow wakes the listeners at each event of the folder. It returns when the watch stops, or
// after a wake-up when the folder can no longer be followed.
func (w *watch) follow(watcher *fsnotify.Watcher, folder fs.FileInfo) {
	b := w.bell
	safety := time.NewTicker(b.safetyEvery)
	defer safety.Stop()
	for {
		check, lost := false, false
		select {
		case <-w.stop:
			return
		case <-safety.C:
			check = true
		case event, open := <-watcher.Events:
			if event.Op == fsnotify.Chmod {
				continue // indexers and virus scanners cause these at any time
			}
			lost = !open || event.Name == b.place.folder
			check = !event.Has(fsnotify.Write)
		case err := <-watcher.Errors:
			// The system drops events that come faster than they are read, and says so.
			lost = !errors.Is(err, fsnotify.ErrEventOverflow)
		}
		b.wake()
		if lost || check && !b.place.isStill(folder) {
			return
		}
	}
}
