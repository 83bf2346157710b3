package dbfile

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// checkOwner refuses a database that another user put into a folder that is not the same user's:
// whoever knows its key could sign in our name. A folder and a file that both belong to one other
// user come here only when a person named them.
func (f *File) checkOwner() error {
	owner, known := OwnerOf(f.Info)
	folder, err := os.Stat(filepath.Dir(f.Path))
	if !known || err != nil || owner == os.Geteuid() {
		return nil
	}
	if of, known := OwnerOf(folder); known && of == owner {
		return nil
	}
	return &Error{
		Op: "open database", Path: f.Path, Code: CodeOtherOwner, User: os.Geteuid(),
		Err: errors.New("it belongs to another user, who put it into a folder that is not theirs"),
	}
}

// MakePrivate takes the permissions that others have on the files. A file system that keeps no
// modes (a network drive, a USB stick) stays as it is, and so does a file that is only looked at.
// Closed are the files that others could use until now. Open are the files that others can still
// use.
func (f *File) MakePrivate() (closed, open []string) {
	if runtime.GOOS == "windows" { // permissions are of another kind there, and are not looked at
		return nil, nil
	}
	for _, suffix := range []string{"", "-wal", "-journal"} {
		path := f.Path + suffix
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
			continue
		}
		if owner, known := OwnerOf(info); !f.cfg.ReadOnly && (!known || owner == os.Geteuid()) {
			_ = os.Chmod(path, 0o600)
		}
		if info, err = os.Lstat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			open = append(open, path)
		} else {
			closed = append(closed, path)
		}
	}
	return closed, open
}
