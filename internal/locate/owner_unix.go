//go:build unix

package locate

import (
	"io/fs"
	"os/user"
	"strconv"
	"syscall"
)

// OwnerOf returns the ID of the user whose file it is.
func OwnerOf(info fs.FileInfo) (uid int, known bool) {
	if info == nil {
		return 0, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// UserName returns the name of a user, or the number if it has none.
func UserName(uid int) string {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return strconv.Itoa(uid)
	}
	return u.Username
}
