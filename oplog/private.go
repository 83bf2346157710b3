package oplog

// makePrivate takes the permissions that others have on the files that hold the key, and warns.
func (l *Log) makePrivate() {
	closed, open := l.file.MakePrivate()
	for _, path := range closed {
		l.cfg.Logger.Warn("others could read or write this file, which holds the replica's private key: it has mode 0600 now. If somebody may have read it, change the key", "path", path, "how", l.cfg.KeyHelp)
	}
	for _, path := range open {
		l.cfg.Logger.Warn("others can read or write this file, which holds the replica's private key: chmod 600, or where the disk keeps no modes move the database to one that does", "path", path, "how", l.cfg.KeyHelp)
	}
}

// Presence looks at the path: one stat(2). What is written to a file that is not there
// any more is lost to everybody else.
func (l *Log) Presence() Presence { return l.file.Presence() }
