package oplog

import (
	"encoding/binary"
	"unsafe"
)

// Stamp tells whether anybody has committed, see [Log.Stamp].
type Stamp struct {
	head           [6]uint64 // of the index of the write-ahead log; zero if it cannot be seen
	size, modified int64     // of the write-ahead log's file, otherwise
}

// Stamp is another one when anybody has committed since. If it is not exact, a
// commit may be missed for as long as the file system's clock does not tick. It
// costs next to nothing beside a Read. The zero Stamp says nothing.
func (l *Log) Stamp() Stamp {
	if l.wal.optional { // another's may come and go
		return Stamp{}
	}
	if head, ok := l.index.head(); ok {
		return Stamp{head: head}
	}
	return l.wal.stamp()
}

// Exact reports that one who sees the same stamp again has missed no commit.
func (s Stamp) Exact() bool { return s.head != [6]uint64{} }

// commits returns SQLite's count of commits, which wraps.
func (s Stamp) commits() uint32 {
	return binary.NativeEndian.Uint32(unsafe.Slice((*byte)(unsafe.Pointer(&s.head[1])), 4))
}

// follows reports that one commit was made between the stamps, by whoever knows
// of one.
func (s Stamp) follows(before Stamp) bool {
	return s.Exact() && before.Exact() && s.commits() == before.commits()+1
}
