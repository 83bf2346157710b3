package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

func doctorCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is in use, whom it trusts, and what is wrong with it",
		Long: `Look at the pipeline's file, who may read and write it, its lock, key, trust list
and ops, and at the configuration of the hosts, and print a finding a line: "ok",
"note" for what one may want to know, "wrong" for what a person should mend, with
what to do. The exit code is 1 if anything is wrong. Nothing is changed and no
server is started. With --json, an array of objects with level, subject, message
and remedy.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := &examination{out: cmd.OutOrStdout()}
			if asJSON {
				e.out = nil
			}
			e.run(cmd, *opts)
			if asJSON {
				if err := printFindings(cmd.OutOrStdout(), e.findings); err != nil {
					return err
				}
			}
			if e.wrong > 0 {
				return errors.New(count(e.wrong, "thing is wrong", "things are wrong"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	return cmd
}

// finding is one thing that doctor saw.
type finding struct {
	Level   string `json:"level"` // ok, note or wrong
	Subject string `json:"subject"`
	Message string `json:"message"`
	// Remedy says what to do about it, "" if it is ok.
	Remedy string `json:"remedy"`
}

func printFindings(w io.Writer, findings []finding) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(findings); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// examination is one run of doctor. Each check stands alone: what stops one is
// its finding and stops no other.
type examination struct {
	out      io.Writer // of each finding as it is made; nil: none
	findings []finding
	wrong    int

	wd    string          // working directory
	where locate.Location // of the database; its Path is "" if it could not be located
	file  oplog.Inspection
	// foreign: the database belongs to another user and we may not write it.
	foreign bool
	// names are those that hosts give to agents on this database, with the files.
	names map[string][]hostFile
}

func (e *examination) ok(subject, format string, args ...any) {
	e.add(finding{"ok", subject, fmt.Sprintf(format, args...), ""})
}

func (e *examination) note(subject, remedy, format string, args ...any) {
	e.add(finding{"note", subject, fmt.Sprintf(format, args...), remedy})
}

func (e *examination) bad(subject, remedy, format string, args ...any) {
	e.wrong++
	e.add(finding{"wrong", subject, fmt.Sprintf(format, args...), remedy})
}

func (e *examination) add(f finding) {
	e.findings = append(e.findings, f)
	if e.out == nil {
		return
	}
	line := fmt.Sprintf("%-6s %s: %s\n", f.Level, f.Subject, f.Message)
	if f.Remedy != "" {
		line += "       what to do: " + f.Remedy + "\n"
	}
	_, _ = io.WriteString(e.out, printable(line)) // the exit code says the rest
}

// broken reports an error of the storage.
func (e *examination) broken(subject string, err error) {
	remedy := "mend what the error says"
	var storage *oplog.Error
	switch {
	case damaged(err):
		remedy = e.saveWhatIsLeft()
	case errors.As(err, &storage):
		remedy = storage.Next
	}
	e.bad(subject, remedy, "%v", err)
}

// saveWhatIsLeft is what to do about a file whose structure is damaged.
func (e *examination) saveWhatIsLeft() string {
	return "keep a copy of " + quoted(e.file.Path) + " and of its -wal file, check the disk, and restore a backup as the README says; " +
		"if there is none, huskies-mcp backup --mend FILE and huskies-mcp export FILE may save what can still be read"
}

// damaged reports whether err says that the structure of the file is damaged.
func damaged(err error) bool {
	var storage *oplog.Error
	return errors.As(err, &storage) && storage.Damaged()
}

// run makes all checks, those first that explain the others.
func (e *examination) run(cmd *cobra.Command, opts options) {
	e.locate(cmd, opts)
	if e.where.Path != "" {
		e.file = oplog.Inspect(cmd.Context(), e.where.Path, machine())
		e.checkPaths()
		if e.file.Foreign {
			e.checkStorage() // no key of ours is in it: who opens it is for its owner to say
		} else {
			e.checkModes()
			e.checkPlace()
			e.checkStorage()
			e.checkLock(cmd.Context())
			e.checkProcesses()
			e.checkOps(cmd.Context())
		}
	}
	e.checkNeighbours()
	e.checkHosts(cmd.Context())
}

// locate finds out which database is meant.
func (e *examination) locate(cmd *cobra.Command, opts options) {
	if !cmd.Flags().Changed("log-level") {
		opts.logLevel = "error+4" // the findings say it in other words
	}
	getenv := opts.getenv
	opts.getenv = func(name string) string {
		if name == "HUSKIES_READ_ONLY" { // doctor never writes, and checks the variable with the hosts
			return ""
		}
		return getenv(name)
	}
	var err error
	if e.wd, err = opts.getwd(); err != nil {
		e.bad("paths", "change to a folder that is there", "the working directory is gone: %v", err)
		return
	}
	env, err := newEnvironment(cmd, opts)
	if err == nil {
		_ = env.replica.Close()
		e.where = env.where
		if broken := placeOf(opts.getenv, e.wd).BrokenWorktree(e.where); broken != "" {
			e.bad("paths", locate.RepairLink, "%s", broken)
		}
		return
	}
	var unused *locate.NotUsed
	if errors.As(err, &unused) {
		e.bad("paths", nameIt(unused), "%s", unused.Problem)
		return
	}
	e.bad("options", "mend the flag or the variable that the message names; no server starts with it", "%v", err)
	if where, err := placeOf(opts.getenv, e.wd).Find(opts.db); err == nil {
		e.where = where // it was another option
	}
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
		e.bad("database", "give another --db, or move it away: mv "+quoted(f.Path)+" "+quoted(f.Path+".old"), "%s is not a plain file", f.Path)
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
		e.bad("database", "restore a backup; or, to begin anew, remove "+quoted(f.Path), "the file has %s: it was cut off", bytesText(f.Database.Size()))
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
		e.ok("journal", "none is needed on a disk that is mounted read-only, the -wal file has %s", bytesText(f.WAL.Size()))
	case f.JournalMode != "wal":
		e.note("journal", "nothing: the next write turns it to write-ahead logging", "the mode is %s, as in a backup", f.JournalMode)
	default:
		e.ok("journal", "write-ahead logging, the -wal file has %s", bytesText(f.WAL.Size()))
	}
	if f.WAL.Size() > maxQuietWAL {
		e.note("journal", "end the processes that have the database open and do nothing (see processes), then let a server start and end: that empties the file. Do not delete it: what was written last is in it",
			"the -wal file has %s: a reader that hangs, or did, kept it from being brought into the database", bytesText(f.WAL.Size()))
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
			e.ok("identity", "formerly %s, %s", id.Author, home(id))
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
	e.bad("identity", storage.Next+"; huskies-mcp backup FILE takes the ops along without a key, and a pipeline restored from it signs with a fresh one", "%v", err)
}

func (e *examination) checkPages() {
	f := &e.file
	size := fmt.Sprintf("%d pages, %s", f.Pages, bytesText(f.Pages*f.PageSize))
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
	return replica.New(replica.Config{Path: e.where.Path, Now: time.Now, Machine: machine(), Logger: slog.New(slog.DiscardHandler), ReadOnly: true})
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n < 1<<10:
		return count(int(n), "byte", "bytes")
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// quoted returns a word as a shell takes it.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// callName is what people here call an author.
func callName(a crdt.Author, own crdt.Author, trusted []oplog.TrustedAuthor) string {
	if a == own {
		return "this replica"
	}
	for _, t := range trusted {
		if t.Author == a && t.Name != "" {
			return fmt.Sprintf("%s (%s)", word(t.Name), a.Short())
		}
	}
	return a.Short()
}
