//go:build unix

package bell

import "golang.org/x/sys/unix"

// noFollow makes opening a symbolic link an error.
const noFollow = unix.O_NOFOLLOW
