package oplog

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// progress tells how far a rebuild has come: whoever asked for it, and in the lock's
// file all processes that wait meanwhile.
type progress struct {
	path string                    // of the lock's file
	tell func(arrival, last int64) // may be nil
	now  func() time.Time
	told time.Time
}

// progressEvery is how often the lock's file is written during a rebuild.
const progressEvery = 500 * time.Millisecond

func newProgress(l *Log) *progress {
	return &progress{path: l.path + ".lock", tell: l.cfg.Progress, now: l.cfg.Now, told: l.cfg.Now()}
}

// at says how far the rebuild has come, in rows of the log. The second half of them stands for
// writing the tables, which takes longer than reading the log.
func (p *progress) at(arrival, last int64) {
	if p.tell != nil {
		p.tell(arrival, last)
	}
	now := p.now()
	if since := now.Sub(p.told); since >= 0 && since < progressEvery {
		return
	}
	p.told = now
	p.write(fmt.Sprintf("%srebuild %d of %d\n", progressMark, arrival, last))
}

// end takes the words out of the file.
func (p *progress) end() { p.write("") }

// progressMark is what the words begin with in the lock's file, behind the holder's
// process ID where a system has that there.
const progressMark = "# "

// write replaces the words in the file, if there are any or it is to have some. What
// cannot be written is not: those who wait give up sooner.
func (p *progress) write(text string) {
	f, err := openPlain(p.path, os.O_RDWR, 0)
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
	f, err := openPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, pidSize+128))
	_, text, _ := strings.Cut(string(b), progressMark)
	return strings.TrimSpace(text)
}
