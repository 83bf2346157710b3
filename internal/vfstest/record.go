//go:build linux

package vfstest

import (
	"bytes"
	"slices"
	"sync"

	sqlite3 "modernc.org/sqlite/lib"
)

// Recorder lists, in order, what SQLite does to the files of a database. The
// shared memory is left out: SQLite makes it anew after a power cut.
type Recorder struct {
	mu     sync.Mutex // guards events
	events []Event
}

// Event is one step of a recording.
type Event struct {
	Kind   EventKind
	File   int    // its number
	Name   string // in the folder; of Found, Linked, Unlinked and Renamed
	From   string // its name before; of Renamed
	Offset int64  // where written; the size truncated to
	Data   []byte // what was written
	Folder bool   // of Synced and Unlinked: the folder is synced as well
	Note   any    // of Noted
}

// EventKind says what an event is.
type EventKind uint8

const (
	Found     EventKind = iota // the file was there under a name
	Linked                     // the file was created under a name
	Unlinked                   // the name was deleted
	Renamed                    // the file has another name, in the place of the one that had it
	Written                    //
	Truncated                  //
	Synced                     // all that was done to the file is on disk
	Lost                       // a sync failed: what was not on disk then never comes there
	Noted                      // the test's own
)

// Add adds an event.
func (r *Recorder) Add(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events returns what was recorded so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clip(r.events)
}

// Handle records what was done: it stands behind handlers that let calls fail.
func (r *Recorder) Handle(c *Call, do func() int32) int32 {
	folder := c.Folder // as it was before
	rc := do()
	if rc != sqlite3.SQLITE_OK {
		return rc
	}
	switch c.Kind {
	case Open:
		switch {
		case c.Created:
			r.Add(Event{Kind: Linked, File: c.File, Name: c.Name})
		case c.First:
			r.Add(Event{Kind: Found, File: c.File, Name: c.Name})
		}
	case Delete:
		if c.File != 0 {
			r.Add(Event{Kind: Unlinked, File: c.File, Name: c.Name, Folder: folder})
		}
	case Write:
		r.Add(Event{Kind: Written, File: c.File, Offset: c.Offset, Data: bytes.Clone(c.Data)})
	case Truncate:
		r.Add(Event{Kind: Truncated, File: c.File, Offset: c.Offset})
	case Sync:
		r.Add(Event{Kind: Synced, File: c.File, Folder: folder})
	}
	return rc
}

// Failed stands before handlers that let calls fail. It takes what was not on
// disk for lost when a sync failed: the kernel may have thrown it away and say
// at the next sync that all is well (https://lwn.net/Articles/752063/).
func (r *Recorder) Failed(c *Call, do func() int32) int32 {
	rc := do()
	if c.Kind == Sync && rc != sqlite3.SQLITE_OK {
		r.Add(Event{Kind: Lost, File: c.File})
	}
	return rc
}
