//go:build linux || darwin

package backups

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes we may still write to the disk of a folder.
func freeSpace(folder string) (free int64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(folder, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
