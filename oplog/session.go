package oplog

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// This file tells the processes of a database which sessions live. Each session that has made a
// claim holds the lock of a file of its own, in the folder "<db>-sessions". The system lets the
// lock go when the process ends, however it ends. So the lock says at once what a lease says only
// after its grace.
//
// The owner of a lock removes the file at the end. The file of a session whose process was killed
// is removed by the first process that asks for that session.

// SessionFolder returns the folder of the sessions of the database at a path.
func SessionFolder(db string) string { return Resolve(db) + "-sessions" }

// sessionFile returns the path of a session's file. An ID may come from a row that anybody could
// have written, so only its hash names the file.
func sessionFile(db, id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(SessionFolder(db), hex.EncodeToString(sum[:16]))
}

// HoldSession marks a session of this process as alive until release is called.
func HoldSession(db, id string) (release func(), err error) {
	path := sessionFile(db, id)
	for {
		if err := makeSessionFolder(db); err != nil {
			return nil, err
		}
		file, err := dbfile.OpenLockFile(path)
		if errors.Is(err, os.ErrNotExist) { // the end of another session has removed the folder
			continue
		}
		if err != nil {
			return nil, err
		}
		// Whoever has the lock removes the file, since the session did not live.
		if err := file.Lock(); err != nil {
			file.Close()
			return nil, err
		}
		if file.IsAtPath() {
			return sync.OnceFunc(func() { removeSession(file, db) }), nil
		}
		file.Close()
	}
}

// makeSessionFolder makes the folder if it is missing. What stands in its place may lead nowhere.
func makeSessionFolder(db string) error {
	err := os.Mkdir(SessionFolder(db), 0o700)
	if !errors.Is(err, os.ErrExist) {
		return err
	}
	if info, err := os.Lstat(SessionFolder(db)); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder", SessionFolder(db))
	}
	return nil
}

// removeSession removes the file of a session that has ended, whose lock the caller holds, and the
// folder if that was the last one.
func removeSession(file *dbfile.LockFile, db string) {
	_ = os.Remove(file.Path)
	file.Close()
	_ = os.Remove(SessionFolder(db))
}

// SessionLives reports whether a session is marked as alive, by whatever process.
func SessionLives(db, id string) bool {
	path := sessionFile(db, id)
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	file, err := dbfile.OpenLockFile(path)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	free, err := file.TryLock()
	switch {
	case err == nil && free:
		removeSession(file, db)
		return false
	case err != nil:
		file.Close()
		return false
	}
	file.Close()
	return true
}
