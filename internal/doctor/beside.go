package doctor

import (
	"os"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
	"github.com/huskies/huskies-mcp/replica/bell"
)

// beside is a file or a folder that huskies-mcp keeps beside a database, apart from those of SQLite and the lock.
type beside struct {
	path   string
	folder bool
	fails  string // what does not work if something else stands there
}

// checkBeside looks whether something else stands where files and folders of ours belong. Nothing is followed or
// opened there, so a process can only go on without what belongs there.
func (e *examination) checkBeside() {
	db := e.file.Path
	ring, bellFile := bell.Paths(db)
	const late = "other processes hear of changes up to half a second later"
	for _, b := range []beside{
		{oplog.RelayLock(db), false, "nothing is exchanged with a hub"},
		{oplog.RelayStatusFile(db), false, "nobody can see how the exchange with a hub is doing"},
		{oplog.SessionFolder(db), true, "other processes cannot see which sessions live"},
		{ring, true, late},
		{bellFile, false, late},
	} {
		if what := b.instead(); what != "" {
			e.bad("files", "look where it comes from, then: mv "+phrase.Quoted(b.path)+" "+phrase.Quoted(b.path+".old")+" (it is made anew)", "%s is %s: %s", b.path, what, b.fails)
		}
	}
}

// instead returns what stands where b belongs, "" if nothing else does.
func (b beside) instead() string {
	info, err := os.Lstat(b.path)
	switch {
	case err != nil || b.folder && info.IsDir() || !b.folder && info.Mode().IsRegular() && names(info) <= 1:
		return ""
	case info.Mode().IsRegular() && b.folder:
		return "a file, not a folder"
	case info.Mode().IsRegular():
		return "a file with several names (hard links)"
	}
	return dbfile.KindOfFile(info.Mode()) + ", not " + map[bool]string{true: "a folder", false: "a file"}[b.folder]
}
