package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// notifyResize has nothing to send: Windows has no such signal, and the size is looked at again and again.
func notifyResize(chan<- os.Signal) {}

// allowSequences has a console understand control sequences.
func allowSequences(out *os.File) (undo func(), err error) {
	console := windows.Handle(out.Fd())
	var mode uint32
	if err := windows.GetConsoleMode(console, &mode); err != nil {
		return nil, err
	}
	if err := windows.SetConsoleMode(console, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING); err != nil {
		return nil, err
	}
	return func() { _ = windows.SetConsoleMode(console, mode) }, nil
}
