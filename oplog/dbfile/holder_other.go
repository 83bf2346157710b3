//go:build !linux

package dbfile

import (
	"fmt"
	"strconv"
	"strings"
)

// sign writes a process ID into the file, or with 0 takes it out again, for
// holderOf. That is there for people: that it cannot be written, on a full disk, is
// no reason not to go on.
func (l *LockFile) sign(pid int) {
	text := ""
	if pid != 0 {
		text = strconv.Itoa(pid)
	}
	_ = l.write(fmt.Appendf(nil, "%-*s\n", pidSize-1, text))
}

// holderOf returns the process ID in the lock's file, 0 if there is none.
func holderOf(path string) int {
	b, err := ReadPlain(path, 1<<10)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:min(len(b), pidSize)]))) // behind it stands how far a rebuild has come
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}
