//go:build !unix

package bell

// noFollow is nothing here: the system has no such flag.
const noFollow = 0
