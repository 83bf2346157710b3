package oplog

import (
	"fmt"
	"time"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
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
	return &progress{path: l.file.Path + ".lock", tell: l.cfg.Progress, now: l.cfg.Now, told: l.cfg.Now()}
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
	dbfile.WriteProgress(p.path, fmt.Sprintf("rebuild %d of %d", arrival, last))
}

// end takes the words out of the file.
func (p *progress) end() { dbfile.WriteProgress(p.path, "") }
