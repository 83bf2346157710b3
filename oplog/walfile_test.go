package oplog

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// Sizes of the write-ahead log's headers, in bytes (https://sqlite.org/fileformat2.html#the_write_ahead_log).
const (
	walHeaderBytes   = 32
	frameHeaderBytes = 24
)

// leftByADeadProcess returns a database with a write-ahead log of the given number of changes, as
// a process that was killed leaves it, but for the -shm file.
func leftByADeadProcess(t *testing.T, changes int) (path string) {
	t.Helper()
	from := filepath.Join(t.TempDir(), "p.db")
	check(t, mustCreate(t, from).Close()) // which brings the schema into the database
	l := mustCreate(t, from)
	for i := range changes {
		appendOps(t, l, fmt.Sprint("change ", i))
	}
	path = filepath.Join(t.TempDir(), "p.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + suffix)
		check(t, err)
		check(t, os.WriteFile(path+suffix, b, 0o600))
	}
	return path
}

// TestC39_VerifyLooksOnly: verify finds what is wrong with a write-ahead log, says what that means,
// and leaves every file as it was.
func TestC39_VerifyLooksOnly(t *testing.T) {
	const frame = frameHeaderBytes + 4096
	for name, tt := range map[string]struct {
		damage func(wal []byte) []byte
		want   FindingKind
	}{
		"sound":                  {func(wal []byte) []byte { return wal }, ""},
		"a byte in the middle":   {func(wal []byte) []byte { wal[len(wal)/2] ^= 1; return wal }, FoundWAL},
		"a salt in the middle":   {func(wal []byte) []byte { wal[walHeaderBytes+5*frame+9] ^= 1; return wal }, FoundWAL},
		"a byte of the header":   {func(wal []byte) []byte { wal[17] ^= 1; return wal }, FoundWAL},
		"a part of the header":   {func(wal []byte) []byte { return wal[:20] }, FoundWAL},
		"a byte of the last one": {func(wal []byte) []byte { wal[len(wal)-1] ^= 1; return wal }, FoundWALEnd},
		"cut off":                {func(wal []byte) []byte { return wal[:len(wal)-100] }, FoundWALEnd},
		"frames of the log before": {func(wal []byte) []byte {
			binary.BigEndian.PutUint32(wal[len(wal)-frame+8:], 7)
			return wal[:len(wal):len(wal)]
		}, FoundWALEnd},
	} {
		t.Run(name, func(t *testing.T) {
			path := leftByADeadProcess(t, 20)
			wal, err := os.ReadFile(path + "-wal")
			check(t, err)
			check(t, os.WriteFile(path+"-wal", tt.damage(wal), 0o600))
			before := folder(t, filepath.Dir(path))
			var found []FindingKind
			_, err = Verify(t.Context(), Verification{
				Path: path, Logger: slog.New(slog.DiscardHandler),
				Check: func(*crdt.Op) error { return nil },
				Found: func(f Finding) {
					if f.Kind == FoundWAL || f.Kind == FoundWALEnd {
						found = append(found, f.Kind)
					}
				},
			})
			check(t, err)
			var want []FindingKind
			if tt.want != "" {
				want = []FindingKind{tt.want}
			}
			if diff := cmp.Diff(want, found); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, folder(t, filepath.Dir(path))); diff != "" {
				t.Errorf("verify changed files (-before +after):\n%s", diff)
			}
		})
	}
}

// TestC40_LookingLeavesNothing: a log that is only looked at leaves the files as they were,
// whatever others have left, and its -shm file goes only when nobody else uses it.
func TestC40_LookingLeavesNothing(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, path string){
		"a write-ahead log":  func(*testing.T, string) {},
		"no write-ahead log": func(t *testing.T, path string) { check(t, os.Remove(path+"-wal")) },
		"an empty one":       func(t *testing.T, path string) { check(t, os.Truncate(path+"-wal", 0)) },
		"both":               func(t *testing.T, path string) { check(t, os.WriteFile(path+"-shm", make([]byte, 32768), 0o600)) },
		"an index of another moment": func(t *testing.T, path string) {
			check(t, os.WriteFile(path+"-shm", bytes.Repeat([]byte{7}, 32768), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := leftByADeadProcess(t, 3)
			prepare(t, path)
			before := folder(t, filepath.Dir(path))
			cfg := testConfig(t, path)
			cfg.ReadOnly = true
			l, err := Open(t.Context(), cfg)
			check(t, err)
			if l != nil {
				readAll(t, l, 0)
				check(t, l.Close())
			}
			Inspect(t.Context(), path, "machine")
			after := folder(t, filepath.Dir(path))
			delete(before, "p.db-shm") // its content is SQLite's alone
			delete(after, "p.db-shm")
			if name == "an empty one" { // it says nothing, and SQLite removes it
				delete(before, "p.db-wal")
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			if _, err := os.Stat(path + "-shm"); err == nil && name == "a write-ahead log" {
				t.Error("it left a -shm file")
			}
		})
	}
	path := leftByADeadProcess(t, 3)
	cfg := testConfig(t, path)
	cfg.ReadOnly = true
	looking, err := Open(t.Context(), cfg)
	check(t, err)
	writer := mustCreate(t, path) // it came later, and uses the -shm file that looking made
	check(t, looking.Close())
	appendOps(t, writer, "a")
	if _, err := os.Stat(path + "-shm"); err != nil {
		t.Error("the -shm file of a writer is gone")
	}
}

// folder returns the files of a folder.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	files := make(map[string]string)
	for _, entry := range entries {
		b, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		check(t, err)
		files[entry.Name()] = string(b)
	}
	return files
}
