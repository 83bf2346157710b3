package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// needsStrace skips a test where strace is missing, but in CI, which installs it.
func needsStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil && os.Getenv("HUSKIES_CI") == "" {
		t.Skip("strace, which records what a command does to its files, is not installed; CI installs it")
	}
}

// trace is what a process did to the files of a folder, as strace saw it.
type trace struct {
	folder string
	// events are in order. A name is a path below the folder. A sync also makes the names before it durable, as in ext4
	// and XFS, whose journal it writes.
	events []vfstest.Event
	names  map[string]int // files by path
	sizes  map[int]int64  // by file
	open   map[string]*openFile
	notes  string // a file: each line that is written to it is a note
}

// openFile is what a descriptor stands for.
type openFile struct {
	file         int
	at           int64
	append, sync bool
}

const traced = "openat,creat,write,pwrite64,writev,pwritev,pwritev2,lseek,fsync,fdatasync,sync_file_range,ftruncate,truncate," +
	"mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,close,dup,dup2,dup3,link,linkat,fallocate,copy_file_range,sendfile"

// record runs a command under strace and adds what it does below the folder. What it writes to the file of
// notes is a note, in its place among the rest.
func (tr *trace) record(t testing.TB, command ...string) {
	t.Helper()
	tr.open = map[string]*openFile{}
	eachCall(t, tr.add, command...)
}

// eachCall runs a command under strace and calls add with each call that it makes on files.
func eachCall(t testing.TB, add func(line string) error, command ...string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", append([]string{"-f", "-y", "-xx", "-s", "1000000", "-e", "signal=none", "-e", "trace=" + traced, "-o", out}, command...)...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("strace: %v", err)
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	begun := map[string]string{} // the first halves of calls, by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		thread, call, _ := strings.Cut(lines.Text(), " ")
		call = strings.TrimLeft(call, " ")
		if first, ok := strings.CutSuffix(call, " <unfinished ...>"); ok {
			begun[thread] = first
			continue
		}
		if _, rest, ok := strings.Cut(call, " resumed>"); ok {
			call = begun[thread] + rest
		}
		if err := add(call); err != nil {
			t.Fatalf("%v: %.300s", err, call)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// isWhole checks the recording: without a power cut it gives the files that are there.
func (tr *trace) isWhole(t testing.TB) {
	t.Helper()
	disk := vfstest.NewDisk(nil)
	for _, e := range tr.events {
		disk.Do(e)
	}
	for _, file := range tr.names {
		disk.Do(vfstest.Event{Kind: vfstest.Synced, File: file, Folder: true})
	}
	for name, want := range disk.Survivors(rand.New(rand.NewPCG(1, 2)), 0) {
		if got, err := os.ReadFile(filepath.Join(tr.folder, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the recording says that %s has %d bytes; it has %d, error %v", name, len(want), len(got), err)
		}
	}
	err := filepath.WalkDir(tr.folder, func(path string, entry fs.DirEntry, err error) error {
		if _, ok := tr.names[tr.below(path)]; err == nil && !entry.IsDir() && !ok {
			t.Errorf("the recording does not know %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// callLine is NAME(ARGUMENTS) = RESULT.
var callLine = regexp.MustCompile(`^(\w+)\((.*)\)\s+= (-?\d+)`)

// add adds a call. One that failed did nothing.
func (tr *trace) add(line string) error {
	m := callLine.FindStringSubmatch(line)
	if m == nil || m[3][0] == '-' {
		return nil
	}
	name, args, result := m[1], strings.Split(m[2], ", "), m[3] // texts are in hex, so no comma is in one
	fd, place, _ := strings.Cut(args[0], "<")
	place = unhex(strings.TrimSuffix(place, ">"))
	n, err := strconv.ParseInt(result, 10, 64)
	if err != nil {
		return err
	}
	switch name {
	case "openat":
		tr.opened(result, at(place, args[1]), args[2])
		return nil
	case "close":
		delete(tr.open, fd)
		return nil
	case "unlinkat":
		tr.unlinked(at(place, args[1]))
		return nil
	case "renameat", "renameat2":
		_, to, _ := strings.Cut(args[2], "<")
		tr.renamed(at(place, args[1]), at(unhex(strings.TrimSuffix(to, ">")), args[3]))
		return nil
	case "fsync", "fdatasync":
		if f := tr.open[fd]; f != nil {
			tr.do(vfstest.Event{Kind: vfstest.Synced, File: f.file, Folder: true})
		} else if tr.below(place) != "" {
			tr.do(vfstest.Event{Kind: vfstest.Synced, Folder: true})
		}
		return nil
	}
	f := tr.open[fd]
	switch {
	case name == "mkdirat": // a name below is in the journal behind it
	case place == tr.notes && name == "write":
		for note := range strings.Lines(text(args[1])) {
			tr.do(vfstest.Event{Kind: vfstest.Noted, Note: strings.TrimSuffix(note, "\n")})
		}
	case f == nil && tr.below(place) == "":
	case f == nil:
		return fmt.Errorf("a call on a file that was not opened")
	case name == "write" && f.append:
		tr.written(f, tr.sizes[f.file], text(args[1])[:n])
	case name == "write":
		tr.written(f, f.at, text(args[1])[:n])
		f.at += n
	case name == "pwrite64":
		offset, err := strconv.ParseInt(args[3], 10, 64)
		if err != nil {
			return err
		}
		tr.written(f, offset, text(args[1])[:n])
	case name == "lseek":
		f.at = n
	case name == "ftruncate":
		size, err := strconv.ParseInt(args[1], 10, 64)
		if err != nil {
			return err
		}
		tr.truncated(f.file, size)
	default:
		return fmt.Errorf("a call that this test does not know")
	}
	return nil
}

func (tr *trace) do(e vfstest.Event) { tr.events = append(tr.events, e) }

// below returns the path below the folder, "" if it is not there.
func (tr *trace) below(path string) string {
	rest, ok := strings.CutPrefix(path, tr.folder+"/")
	if !ok {
		return ""
	}
	return rest
}

func (tr *trace) opened(fd, path, flags string) {
	name := tr.below(path)
	if name == "" || strings.Contains(flags, "O_DIRECTORY") {
		return
	}
	file, there := tr.names[name]
	if !there && !strings.Contains(flags, "O_CREAT") {
		return // a folder
	}
	if !there {
		file = len(tr.sizes) + 1
		tr.names[name], tr.sizes[file] = file, 0
		tr.do(vfstest.Event{Kind: vfstest.Linked, File: file, Name: name})
	}
	if strings.Contains(flags, "O_TRUNC") && tr.sizes[file] > 0 {
		tr.truncated(file, 0)
	}
	tr.open[fd] = &openFile{file: file, append: strings.Contains(flags, "O_APPEND"), sync: strings.Contains(flags, "O_SYNC") || strings.Contains(flags, "O_DSYNC")}
}

func (tr *trace) unlinked(path string) {
	if name := tr.below(path); name != "" {
		if file, ok := tr.names[name]; ok {
			delete(tr.names, name)
			tr.do(vfstest.Event{Kind: vfstest.Unlinked, File: file, Name: name})
		}
	}
}

// renamed renames a file, or a folder with all in it.
func (tr *trace) renamed(from, to string) {
	before, after := tr.below(from), tr.below(to)
	if before == "" || after == "" {
		return
	}
	for name, file := range tr.names {
		rest, ok := strings.CutPrefix(name, before)
		if !ok || rest != "" && rest[0] != '/' {
			continue
		}
		delete(tr.names, name)
		tr.names[after+rest] = file
		tr.do(vfstest.Event{Kind: vfstest.Renamed, File: file, From: name, Name: after + rest})
	}
}

func (tr *trace) written(f *openFile, offset int64, data string) {
	tr.do(vfstest.Event{Kind: vfstest.Written, File: f.file, Offset: offset, Data: []byte(data)})
	tr.sizes[f.file] = max(tr.sizes[f.file], offset+int64(len(data)))
	if f.sync {
		tr.do(vfstest.Event{Kind: vfstest.Synced, File: f.file, Folder: true})
	}
}

func (tr *trace) truncated(file int, size int64) {
	tr.sizes[file] = size
	tr.do(vfstest.Event{Kind: vfstest.Truncated, File: file, Offset: size})
}

// at returns the path that an argument names.
func at(folder, argument string) string {
	path := text(argument)
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(folder, path)
}

// text is a quoted argument.
func text(argument string) string { return unhex(strings.Trim(argument, `"`)) }

func unhex(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, `\x`, ""))
	if err != nil {
		return s // nothing that is looked for
	}
	return string(b)
}
