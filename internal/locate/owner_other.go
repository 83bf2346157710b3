//go:build !unix

package locate

import "io/fs"

// OwnerOf knows no owners on this system.
func OwnerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// UserName returns "": users have no numbers on this system.
func UserName(int) string { return "" }
