//go:build !unix

package oplog

import "io/fs"

// plainFlags do not exist there: openPlain looks at the path before it opens it.
const plainFlags = 0

// ownerOf does not know there whose file it is.
func ownerOf(fs.FileInfo) (uid int, known bool) { return 0, false }

// onReadOnlyDisk does not know there whether a disk can be written to.
func onReadOnlyDisk(string) bool { return false }

// linksOf returns how many names (hard links) a file has. It is not asked there.
func linksOf(fs.FileInfo) uint64 { return 1 }
