package oplog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// checkOwner refuses a database that another user put into a folder that is not the same user's:
// whoever knows its key could sign in our name. A folder and a file that both belong to one other
// user come here only when a person named them.
func (l *Log) checkOwner() error {
	owner, known := dbfile.OwnerOf(l.file)
	folder, err := os.Stat(filepath.Dir(l.path))
	if !known || err != nil || owner == os.Geteuid() {
		return nil
	}
	if of, known := dbfile.OwnerOf(folder); known && of == owner {
		return nil
	}
	return &Error{
		Op: "open database", Path: l.path, Err: errors.New("it belongs to another user, who put it into a folder that is not theirs"),
		Next: fmt.Sprintf("nothing was changed. If the pipeline is yours: sudo chown %d %s. To read what somebody gave you, copy it and give the copy's --db", os.Geteuid(), l.path),
	}
}

// changeKey says how a replica gets another key.
const changeKey = "to change the key: end all servers of the project, huskies-mcp backup FILE, which leaves the key out, remove the database and its -wal and -shm files, and move FILE in its place"

// makePrivate takes the permissions that others have on the files that hold the key. A file system
// that keeps no modes (a network drive, a USB stick) stays as it is, and so does a log that is only
// looked at. Both are warnings.
func (l *Log) makePrivate() {
	if runtime.GOOS == "windows" { // permissions are of another kind there, and are not looked at
		return
	}
	var opened, open []string
	for _, suffix := range []string{"", "-wal", "-journal"} {
		path := l.path + suffix
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		if owner, known := dbfile.OwnerOf(info); !l.cfg.ReadOnly && (!known || owner == os.Geteuid()) {
			_ = os.Chmod(path, 0o600)
		}
		if info, err = os.Lstat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		} else {
			opened = append(opened, path)
		}
	}
	for _, path := range opened {
		l.cfg.Logger.Warn("others could read or write this file, which holds the replica's private key: it has mode 0600 now. If somebody may have read it, change the key", "path", path, "how", changeKey)
	}
	for _, path := range open {
		l.cfg.Logger.Warn("others can read or write this file, which holds the replica's private key: chmod 600, or where the disk keeps no modes move the database to one that does", "path", path, "how", changeKey)
	}
}
