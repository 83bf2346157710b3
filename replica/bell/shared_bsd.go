//go:build darwin || freebsd || dragonfly

package bell

import "golang.org/x/sys/unix"

// shared reports whether the path is on a file system whose files other machines may change.
func shared(path string) (bool, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return false, err
	}
	return fs.Flags&unix.MNT_LOCAL == 0, nil
}
