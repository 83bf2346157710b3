//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyResize has a signal sent when the terminal gets another size.
func notifyResize(to chan<- os.Signal) { signal.Notify(to, syscall.SIGWINCH) }

// allowSequences has nothing to do: terminals understand control sequences.
func allowSequences(*os.File) (undo func(), err error) { return func() {}, nil }
