package dbfile

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// sign does nothing: the kernel knows who holds the lock. Were that written into the
// file, as other systems need it, the disk would have it to write at each
// change, which takes a tenth longer.
func (*LockFile) sign(int) {}

// holderOf returns the ID of the process that holds the lock of the file at path, 0 if
// that cannot be told: it has ended, or is another user's, or in a container. Each
// process says which of its open files are locked (proc_pid_fdinfo(5)).
func holderOf(path string) int {
	lock, err := os.Stat(path)
	if err != nil {
		return 0
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return 0
	}
	for _, link := range links {
		// What is called otherwise need not be asked, also no pipe or terminal, which may block.
		if to, err := os.Readlink(link); err != nil || filepath.Base(to) != lock.Name() {
			continue
		}
		if file, err := os.Stat(link); err != nil || !os.SameFile(file, lock) {
			continue
		}
		pid, fd := filepath.Split(link)
		pid = filepath.Dir(filepath.Dir(pid))
		locks, err := os.ReadFile(filepath.Join(pid, "fdinfo", fd))
		if err != nil || !isExclusive(locks) {
			continue
		}
		if n, err := strconv.Atoi(strings.TrimPrefix(pid, "/proc/")); err == nil {
			return n
		}
	}
	return 0
}

// isExclusive reports whether fdinfo names an exclusive flock, as in
//
//	lock:	1: FLOCK  ADVISORY  WRITE 4711 fe:00:9977918 0 EOF
func isExclusive(fdinfo []byte) bool {
	for line := range bytes.Lines(fdinfo) {
		fields := bytes.Fields(line)
		if len(fields) > 4 && string(fields[0]) == "lock:" && string(fields[2]) == "FLOCK" && string(fields[4]) == "WRITE" {
			return true
		}
	}
	return false
}
