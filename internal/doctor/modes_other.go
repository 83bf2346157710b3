//go:build !unix

package doctor

import "io/fs"

// hasModes: the permissions that Go shows of a file are made up there.
const hasModes = false

// Permissions are of another kind there, and not looked at.
func writable(string) bool { return true }

func readOnlyDisk(string) bool { return false }

func names(fs.FileInfo) uint64 { return 1 }
