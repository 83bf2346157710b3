package doctor

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// checkPaths says which file is in use and why, and what its names are.
func (e *examination) checkPaths() {
	f := &e.file
	switch {
	case errors.Is(f.Database.Err, syscall.ENOTDIR):
		e.bad("database", "look where it comes from and move it away, or give another --db", "none at %s (%s): %s is not a folder", e.where.Path, e.where.Why, filepath.Dir(f.Path))
	case f.Database.Err != nil:
		e.bad("database", "check the permissions of "+phrase.Quoted(f.Path)+" and of the folders above it, and that links lead somewhere", "%s (%s) cannot be looked at: %v", e.where.Path, e.where.Why, f.Database.Err)
	case f.Database.Info == nil:
		if folder, missing := locate.MissingFolder(f.Path); missing {
			e.bad("database", "mkdir -p "+phrase.Quoted(folder)+", if the name is right; else give another --db", "none at %s (%s), nor is there a folder %s", e.where.Path, e.where.Why, folder)
			return
		}
		e.checkFirstWrite()
	case f.Path != e.where.Path:
		e.ok("database", "%s, which is %s (%s)", e.where.Path, f.Path, e.where.Why)
	default:
		e.ok("database", "%s (%s)", e.where.Path, e.where.Why)
	}
	if f.Foreign {
		return // what its owner calls it is not for us to say
	}
	if n := names(f.Database.Info); n > 1 && f.Database.Info.Mode().IsRegular() {
		e.bad("database", "find the other names with 'find FOLDER -samefile "+phrase.Quoted(f.Path)+"' and remove them: use symbolic links instead",
			"the file has %d names (hard links); who comes by another name has another -wal file and another lock, and ruins it", n)
	}
	if link, err := os.Lstat(f.Lock.Path); err == nil && !link.Mode().IsRegular() {
		e.bad("lock", "end all servers of the project, then: mv "+phrase.Quoted(f.Lock.Path)+" "+phrase.Quoted(f.Lock.Path+".old")+" (the next write makes it again)",
			"%s is not a plain file: processes may not meet at it", f.Lock.Path)
	}
}

// checkFirstWrite says whether the first write can create the database.
func (e *examination) checkFirstWrite() {
	switch folder := locate.NearestFolder(e.file.Path); {
	case e.file.Folder.Info != nil && !writable(folder):
		e.ok("database", "none yet at %s (%s)", e.where.Path, e.where.Why) // checkModes says what is wrong
	case readOnlyDisk(folder):
		e.bad("database", "mount the disk so that it can be written, or give a --db on another one", "none yet at %s (%s), and none can be created: %s is on a disk that is mounted read-only", e.where.Path, e.where.Why, folder)
	case !writable(folder):
		e.bad("database", "chmod u+rwx "+phrase.Quoted(folder)+" (if it is yours); else give another --db", "none yet at %s (%s), and we cannot create it: we cannot make files in the folder %s", e.where.Path, e.where.Why, folder)
	default:
		e.ok("database", "none yet at %s (%s); the first write creates it", e.where.Path, e.where.Why)
	}
}

// checkModes looks at who may read and write the files.
func (e *examination) checkModes() {
	f := &e.file
	if f.Database.Err != nil {
		return // said already, and what is beside it cannot be looked at either
	}
	var open, locked []string
	for _, file := range []dbfile.Part{f.Database, f.WAL, f.SHM, f.Journal, f.Lock} {
		switch {
		case file.Err != nil:
			e.bad("modes", "check the permissions of "+phrase.Quoted(filepath.Dir(file.Path)), "%v", file.Err)
			continue
		case file.Info == nil || !file.Info.Mode().IsRegular(): // said elsewhere
			continue
		}
		if hasModes && file.Info.Mode().Perm()&0o077 != 0 {
			open = append(open, phrase.Quoted(file.Path))
		}
		if !writable(file.Path) {
			locked = append(locked, phrase.Quoted(file.Path))
		}
		e.checkOwner(file)
	}
	if len(open) > 0 {
		e.bad("modes", "chmod 600 "+strings.Join(open, " "), "others can read or write %s; the replica's private key is in the database, and who can open the lock can keep it", list(open))
	}
	if readOnlyDisk(f.Folder.Path) {
		e.bad("disk", "to read the pipeline, set HUSKIES_READ_ONLY=1 for the command or server; to write, mount the disk so that it can be written, or give another --db", "%s is on a disk that is mounted read-only, so no story can be written", f.Folder.Path)
		return
	}
	if len(locked) > 0 && !e.foreign {
		e.bad("modes", "chmod u+rw "+strings.Join(locked, " ")+" (if they are yours; else see owner); on a disk that is read-only give another --db", "%s cannot be written by us, so no story can", list(locked))
	}
	e.checkFolder()
	if hasModes && f.Database.Info != nil && len(open)+len(locked) == 0 {
		e.ok("modes", "only the owner can read and write the files")
	}
}

func (e *examination) checkFolder() {
	folder := e.file.Folder
	switch {
	case folder.Info == nil:
		return // it is made with the database, or the error was said
	case !folder.Info.IsDir():
		e.bad("modes", "give another --db", "%s is not a folder", folder.Path)
	case !writable(folder.Path) && e.foreign && e.others(folder): // said with the owner
	case !writable(folder.Path):
		e.bad("modes", "chmod u+rwx "+phrase.Quoted(folder.Path)+" (if it is yours)", "we cannot make files in %s, but SQLite needs to, also to read", folder.Path)
	case hasModes && folder.Info.Mode().Perm()&0o002 != 0 && folder.Info.Mode()&os.ModeSticky == 0:
		e.bad("modes", "chmod o-w "+phrase.Quoted(folder.Path), "everybody can replace the database, since everybody can write to %s", folder.Path)
	}
}

// checkOwner finds files that somebody else made, as after sudo.
func (e *examination) checkOwner(file dbfile.Part) {
	owner, known := locate.OwnerOf(file.Info)
	first, _ := locate.OwnerOf(e.file.Database.Info)
	me := os.Geteuid()
	switch {
	case !known || owner == me && owner == first:
	case file.Path != e.file.Path && owner != first:
		e.bad("owner", "sudo chown "+locate.UserName(first)+" "+phrase.Quoted(file.Path), "%s belongs to %s, the database to %s: one of them ran huskies-mcp or sqlite3, perhaps by way of sudo", file.Path, locate.UserName(owner), locate.UserName(first))
	case file.Path != e.file.Path: // as the database, of which we speak
	case me == 0:
		e.note("owner", "run huskies-mcp as "+locate.UserName(owner)+", not as root: files that root makes beside the database keep others out", "the database belongs to %s, and we are root", locate.UserName(owner))
	case !writable(file.Path):
		e.foreign = true
		var all []string
		for _, file := range []dbfile.Part{e.file.Folder, e.file.Database, e.file.WAL, e.file.SHM, e.file.Journal, e.file.Lock} {
			if e.others(file) {
				all = append(all, phrase.Quoted(file.Path))
			}
		}
		e.bad("owner", "sudo chown "+locate.UserName(me)+" "+strings.Join(all, " ")+" if it is yours; each user has a pipeline of their own and exchanges by export and import", "the database belongs to %s, and we are %s", locate.UserName(owner), locate.UserName(me))
	default:
		e.note("owner", "let one user run all servers of the project", "the database belongs to %s, and we are %s", locate.UserName(owner), locate.UserName(me))
	}
}

// others reports whether the file is one of the pipeline that the owner of the
// database has and we may not write. A folder is one if it is made for pipelines.
func (e *examination) others(file dbfile.Part) bool {
	owner, known := locate.OwnerOf(file.Info)
	first, _ := locate.OwnerOf(e.file.Database.Info)
	return known && owner == first && !writable(file.Path) && (!file.Info.IsDir() || filepath.Base(file.Path) == locate.Folder)
}

// list joins a few words.
func list(words []string) string { return strings.Join(words, ", ") }

const (
	scarceSpace = 100 << 20 // bytes
	noSpace     = 5 << 20   // a -wal file grows to about as much
)

// checkPlace looks at what the database's folder is on.
func (e *examination) checkPlace() {
	folder := e.file.Folder
	if folder.Info == nil { // it is made with the database
		return
	}
	if disk, ok := diskOf(folder.Path); ok {
		kind, remote := fileSystems[disk.kind]
		switch {
		case remote:
			e.bad("disk", "move the project to a disk of this machine, or name a file there: --db PATH; machines exchange by huskies-mcp export and import", "%s is on %s, on which neither locks nor write-ahead logging can be relied on", folder.Path, kind)
		case disk.kind == fuse:
			e.note("disk", "see with 'findmnt -T "+phrase.Quoted(folder.Path)+"' what it is; if other machines have it too, name a file on a disk of this machine: --db PATH", "%s is on FUSE, which may be a network file system; locks and write-ahead logging need a disk of this machine", folder.Path)
		}
		e.checkSpace(disk.free)
	}
	if by := syncedBy(folder.Path); by != "" {
		e.note("disk", "keep the database out of it: --db PATH; a copy that is taken or put back while servers run is damaged. Machines exchange by huskies-mcp export and import", "%s seems to be in a folder that %s keeps in step with other machines", folder.Path, by)
	}
	e.checkGit()
}

func (e *examination) checkSpace(free int64) {
	switch {
	case free < noSpace:
		e.bad("disk", "free some space; nothing that was acknowledged is lost", "%s are free where the database is: writes fail, or will soon", phrase.Bytes(free))
	case free < scarceSpace:
		e.note("disk", "free some space before writes fail", "%s are free where the database is", phrase.Bytes(free))
	}
}

// syncMarks are names of folders by which programs that keep folders in step
// are known.
var syncMarks = []struct{ prefix, program string }{
	{"Dropbox", "Dropbox"},
	{"OneDrive", "OneDrive"},
	{"Google Drive", "Google Drive"},
	{"GoogleDrive", "Google Drive"},
	{"Mobile Documents", "iCloud"},
	{"iCloudDrive", "iCloud"},
	{"Nextcloud", "Nextcloud"},
	{"ownCloud", "ownCloud"},
	{"pCloud", "pCloud"},
	{"Syncthing", "Syncthing"},
}

// syncedBy names the program that seems to keep dir in step with other machines.
func syncedBy(dir string) string {
	for dir := range locate.Upwards(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".stfolder")); err == nil {
			return "Syncthing"
		}
		for _, mark := range syncMarks {
			if strings.HasPrefix(filepath.Base(dir), mark.prefix) {
				return mark.program
			}
		}
	}
	return ""
}

// checkGit looks whether git could take the private key along.
func (e *examination) checkGit() {
	root, ok := locate.RepositoryRoot(e.file.Folder.Path)
	if !ok || e.file.Database.Info == nil {
		return
	}
	name := filepath.Base(e.file.Path)
	if locate.Ignored(root, e.file.Path) && locate.Ignored(root, e.file.Path+"-wal") {
		e.ok("git", "ignores the database")
		return
	}
	file := filepath.Join(e.file.Folder.Path, ".gitignore")
	e.note("git", "echo "+phrase.Quoted(name+"*")+" >>"+phrase.Quoted(file), "no .gitignore plainly covers the database, which holds a private key and must not be committed")
}
