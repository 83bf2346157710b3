package oplog

import "os"

// lookingSettings hold for a connection that only looks. A wait for other programs is short.
const lookingSettings = "_pragma=busy_timeout(1000)&_pragma=query_only(1)&_dqs=0" + defensive

// lookingMode returns what a connection that only looks needs besides its settings. One that SQLite
// allows to write brings a -wal file that others left into the database when it is closed, and
// rolls back what a -journal file says. One that SQLite does not allow to write leaves the -shm
// file behind that it had to make. So the mode depends on what is there.
func (l *Log) lookingMode() string {
	left := look(l.path+"-wal").Size() > 0
	if !left && look(l.path+"-journal").Size() == 0 {
		return ""
	}
	l.madeIndex = left && look(l.path+"-shm").Info == nil
	return "&mode=ro"
}

// keepOpen makes another connection, which may not write, and returns what closes it. As
// long as it is there ours is not the last to be closed: that one would bring into the
// database what others have left in the write-ahead log since it was opened.
func (l *Log) keepOpen() (release func()) {
	release = func() {}
	if look(l.path+"-wal").Size() == 0 {
		return release
	}
	other, err := openDatabase(l.path, "mode=ro&_pragma=busy_timeout(1000)")
	if err != nil {
		return release
	}
	var n int
	_ = other.QueryRow("SELECT count(*) FROM sqlite_schema").Scan(&n) // it takes its lock with the first read
	return func() { _ = other.Close() }
}

// cleanUp removes the -shm file that looking made, unless somebody uses the database by now. All
// our connections must be closed.
func (l *Log) cleanUp() {
	if l.madeIndex {
		_ = withoutUsers(l.path, func() error { return os.Remove(l.path + "-shm") })
	}
}
