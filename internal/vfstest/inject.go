//go:build linux

package vfstest

import (
	"fmt"
	"sync"

	sqlite3 "modernc.org/sqlite/lib"
)

// Fault is a call that fails.
type Fault struct {
	Kind Kind
	Role Role
	Code int32 // SQLite's result code
	When When
	// Stays: all later calls of the kind fail too, until the fault is healed.
	Stays bool
}

// When says what is done of the work of a call that fails.
type When uint8

const (
	Before When = iota // nothing
	Half               // of a write: the first half of the bytes
	After              // all: it took effect and answers an error
)

func (f Fault) String() string {
	text := fmt.Sprintf("%s %s answers %d %s the work", f.Kind, f.Role, f.Code, [...]string{"before", "amid", "after"}[f.When])
	if f.Stays {
		text += ", from then on"
	}
	return text
}

// Faults are those that a system can have, each of which may come once or stay.
// What changes nothing fails before its work only, and so does a lock: fcntl(2)
// cannot take one and answer an error. An unlock does not fail.
func Faults() []Fault {
	codes := []struct {
		kind  Kind
		roles []Role
		codes []int32
		whens []When
	}{
		{Open, files, []int32{sqlite3.SQLITE_CANTOPEN}, twice},
		{Read, files, []int32{sqlite3.SQLITE_IOERR_READ}, []When{Before}},
		{Write, files, []int32{sqlite3.SQLITE_IOERR_WRITE}, twice},
		{Write, files, []int32{sqlite3.SQLITE_FULL}, []When{Before, Half}},
		{Truncate, files, []int32{sqlite3.SQLITE_IOERR_TRUNCATE}, twice},
		{Sync, files, []int32{sqlite3.SQLITE_IOERR_FSYNC}, twice},
		{Size, files, []int32{sqlite3.SQLITE_IOERR_FSTAT}, []When{Before}},
		{Lock, []Role{Database}, []int32{sqlite3.SQLITE_IOERR_LOCK}, []When{Before}},
		{ShmMap, []Role{Shm}, []int32{sqlite3.SQLITE_IOERR_SHMMAP}, twice},
		{ShmLock, []Role{Shm}, []int32{sqlite3.SQLITE_IOERR_SHMLOCK}, []When{Before}},
		{Delete, files, []int32{sqlite3.SQLITE_IOERR_DELETE}, twice},
		{Access, files, []int32{sqlite3.SQLITE_IOERR_ACCESS}, []When{Before}},
	}
	var all []Fault
	for _, c := range codes {
		for _, role := range c.roles {
			for _, code := range c.codes {
				for _, when := range c.whens {
					all = append(all, Fault{c.kind, role, code, when, false}, Fault{c.kind, role, code, when, true})
				}
			}
		}
	}
	return all
}

var (
	files = []Role{Database, WAL, Journal}
	twice = []When{Before, After}
)

// Injector lets calls fail.
type Injector struct {
	mu    sync.Mutex // guards all below
	armed bool
	fault Fault
	left  int // calls of the fault's kind that work before it comes
	fired bool
	// owed are the syncs that answer an error yet: the kernel reports what it could
	// not write once to everybody who has the file open.
	owed map[syncer]bool
}

// syncer is who syncs a file: SQLite, or who has it open besides.
type syncer struct {
	file   int
	beside bool
}

// Plan sets the fault that comes, once armed, at the n-th call of its kind,
// counted from 0.
func (in *Injector) Plan(f Fault, n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.armed, in.fault, in.left, in.fired, in.owed = false, f, n, false, nil
}

// Arm begins to count.
func (in *Injector) Arm() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.armed = true
}

// Heal ends the fault and reports whether it ever came.
func (in *Injector) Heal() (came bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.armed = false
	return in.fired
}

// Handle lets the call fail if its time has come.
func (in *Injector) Handle(c *Call, do func() int32) int32 {
	f, fails := in.next(c)
	if !fails {
		return do()
	}
	switch f.When {
	case Half:
		c.Data = c.Data[:len(c.Data)/2]
		_ = do()
	case After:
		_ = do()
	}
	return f.Code
}

func (in *Injector) next(c *Call) (f Fault, fails bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	me := syncer{c.File, c.Beside}
	switch {
	case c.Kind == Open && c.Role == WAL:
		in.owed = nil // to who opens it anew
	case c.Kind == Sync && in.owed[me]:
		delete(in.owed, me)
		return Fault{Kind: Sync, Role: c.Role, Code: sqlite3.SQLITE_IOERR_FSYNC}, true
	}
	if !in.armed || c.Kind != in.fault.Kind || c.Role != in.fault.Role || in.fired && !in.fault.Stays {
		return f, false
	}
	if in.left > 0 {
		in.left--
		return f, false
	}
	in.fired = true
	if c.Kind == Sync && in.fault.When == Before {
		in.owed = map[syncer]bool{{c.File, !c.Beside}: true}
	}
	return in.fault, true
}
