package dbfile

import (
	"io"
	"os"
	"strings"
)

// progressMark is what the words begin with in the lock's file, behind the holder's
// process ID where a system has that there.
const progressMark = "# "

// WriteProgress replaces the words in the lock's file at path that say how far the process that
// holds the lock has come. Words that cannot be written are left out: those who wait give up
// sooner.
func WriteProgress(path, text string) {
	if text != "" {
		text = progressMark + text + "\n"
	}
	f, err := OpenPlain(path, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || text == "" && info.Size() <= pidSize {
		return
	}
	if err := f.Truncate(pidSize); err == nil && text != "" {
		_, _ = f.WriteAt([]byte(text), pidSize)
	}
}

// pidSize is how many bytes at the start of the lock's file belong to the holder's
// process ID and a newline, filled up with blanks, so that it covers what stood there.
const pidSize = 20

// Progress returns what the process that holds the lock says of how far it has come, ""
// if it says nothing.
func (l *Lock) Progress() string {
	path, err := l.find()
	if err != nil {
		return ""
	}
	f, err := OpenPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, pidSize+128))
	_, text, _ := strings.Cut(string(b), progressMark)
	return strings.TrimSpace(text)
}
