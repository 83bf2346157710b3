package oplog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// homes are stories of files that are copied and moved, a step a line:
//
//	write FILE@MACHINE KEY    a process there writes an op, signed with KEY; what follows is why that is fresh
//	read FILE@MACHINE KEY     a process there that reads would sign with KEY; -: with none
//	copy FILE FILE            and move, link (another name of the same file)
//	refuse FILE@MACHINE       a process there may not write, since the file has two names
//	remove FILE
//	backup FILE FILE          a backup without the keys; keep: with them
//	text FILE                 a file that is no database comes
//	sql FILE STATEMENT
//
// MACHINE - is one whose ID cannot be read. Keys are numbered as they are made:
// when the number is a new one, the process must say that the key is fresh.
var homes = map[string]string{
	"stays": `
		write a@m 1
		read a@m 1
		write a@m 1`,
	"moved": `
		write a@m 1
		move a b
		read b@m -
		write b@m 1
		read b@m 1`,
	"moved there and back": `
		write a@m 1
		move a b
		write b@m 1
		move b a
		write a@m 1`,
	"copied to another machine, same path": `
		write a@m 1
		read a@n -
		write a@n 2 the database was copied from another machine
		read a@n 2`,
	"copied to another machine, other path": `
		write a@m 1
		copy a b
		read b@n -
		write b@n 2
		write b@n 2
		write a@m 1`,
	"moved to another machine": `
		write a@m 1
		move a b
		write b@n 2`,
	"copied beside": `
		write a@m 1
		copy a b
		write b@m 2 this is a copy of a database that is still where it was
		write a@m 1
		write b@m 2`,
	"copied beside, then moved": `
		write a@m 1
		copy a b
		write b@m 2
		move b c
		write c@m 2
		write a@m 1`,
	"copied beside, then the original goes": `
		write a@m 1
		copy a b
		write b@m 2
		remove a
		write b@m 2`,
	"copied, and the original goes before anybody looks": `
		write a@m 1
		copy a b
		remove a
		write b@m 1`,
	"copies of a copy whose original is gone": `
		write a@m 1
		copy a b
		write b@m 2
		remove a
		copy b c
		copy b d
		write c@m 3
		write d@m 4
		write b@m 2`,
	"back and forth between two machines": `
		write a@m 1
		write a@n 2
		write a@m 1
		write a@n 2
		read a@m 1
		read a@n 2`,
	"one file, two machines, two paths": `
		write a@m 1
		move a b
		write b@n 2
		move b a
		write a@m 1
		move a b
		write b@n 2`,
	"one file, one machine, two names": `
		write a@m 1
		link a b
		read b@m 1
		refuse b@m
		refuse a@m
		remove b
		write a@m 1`,
	"moved, and another pipeline in its place": `
		write a@m 1
		move a b
		write a@m 2
		write b@m 1
		write a@m 2`,
	"moved, and another file in its place": `
		write a@m 1
		move a b
		text a
		write b@m 1`,
	"moved, and an older file of the same key in its place": `
		write a@m 1
		copy a c
		move a b
		move c a
		write b@m 2
		write a@m 1`,
	"beside a file that is too damaged to tell": `
		write a@m 1
		copy a b
		sql a PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = 'x' WHERE name = 'crdt_node_identity'
		write b@m 2`,
	"the machine's ID comes": `
		write a@- 1
		read a@- 1
		read a@m -
		write a@m 1
		read a@m 1
		write a@n 2`,
	"the machine's ID goes and comes": `
		write a@m 1
		read a@- 1
		write a@- 1
		write a@m 1`,
	"the machine's ID goes, and there were two": `
		write a@m 1
		write a@n 2
		read a@- -
		write a@- 3 this machine's ID cannot be read, and
		write a@- 3
		write a@m 1
		write a@n 2`,
	"copied to a machine without an ID": `
		write a@m 1
		move a b
		write b@- 2 the database was at another path, and
		write b@- 2`,
	"a machine without an ID shares the file": `
		write a@m 1
		move a b
		write b@- 2
		move b a
		write a@m 1
		move a b
		write b@- 2`,
	"a backup without key, beside": `
		write a@m 1
		backup a b
		write b@m 2 it was restored from a backup without one
		write b@m 2
		write a@m 1`,
	"a backup without key, restored": `
		write a@m 1
		backup a b
		remove a
		move b a
		write a@m 2
		write a@m 2`,
	"a backup without key in the place of what was moved": `
		write a@m 1
		backup a b
		move a c
		move b a
		write c@m 1
		write a@m 2`,
	"a backup with key, beside": `
		write a@m 1
		keep a b
		write b@m 2
		write a@m 1`,
	"a backup with key, restored": `
		write a@m 1
		keep a b
		remove a
		move b a
		write a@m 1`,
	"a backup with key, restored on another machine": `
		write a@m 1
		keep a b
		write b@n 2`,
	"a damaged key of another home": `
		write a@m 1
		write a@n 2
		sql a UPDATE crdt_node_identity SET seed = x'00' WHERE id = 1
		write a@n 2`,
}

func TestHomes(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(homes)) {
		t.Run(name, func(t *testing.T) {
			w := &homeWorld{t: t, folder: t.TempDir(), ops: map[string]*int{}}
			for line := range strings.Lines(homes[name]) {
				if fields := strings.Fields(line); len(fields) > 0 {
					w.step(fields)
				}
				if t.Failed() {
					t.Fatal("in the step", strings.TrimSpace(line))
				}
			}
		})
	}
}

// homeWorld is where a story of homes takes place.
type homeWorld struct {
	t      *testing.T
	folder string
	keys   []crdt.Author
	ops    map[string]*int // in each file
}

func (w *homeWorld) path(name string) string { return filepath.Join(w.folder, name) }

func (w *homeWorld) step(f []string) {
	t := w.t
	switch f[0] {
	case "read":
		w.read(f[1], f[2])
	case "write":
		w.write(f[1], f[2], strings.Join(f[3:], " "))
	case "refuse":
		cfg, _ := w.config(f[1], new(bytes.Buffer))
		if _, err := create(cfg); !errors.Is(err, dbfile.ErrManyNames) {
			t.Errorf("got %v", err)
		}
	case "sql":
		execRaw(t, w.path(f[1]), strings.Join(f[2:], " "))
	case "remove":
		check(t, os.Remove(w.path(f[1])))
	case "text":
		check(t, os.WriteFile(w.path(f[1]), bytes.Repeat([]byte("no database\n"), 100), 0o600))
	case "move":
		check(t, os.Rename(w.path(f[1]), w.path(f[2])))
		w.ops[f[2]] = w.ops[f[1]]
		delete(w.ops, f[1])
	case "link":
		check(t, os.Link(w.path(f[1]), w.path(f[2])))
		w.ops[f[2]] = w.ops[f[1]]
	case "copy":
		b, err := os.ReadFile(w.path(f[1]))
		check(t, errors.Join(err, os.WriteFile(w.path(f[2]), b, 0o600)))
		w.ops[f[2]] = new(*w.ops[f[1]])
	case "backup", "keep":
		check(t, os.WriteFile(w.path(f[2]), nil, 0o600))
		_, err := Backup(t.Context(), testConfig(t, w.path(f[1])), w.path(f[2]), f[0] == "keep")
		check(t, err)
		w.ops[f[2]] = new(*w.ops[f[1]])
	default:
		t.Errorf("unknown step %q", f)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// config is that of a process on the file and machine in at.
func (w *homeWorld) config(at string, log *bytes.Buffer) (cfg Config, file string) {
	file, machine, _ := strings.Cut(at, "@")
	cfg = testConfig(w.t, w.path(file))
	cfg.Machine = strings.Trim(machine, "-")
	cfg.Rand = keySource(100 + len(w.keys))
	cfg.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return cfg, file
}

// key returns the name of the log's key.
func (w *homeWorld) key(l *Log) string {
	if l.Key() == nil {
		return "-"
	}
	return fmt.Sprint(1 + slices.Index(w.keys, l.Author()))
}

// read opens the file as readers do, who need no key and change nothing.
func (w *homeWorld) read(at, want string) {
	var log bytes.Buffer
	cfg, file := w.config(at, &log)
	before := fileHash(w.t, cfg.Path)
	l, err := Open(w.t.Context(), cfg)
	if err != nil {
		w.t.Error(err)
		return
	}
	if got := w.key(l); got != want {
		w.t.Errorf("got key %s, want %s", got, want)
	}
	if got := len(readAll(w.t, l, 0)); got != *w.ops[file] {
		w.t.Errorf("%d ops, want %d", got, *w.ops[file])
	}
	check(w.t, l.Close())
	if !bytes.Equal(before, fileHash(w.t, cfg.Path)) {
		w.t.Error("a reader changed the file")
	}
}

func (w *homeWorld) write(at, want, why string) {
	var log bytes.Buffer
	cfg, file := w.config(at, &log)
	l, err := create(cfg)
	if err != nil {
		w.t.Error(err)
		return
	}
	defer l.Close()
	if w.ops[file] == nil {
		w.ops[file] = new(int)
	}
	ops := w.ops[file]
	fresh := !slices.Contains(w.keys, l.Author())
	if fresh {
		w.keys = append(w.keys, l.Author())
	}
	if got := w.key(l); got != want {
		w.t.Errorf("got key %s, want %s", got, want)
	}
	said := strings.Contains(log.String(), "this replica has a fresh key, since "+why) && strings.Contains(log.String(), "author="+l.Author().String())
	if want := fresh && *ops > 0; said != want {
		w.t.Errorf("said that the key is fresh: %v, want %v: %s", said, want, &log)
	}
	appendOps(w.t, l, fmt.Sprint(*ops))
	*ops++
	if got := len(readAll(w.t, l, 0)); got != *ops {
		w.t.Errorf("%d ops, want %d", got, *ops)
	}
}

// TestManyFindTheCopy at once: they make one fresh key.
func TestManyFindTheCopy(t *testing.T) {
	for round := range 5 {
		path := filepath.Join(t.TempDir(), "p.db")
		original := mustCreate(t, path).Author()
		authors := make([]crdt.Author, 8)
		var wg sync.WaitGroup
		for i := range authors {
			wg.Go(func() {
				cfg := testConfig(t, path)
				cfg.Machine, cfg.Rand = "there", keySource(20+i)
				l, err := create(cfg)
				if err != nil {
					t.Error(err)
					return
				}
				authors[i] = l.Author()
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, a := range authors {
			if a != authors[0] || a == original {
				t.Fatalf("round %d: got keys %v of a copy of %s, want one fresh key", round, authors, original.Short())
			}
		}
	}
}

// identities returns the replica's authors.
func identities(t *testing.T, l *Log) (all []Identity) {
	t.Helper()
	view(t, l, func(s *Snapshot) (err error) { all, err = s.Identities(); return err })
	return all
}

// TestIdentities: a file knows who it was, and where.
func TestIdentities(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	first := mustCreate(t, path).Author()
	cfg := testConfig(t, path)
	cfg.Machine, cfg.Rand = "there", keySource(9)
	l, err := create(cfg)
	check(t, err)
	defer l.Close()
	real, err := filepath.EvalSymlinks(path)
	check(t, err)
	got := identities(t, l)
	for i := range got {
		if got[i].CreatedAt == 0 {
			t.Errorf("key %d was never created", i)
		}
		got[i].CreatedAt = 0
	}
	want := []Identity{{Author: first, Path: real, Elsewhere: true}, {Author: l.Author(), Path: real, Present: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("-want +got:", diff)
	}
	execRaw(t, path, "UPDATE crdt_node_identity SET seed = NULL WHERE id = 1")
	if got = identities(t, l); len(got) != 2 || !got[0].Keyless || got[1].Keyless {
		t.Errorf("got %+v, want the first without key", got)
	}
}

// TestViewsWhileTheKeyChanges shows, to the race detector, that Views go on while the writer finds out that its
// key is not in the file any more.
func TestViewsWhileTheKeyChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	ended, end := context.WithCancel(t.Context())
	end() // so a View looks at the key, and nearly never at the file
	var stop atomic.Bool
	var views sync.WaitGroup
	defer views.Wait()
	defer stop.Store(true)
	for range 2 {
		views.Go(func() {
			for !stop.Load() {
				_ = l.View(ended, func(s *Snapshot) error { _, err := s.Hub(); return err })
			}
		})
	}
	for _, name := range []string{"b", "c", "d"} {
		execRaw(t, path, "UPDATE crdt_node_identity SET seed = NULL")
		appendOps(t, l, name)
	}
}
