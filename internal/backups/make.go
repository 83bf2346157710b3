package backups

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

const (
	// Interval is how far apart the copies of a pipeline are that is written to all the time.
	Interval = time.Hour
	// SmallDatabase is the size below which a database is copied whenever a session ends, in bytes. A
	// copy takes about a tenth of a second then.
	SmallDatabase = 10 << 20
	// maxDatabase is the size above which no database is copied, in bytes: seven copies of a larger one
	// would fill a disk, and a copy would take seconds of a processor every hour.
	maxDatabase = 1 << 30
	// spareSpace is what stays free on the disk, in bytes.
	spareSpace = 256 << 20
	// kept is how many copies are kept of the pipeline, and how many of others at its path.
	kept = 7
)

var (
	// ErrBusy says that another process is making a copy.
	ErrBusy = errors.New("another process is making a backup")
	// ErrEmpty says that there is no op to be copied.
	ErrEmpty = errors.New("there is nothing to back up yet")
	// ErrTooLarge says that the database is too large for copies by themselves.
	ErrTooLarge = fmt.Errorf("the database is larger than %d MiB, of which backups are made only by huskies-mcp backup", maxDatabase>>20)
	// ErrFull says that a copy would fill the disk.
	ErrFull = errors.New("the disk of the backups is nearly full")
)

// Request says how a copy is made.
type Request struct {
	// Wait is how long to wait for another process that makes a copy.
	Wait time.Duration
	// Before says that something is about to take the place of what is copied. Such a copy is kept
	// beside those of the same hour.
	Before bool
	// AnySize says that a person asked for what needs the copy.
	AnySize bool
}

// Make makes a copy of the database that cfg leads to, and removes those that are not kept any more.
// If the newest copy has the same ops, that is the result.
func (f *Folder) Make(ctx context.Context, cfg oplog.Config, ask Request) (b Backup, err error) {
	size := DatabaseSize(f.Database)
	if size > maxDatabase && !ask.AnySize {
		return b, ErrTooLarge
	}
	if err := f.make(); err != nil {
		return b, err
	}
	if free, known := freeSpace(f.Path); known && free < size+spareSpace {
		return b, ErrFull
	}
	release, err := f.lock(ctx, ask.Wait)
	if err != nil {
		return b, err
	}
	defer release()
	f.removeLeftovers()
	part := filepath.Join(f.Path, partName)
	file, err := dbfile.OpenPlain(part, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err != nil {
		return b, err
	}
	defer os.Remove(part) // fails once the file has its name
	report, err := oplog.Copy(ctx, cfg, part)
	switch {
	case errors.Is(err, oplog.ErrNoLog), err == nil && report.Ops == 0:
		return b, ErrEmpty
	case err != nil:
		return b, err
	}
	return f.enter(part, newBackup(report, cfg.Now(), ask.Before))
}

// enter gives a whole copy its name, and removes the copies that are not kept.
func (f *Folder) enter(part string, b Backup) (Backup, error) {
	all, err := f.List()
	if err != nil {
		return b, err
	}
	same := ofPipeline(all, b.First, true)
	if len(same) > 0 && same[0].sameState(&b) {
		return f.keepAs(same[0], b.Before)
	}
	b.Path = filepath.Join(f.Path, b.name())
	info, err := os.Lstat(part)
	if err == nil {
		b.Size = info.Size()
		err = durable.Rename(part, b.Path) // before others are removed, or what it is a copy of is replaced
	}
	if err != nil {
		return b, err
	}
	if len(same) > 1 && !same[0].Before && same[0].Made.Sub(same[1].Made) < Interval {
		_ = os.Remove(same[0].Path)
		same = same[1:]
	}
	for _, extra := range [][]Backup{dropFirst(same, kept-1), dropFirst(ofPipeline(all, b.First, false), kept)} {
		for i := range extra {
			_ = os.Remove(extra[i].Path)
		}
	}
	return b, f.writeNote()
}

// keepAs returns a copy that is there already, under a name that keeps it if before is true.
func (f *Folder) keepAs(b Backup, before bool) (Backup, error) {
	if !before || b.Before {
		return b, nil
	}
	from := b.Path
	b.Before = true
	b.Path = filepath.Join(f.Path, b.name())
	return b, durable.Rename(from, b.Path)
}

// ofPipeline returns the copies whose first op is that one, or those whose first op is another.
func ofPipeline(all []Backup, first string, is bool) (some []Backup) {
	for _, b := range all {
		if (b.First == first) == is {
			some = append(some, b)
		}
	}
	return some
}

func dropFirst(all []Backup, n int) []Backup { return all[min(n, len(all)):] }

// partName is the name of a copy that is not whole yet.
const partName = "new.part"

// removeLeftovers removes what processes that were killed have left. The caller has the lock.
func (f *Folder) removeLeftovers() {
	entries, err := os.ReadDir(f.Path)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), partName) && entry.Type().IsRegular() {
			_ = os.Remove(filepath.Join(f.Path, entry.Name()))
		}
	}
}

// DatabaseSize returns the size of the database at path with its write-ahead log, in bytes.
func DatabaseSize(path string) int64 {
	return dbfile.LookAt(path).Size() + dbfile.LookAt(path+"-wal").Size()
}
