package replica_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/internal/vfstest"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// damagedFile is a database as it was, and as it may show after some of its bytes changed.
type damagedFile struct {
	folder string
	files  map[string][]byte
	// shown are the states that may show without a word: the right one, of a damaged write-ahead log
	// also the earlier ones, of a file cut to nothing the empty one. See docs/threats.md.
	shown []string
	right string
}

// TestFlippedBits flips one bit somewhere in the file or its write-ahead log, or cuts the file. The
// replica says so, or shows the right pipeline. Others read what the replica writes then. The
// replica never crashes.
func TestFlippedBits(t *testing.T) {
	for _, where := range []string{"", "-wal"} {
		t.Run("p.db"+where, func(t *testing.T) {
			t.Parallel()
			d := prepareDamage(t, where == "")
			name := "p.db" + where
			rng := rand.New(rand.NewPCG(1, 2))
			counts := map[string]int{}
			whole := d.files[name]
			for at := 0; at < len(whole); at += 1 + rng.IntN(flipStride(at, len(whole))) {
				d.files[name] = bytes.Clone(whole)
				d.files[name][at] ^= 1 << rng.IntN(8)
				counts[d.try(t, fmt.Sprintf("bit flipped in byte %d of %s", at, name))]++
			}
			if where == "" { // to SQLite a file of one byte is the same
				d.files[name] = nil
				d.shown = append(d.shown, "")
				counts[d.try(t, "the file is empty")]++
				d.shown = d.shown[:1]
			}
			for at := 2; at < len(whole); at += max(1024, len(whole)/60) {
				d.files[name] = whole[:at]
				counts[d.try(t, fmt.Sprintf("%s ends after %d bytes", name, at))]++
			}
			t.Log(counts)
		})
	}
}

// flipStride is how far the next flip is at most: near at the beginning and in
// the headers of pages, where bits mean most.
func flipStride(at, size int) int {
	if at < 128 || size < 1<<16 && at%4096 < 64 {
		return 6
	}
	return size / 80
}

// prepareDamage makes a small database, in the file or still in its WAL.
func prepareDamage(t *testing.T, inFile bool) *damagedFile {
	folder := vfstest.TempDir(t)
	d := &damagedFile{folder: filepath.Join(folder, "home")}
	path := filepath.Join(d.folder, "p.db")
	r := newReplica(t, path)
	for i := range 12 {
		write(t, r, fmt.Sprintf("%d_s", 1+i%5), pipeline.Changes{Stage: ptr(pipeline.Current), Name: ptr(fmt.Sprint("name ", i)), DependsOn: &[]uint32{uint32(100 + i)}})
		d.right = text(t, r)
		d.shown = append(d.shown, d.right)
	}
	if inFile {
		exec(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
		d.shown = []string{d.right}
	} else {
		d.shown = append(d.shown, "") // before the first op
	}
	d.files = map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		d.files["p.db"+suffix] = data
	}
	if err := errors.Join(r.Close(), os.RemoveAll(d.folder)); err != nil {
		t.Fatal(err)
	}
	return d
}

// try opens the files and returns what became of them, in a word. The tables of the state have no
// checksums, so damage in them may show without a word. A rebuild mends it.
func (d *damagedFile) try(t *testing.T, what string) string {
	t.Helper()
	if err := os.Mkdir(d.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(d.folder)
	path := filepath.Join(d.folder, "p.db")
	for name, data := range d.files {
		if err := os.WriteFile(filepath.Join(d.folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	r := replica.New(replica.Config{
		Path: path, Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}),
		Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	defer r.Close()
	outcome := d.judge(t, what, r, &log)
	if outcome == "other" {
		outcome = "not rebuilt"
		if err := r.Rebuild(t.Context()); err == nil {
			outcome = d.judge(t, what+", rebuilt", r, &log) + " when rebuilt"
		}
		if outcome == "other when rebuilt" {
			t.Errorf("%s: a rebuild shows the wrong state without a word", what)
		}
	}
	name := "after the damage"
	if _, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("50_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: &name})
		return err
	}); err != nil {
		return outcome + ", not written"
	}
	mine, err := tryDump(r)
	fresh := newReplica(t, path)
	defer fresh.Close()
	theirs, freshErr := tryDump(fresh)
	if err != nil || freshErr != nil || mine != theirs {
		t.Errorf("%s, after a write: this process shows (%v)\n%s\na new process (%v)\n%s", what, err, mine, freshErr, theirs)
	}
	return outcome + ", written"
}

// judge returns what the replica shows: an error, something wrong with a word about it, the right
// state, an earlier one that may be shown, or another one.
func (d *damagedFile) judge(t *testing.T, what string, r *replica.Replica, log *bytes.Buffer) string {
	t.Helper()
	shown, err := tryDump(r)
	var missing pipeline.Gaps
	if err == nil {
		err = r.View(t.Context(), func(v *replica.View) error { missing = v.Missing(); return nil })
	}
	switch {
	case err != nil:
		var e *oplog.Error
		if !errors.As(err, &e) || e.Code == "" {
			t.Errorf("%s: an error without a code: %v", what, err)
		}
		return "error"
	case shown == d.right:
		return "right"
	case log.Len() > 0 || missing.Any():
		return "reported"
	case slices.Contains(d.shown, shown):
		return "earlier"
	}
	return "other"
}
