package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"golang.org/x/term"
)

// What is written to a terminal, as xterm's "Control Sequences" names it.
const (
	enterScreen = "\x1b[?1049h" + "\x1b[?25l" + "\x1b[?7l" // alternate screen, no cursor, no wrapping
	leaveScreen = "\x1b[0m" + "\x1b[?7h" + "\x1b[?25h" + "\x1b[?1049l"
	clearScreen = "\x1b[H\x1b[2J"
	// A terminal that knows synchronized output shows what is between the two at once. Others ignore it.
	beginFrame = "\x1b[?2026h"
	endFrame   = "\x1b[?2026l"
)

// painter brings frames to a terminal: of each it writes only the lines that differ from the last one.
type painter struct {
	shown []string
	clean bool // the terminal shows what is in shown
}

// forget says that nothing is known of what the terminal shows.
func (p *painter) forget() { p.shown, p.clean = nil, false }

// paint returns what to write so that the terminal shows the lines, nothing if it does.
func (p *painter) paint(lines []string) []byte {
	if p.clean && slices.Equal(lines, p.shown) {
		return nil
	}
	var b bytes.Buffer
	b.WriteString(beginFrame)
	if !p.clean {
		b.WriteString(clearScreen)
	}
	for i, line := range lines {
		if !p.clean || i >= len(p.shown) || p.shown[i] != line {
			fmt.Fprintf(&b, "\x1b[%d;1H\x1b[2K%s", i+1, line)
		}
	}
	b.WriteString(endFrame)
	p.shown, p.clean = slices.Clone(lines), true
	return b.Bytes()
}

// takeScreen makes the terminal watch's own: another screen, and keys that come one by one. The caller
// must call restore, which gives it back as it was.
func (w *watcher) takeScreen() (restore func(), err error) {
	undo, err := allowSequences(w.out)
	if err != nil {
		return nil, fmt.Errorf("watch needs a terminal that can move the cursor, huskies-mcp list prints the pipeline once: %w", err)
	}
	if in, ok := terminalOf(w.cmd.InOrStdin()); ok {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			undo()
			return nil, err
		}
		undoOutput := undo
		undo = func() {
			_ = term.Restore(int(in.Fd()), before)
			undoOutput()
		}
		go w.readKeys(in)
	}
	if _, err := w.out.WriteString(enterScreen); err != nil {
		undo()
		return nil, err
	}
	return func() {
		_, _ = w.out.WriteString(leaveScreen)
		undo()
	}, nil
}

// readKeys passes keys on. A read of a terminal cannot be ended, so the goroutine ends with the process,
// or with the terminal.
func (w *watcher) readKeys(in *os.File) {
	b := make([]byte, 64)
	for {
		n, err := in.Read(b)
		if err != nil || n == 0 {
			return
		}
		for _, key := range b[:n] {
			w.keys <- key
		}
	}
}
