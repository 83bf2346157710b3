package backups

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/huskies/huskies-mcp/oplog"
)

// Backup is one copy.
type Backup struct {
	Path string
	Made time.Time
	Size int64 // in bytes
	Ops  int64
	// Stories that are not deleted, -1 if nobody knows.
	Stories int64
	// First and Last are the beginnings of the IDs of the first and the last op.
	First, Last string
	// Before says that the copy was made before something took the place of what is in it.
	Before bool
}

const (
	timeForm = "20060102T150405.000Z"
	unknown  = "x" // stands for a number of stories that nobody knows
	ending   = ".db"
	before   = "-before"
)

// backupName recognises the name of a copy.
var backupName = regexp.MustCompile(`^(\d{8}T\d{6}\.\d{3}Z)-(\d{1,18})-(\d{1,18}|x)-([0-9a-f]{8})-([0-9a-f]{8})(-before)?\.db$`)

// newBackup returns the copy that a report is about. It has no path yet.
func newBackup(r oplog.CopyReport, made time.Time, keep bool) Backup {
	return Backup{
		Made: made.UTC().Truncate(time.Millisecond), Ops: r.Ops, Stories: r.Stories, Before: keep,
		First: fmt.Sprintf("%x", r.First[:4]), Last: fmt.Sprintf("%x", r.Last[:4]),
	}
}

// name returns the name of the copy's file.
func (b *Backup) name() string {
	stories, end := unknown, ending
	if b.Stories >= 0 {
		stories = strconv.FormatInt(b.Stories, 10)
	}
	if b.Before {
		end = before + ending
	}
	return fmt.Sprintf("%s-%d-%s-%s-%s%s", b.Made.Format(timeForm), b.Ops, stories, b.First, b.Last, end)
}

// parseName reads the name of a copy's file.
func parseName(name string) (b Backup, ok bool) {
	parts := backupName.FindStringSubmatch(name)
	if parts == nil {
		return b, false
	}
	made, err := time.Parse(timeForm, parts[1])
	if err != nil {
		return b, false
	}
	b = Backup{Made: made, Stories: -1, First: parts[4], Last: parts[5], Before: parts[6] != ""}
	b.Ops, _ = strconv.ParseInt(parts[2], 10, 64) // 18 digits fit
	if parts[3] != unknown {
		b.Stories, _ = strconv.ParseInt(parts[3], 10, 64)
	}
	return b, true
}

// sameState reports whether two copies hold the same ops.
func (b *Backup) sameState(other *Backup) bool {
	return b.First == other.First && b.Last == other.Last && b.Ops == other.Ops
}
