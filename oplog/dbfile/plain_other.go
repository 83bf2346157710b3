//go:build !unix

package dbfile

import "io/fs"

// plainFlags do not exist there: OpenPlain looks at the path before it opens it.
const plainFlags = 0

// OwnerOf does not know there whose file it is.
func OwnerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// OnReadOnlyDisk does not know there whether a disk can be written to.
func OnReadOnlyDisk(string) bool { return false }

// linksOf returns how many names (hard links) a file has. It is not asked there.
func linksOf(fs.FileInfo) uint64 { return 1 }
