//go:build !unix

package main

import "os"

// moveStdout leaves standard output where it is: here descriptors cannot be put in
// each other's place.
func moveStdout(stdout *os.File) *os.File { return stdout }
