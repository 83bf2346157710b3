package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestNamesAreDurable: what a command leaves behind is there after a power loss, also where a file system keeps the
// name of a file in memory until its folder is synced.
func TestNamesAreDurable(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	h := newHub(t)
	m := h.joined()
	m.write("1_story_one")
	converge(t, 1, m)
	m.pause()
	h.kill()
	if err := os.Remove(h.dir.path(rosterFile)); err != nil {
		t.Fatal(err)
	}
	huskies, err := huskiesMCP()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(string(h.dir))
	in := func(name string) string { return filepath.Join(dir, name) }
	v := &volatile{folder: dir}
	mcp := func(args ...string) []string {
		state := "XDG_STATE_HOME=" + in("state")
		return append([]string{"env", "-C", in("project"), state, huskies}, args...)
	}
	for _, dir := range []string{"project", "state"} {
		if err := os.Mkdir(in(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][]string{
		{"huskies-hub", "init", in("new")},
		{"huskies-hub", "invite", in("new"), "--name", "hub.example.org:4222"},
		{"huskies-hub", "backup", string(h.dir), in("hub.backup")},
		{"huskies-hub", "members", "remove", string(h.dir), m.author().String()},
		{"huskies-hub", "restore", in("restored"), in("hub.backup")},
		mcp("add", "One"),
		mcp("backup", in("pipeline.backup")),
		mcp("add", "Two"),
		mcp("restore", "--yes", in("pipeline.backup")),
	} {
		for _, path := range v.after(t, c...) {
			t.Errorf("%s: a power loss takes the name or the content of %s", strings.Join(c, " "), path)
		}
	}
	if v.synced == 0 || len(v.seen) < 20 {
		t.Errorf("%d syncs and %d files were seen: this test finds nothing", v.synced, len(v.seen))
	}
}

// volatile are what a power loss takes of a folder.
type volatile struct {
	folder string
	// names and content are paths that were made or written since the last sync of their folder or of themselves.
	names, content map[string]bool
	seen           map[string]bool // existed at some time
	synced         int
}

// after runs a command and returns what a power loss takes then, of all that is there and meant to stay.
func (v *volatile) after(t *testing.T, command ...string) (lost []string) {
	t.Helper()
	v.names, v.content, v.seen = map[string]bool{}, map[string]bool{}, map[string]bool{}
	err := filepath.WalkDir(v.folder, func(path string, _ fs.DirEntry, err error) error {
		v.seen[path] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eachCall(t, v.add, command...)
	for path := range maps.Keys(v.seen) {
		if _, err := os.Lstat(path); err == nil && (v.names[path] || v.content[path]) && !isFleeting(path) {
			lost = append(lost, path)
		}
	}
	slices.Sort(lost)
	return lost
}

// isFleeting reports whether nobody needs a file after a power loss: locks, what only processes that run tell each
// other, and what SQLite and NATS see to by themselves.
func isFleeting(path string) bool {
	name := filepath.Base(path)
	return strings.HasSuffix(name, "lock") || strings.HasSuffix(name, "-shm") || strings.HasSuffix(name, "-wal") || strings.Contains(path, "-bell") ||
		strings.Contains(path, "-sessions") || strings.Contains(path, "/store/jetstream") || name == "address" || name == "project.txt"
}

func (v *volatile) add(line string) error {
	m := callLine.FindStringSubmatch(line)
	if m == nil || m[3][0] == '-' {
		return nil
	}
	args := strings.Split(m[2], ", ") // texts are in hex, so no comma is in one
	_, place, _ := strings.Cut(args[0], "<")
	place = unhex(strings.TrimSuffix(place, ">"))
	switch m[1] {
	case "openat":
		if path := at(place, args[1]); strings.Contains(args[2], "O_CREAT") && !v.seen[path] {
			v.made(path)
		}
	case "mkdirat":
		v.made(at(place, args[1]))
	case "renameat", "renameat2":
		_, to, _ := strings.Cut(args[2], "<")
		from, path := at(place, args[1]), at(unhex(strings.TrimSuffix(to, ">")), args[3])
		v.made(path)
		v.content[path] = v.content[from]
		delete(v.names, from)
		delete(v.content, from)
	case "unlinkat":
		path := at(place, args[1])
		delete(v.names, path)
		delete(v.content, path)
		delete(v.seen, path)
	case "write", "pwrite64", "ftruncate":
		v.content[place] = true
	case "fsync", "fdatasync":
		v.synced++
		delete(v.content, place)
		maps.DeleteFunc(v.names, func(path string, _ bool) bool { return filepath.Dir(path) == place })
	}
	return nil
}

// made notes a new name. Those outside of the folder are nobody's.
func (v *volatile) made(path string) {
	if strings.HasPrefix(path, v.folder+"/") {
		v.names[path], v.seen[path] = true, true
	}
}
