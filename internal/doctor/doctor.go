// Package doctor finds out what is in use of a pipeline and what is wrong with it: its file, who
// may read and write it, its lock, key, trust list and ops, and the configuration of the agent
// hosts.
//
// An examination changes nothing and starts no server. It prints nothing: what it sees are
// findings, which are data. Everything that it needs to know of its process stands in its [Config].
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

// Config is what an examination needs from the outside.
type Config struct {
	// Dir is the working directory. DirErr says why it is not known, nil if it is.
	Dir    string
	DirErr error
	// DB is the value of --db, "" if nobody gave it.
	DB string
	// Options is the error with which a server would refuse the options and variables at hand, nil
	// if it would start.
	Options error

	LookupEnv func(name string) (string, bool)
	Home      string // the user's home folder, "" if it is not known
	ConfigDir string // the user's folder for configuration, "" if it is not known
	StateDir  string // the user's folder for state, "" if it is not known
	Now       func() time.Time
	Machine   string // the name of this machine, as for [replica.Config]

	Program    string // the path of the running program
	Version    string // of the running program, in short
	VersionAll string // what the running program says when it is asked for its version
	// LookPath finds a program as a shell does.
	LookPath func(command string) (string, error)
	// AskVersion runs another program, and returns what it says when it is asked for its version.
	AskVersion func(ctx context.Context, program string) (string, error)
	// ReadArguments reads the arguments with which a host starts our program.
	ReadArguments func(args []string, start Start) (Arguments, error)

	// Found is called with each finding as it is made. It may be nil.
	Found func(Finding)
}

// Level says how much a finding matters.
type Level string

const (
	OK    Level = "ok"
	Note  Level = "note"  // a person may want to know it
	Wrong Level = "wrong" // a person should mend it
)

// Finding is one thing that an examination saw.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"`
	Message string `json:"message"`
	// Remedy says what to do about it, "" if it is ok.
	Remedy string `json:"remedy"`
}

// Examine makes all checks, those first that explain the others, and returns what they found.
func Examine(ctx context.Context, cfg Config) []Finding {
	e := &examination{cfg: cfg}
	e.locate()
	if e.where.Path != "" {
		e.file = oplog.Inspect(ctx, e.where.Path, cfg.Machine)
		e.checkPaths()
		e.checkBeside()
		if e.file.Foreign {
			e.checkStorage() // no key of ours is in it: who opens it is for its owner to say
			e.checkBackups() // it may stand where the pipeline stood
		} else {
			e.checkModes()
			e.checkPlace()
			e.checkStorage()
			e.checkLock(ctx)
			e.checkProcesses()
			e.checkOps(ctx)
			e.checkBackups()
		}
	}
	e.checkNeighbours()
	e.checkHosts(ctx)
	return e.findings
}

// examination is one run of all checks. Each check stands alone: what stops one is its finding and
// stops no other.
type examination struct {
	cfg      Config
	findings []Finding
	wrong    int

	where locate.Location // of the database; its Path is "" if it could not be located
	file  oplog.Inspection
	// foreign says that the database belongs to another user and we may not write it.
	foreign bool
	// names are those that hosts give to agents on this database, with the files.
	names map[string][]hostFile
}

func (e *examination) ok(subject, format string, args ...any) {
	e.add(Finding{OK, subject, fmt.Sprintf(format, args...), ""})
}

func (e *examination) note(subject, remedy, format string, args ...any) {
	e.add(Finding{Note, subject, fmt.Sprintf(format, args...), remedy})
}

func (e *examination) bad(subject, remedy, format string, args ...any) {
	e.wrong++
	e.add(Finding{Wrong, subject, fmt.Sprintf(format, args...), remedy})
}

func (e *examination) add(f Finding) {
	e.findings = append(e.findings, f)
	if e.cfg.Found != nil {
		e.cfg.Found(f)
	}
}

// getenv returns a variable of our own environment, "" if it is not set.
func (e *examination) getenv(name string) string {
	value, _ := e.cfg.LookupEnv(name)
	return value
}

// place returns where the search for the database begins with these variables.
func (e *examination) place(getenv func(string) string) locate.Place {
	return locate.Place{Getenv: getenv, Dir: e.cfg.Dir, Home: locate.HomeFolder(getenv)}
}

// locate finds out which database is meant.
func (e *examination) locate() {
	if e.cfg.DirErr != nil {
		e.bad("paths", "change to a folder that is there", "the working directory is gone: %v", e.cfg.DirErr)
		return
	}
	place := e.place(e.getenv)
	where, err := place.Find(e.cfg.DB)
	var unused *locate.NotUsed
	switch {
	case e.cfg.Options == nil && err == nil:
		e.where = where
		if broken := place.BrokenWorktree(where); broken != "" {
			e.bad("paths", locate.RepairLink, "%s", broken)
		}
	case errors.As(e.cfg.Options, &unused):
		e.bad("paths", phrase.NameIt(unused), "%s", unused.Problem)
	default:
		e.bad("options", "mend the flag or the variable that the message names; no server starts with it", "%v", cmp.Or(e.cfg.Options, err))
		if err == nil {
			e.where = where // it was another option
		}
	}
}

// broken reports an error of the storage.
func (e *examination) broken(subject string, err error) {
	remedy := "mend what the error says"
	var storage *oplog.Error
	switch {
	case damaged(err):
		remedy = e.saveWhatIsLeft()
	case errors.As(err, &storage):
		remedy = phrase.WhatToDo(storage)
	}
	e.bad(subject, remedy, "%v", err)
}

// saveWhatIsLeft is what to do about a file whose structure is damaged.
func (e *examination) saveWhatIsLeft() string {
	return "keep a copy of " + phrase.Quoted(e.file.Path) + " and of its -wal file, check the disk, and restore a backup (huskies-mcp restore lists them); " +
		"if there is none, huskies-mcp export --salvage FILE may save what can still be read"
}

// damaged reports whether err says that the structure of the file is damaged.
func damaged(err error) bool {
	var storage *oplog.Error
	return errors.As(err, &storage) && storage.Damaged()
}

// readable reports whether we may read the file.
func readable(path string) bool {
	file, err := os.Open(path)
	if err == nil {
		_ = file.Close()
	}
	return !errors.Is(err, fs.ErrPermission)
}

// minDatabase is the least that SQLite writes into a database: one page, in
// bytes (sqlite.org/fileformat2.html, 1.2).
const minDatabase = 512

// checkStorage tells what the database file is.
func (e *examination) checkStorage() {
	f := &e.file
	switch {
	case f.Database.Info == nil:
		return // said already
	case !f.Database.Info.Mode().IsRegular():
		e.bad("database", "give another --db, or move it away: mv "+phrase.Quoted(f.Path)+" "+phrase.Quoted(f.Path+".old"), "%s is not a plain file", f.Path)
		return
	case f.Database.Size() == 0:
		e.note("database", "if there was a pipeline in it, restore a backup before anything is written", "the file is empty; the first write makes a pipeline of it")
		return
	case errors.Is(f.Database.Err, fs.ErrPermission), f.Err != nil && !readable(f.Path):
		return // said already: we may not read it
	case damaged(f.Err) && len(f.Problems) > 0:
		// The pages say which part of it.
	case f.Err != nil:
		e.broken("database", f.Err)
	case f.Schema == 0 && f.Database.Size() < minDatabase:
		e.bad("database", "restore a backup; or, to begin anew, remove "+phrase.Quoted(f.Path), "the file has %s: it was cut off", phrase.Bytes(f.Database.Size()))
		return
	case f.Schema == 0:
		e.ok("database", "nothing is in the file yet; the first write makes a pipeline of it")
		return
	case f.Schema < f.NewestSchema:
		e.note("schema", "nothing: the next write brings it up to date, or huskies-mcp rebuild; older builds do not write to it from then on",
			"version %d, of an older build; this one's is %d", f.Schema, f.NewestSchema)
	default:
		e.ok("schema", "version %d, this build's", f.Schema)
	}
	if f.Err == nil {
		e.checkJournal()
		e.checkKey()
	}
	e.checkPages()
}

// maxQuietWAL is how large a -wal file may be without a word. SQLite brings it
// into the database at 4 MB, unless a reader is in the way.
const maxQuietWAL = 64 << 20

func (e *examination) checkJournal() {
	f := &e.file
	switch {
	case readOnlyDisk(f.Folder.Path): // there SQLite reads without a journal, and says so
		e.ok("journal", "none is needed on a disk that is mounted read-only, the -wal file has %s", phrase.Bytes(f.WAL.Size()))
	case f.JournalMode != "wal":
		e.note("journal", "nothing: the next write turns it to write-ahead logging", "the mode is %s, as in a backup", f.JournalMode)
	default:
		e.ok("journal", "write-ahead logging, the -wal file has %s", phrase.Bytes(f.WAL.Size()))
	}
	if f.WAL.Size() > maxQuietWAL {
		e.note("journal", "end the processes that have the database open and do nothing (see processes), then let a server start and end: that empties the file. Do not delete it: what was written last is in it",
			"the -wal file has %s: a reader that hangs, or did, kept it from being brought into the database", phrase.Bytes(f.WAL.Size()))
	}
	if f.Journal.Size() > 0 {
		e.note("journal", "leave it beside the database: the next call of huskies-mcp takes the unfinished transaction back with it",
			"there is %s: another program's transaction was cut off", f.Journal.Path)
	}
}

func (e *examination) checkKey() {
	if e.file.Identity != nil {
		e.checkLostKey()
		return
	}
	present := false
	for _, id := range e.file.Identities {
		if id.Present {
			present = true
			e.ok("identity", "%s", id.Author)
		} else {
			e.ok("identity", "formerly %s, %s", id.Author, phrase.Home(id))
		}
	}
	if !present {
		e.note("identity", "huskies-mcp identity prints the key that it will have: add it to the lists of other replicas (trust add)",
			"the database was moved or copied here; a copy gets a key of its own with the first write")
	}
}

// checkLostKey says why no key can be used. The ops do not need it.
func (e *examination) checkLostKey() {
	err := e.file.Identity
	var storage *oplog.Error
	if damaged(err) || !errors.As(err, &storage) {
		e.broken("identity", err)
		return
	}
	e.bad("identity", phrase.WhatToDo(storage)+"; huskies-mcp backup FILE takes the ops along without a key, and a pipeline restored from it signs with a fresh one", "%v", err)
}

func (e *examination) checkPages() {
	f := &e.file
	size := fmt.Sprintf("%d pages, %s", f.Pages, phrase.Bytes(f.Pages*f.PageSize))
	switch {
	case f.CheckErr != nil && f.Err == nil:
		e.broken("pages", f.CheckErr)
	case len(f.Problems) > 0:
		e.bad("pages", e.saveWhatIsLeft(), "the database is damaged: %s", strings.Join(f.Problems, "; "))
	case f.Checked:
		e.ok("pages", "%s, none damaged; huskies-mcp verify also checks every op", size)
	case f.Pages > 0:
		e.ok("pages", "%s: too much for a quick look, huskies-mcp verify checks them", size)
	}
}

// newReplica returns one that changes nothing.
func (e *examination) newReplica() *replica.Replica {
	return replica.New(replica.Config{Path: e.where.Path, Now: e.cfg.Now, Machine: e.cfg.Machine, Logger: slog.New(slog.DiscardHandler), ReadOnly: true})
}

// callName is what people here call an author.
func callName(a crdt.Author, own crdt.Author, trusted []oplog.TrustedAuthor) string {
	if a == own {
		return "this replica"
	}
	for _, t := range trusted {
		if t.Author == a && t.Name != "" {
			return fmt.Sprintf("%s (%s)", phrase.Word(t.Name), a.Short())
		}
	}
	return a.Short()
}
