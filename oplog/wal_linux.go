package oplog

import (
	"errors"
	"os"
	"syscall"
)

// syncData makes a file's data durable, and its metadata only as far as reading
// them takes it: a time that changed is not worth another write.
func syncData(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var syncErr error
	err = conn.Control(func(fd uintptr) {
		for {
			if syncErr = syscall.Fdatasync(int(fd)); syncErr != syscall.EINTR {
				return
			}
		}
	})
	if err := errors.Join(err, syncErr); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}
