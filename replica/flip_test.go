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

// damagedFile is a database as it was, and as it may show after some of its
// bytes changed.
type damagedFile struct {
	folder string
	files  map[string][]byte
	// shown are the documents that may show without a word: the right one; of a
	// damaged WAL also the earlier ones, of a file cut to nothing the empty one. See
	// docs/threats.md.
	shown []string
	right string
}

// TestFlippedBits: one bit is flipped somewhere in the file or its WAL, or the
// file ends early. The replica says so, or shows the right pipeline; what it
// writes then, others read. It never crashes.
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
				d.shown = append(d.shown, emptyText)
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

// emptyText is the document without an op.
const emptyText = "order\nheads\npending\n"

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
	path := filepath.Join(folder, "p.db")
	r := newReplica(t, path)
	d := &damagedFile{folder: filepath.Join(folder, "damaged")}
	for i := range 12 {
		write(t, r, fmt.Sprintf("%d_s", 1+i%5), pipeline.Changes{Stage: ptr(pipeline.Current), Name: ptr(fmt.Sprint("name ", i)), DependsOn: &[]uint32{uint32(100 + i)}})
		d.right = text(t, r)
		d.shown = append(d.shown, d.right)
	}
	if inFile {
		exec(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
		d.shown = []string{d.right}
	} else {
		d.shown = append(d.shown, emptyText) // before the first op
	}
	d.files = map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		data, err := os.ReadFile(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		d.files["p.db"+suffix] = data
	}
	return d
}

// try opens the files and returns what became of it, in a word.
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
	shown, err := shows(r)
	outcome := "right"
	switch {
	case err != nil:
		outcome = "error"
		var e *oplog.Error
		if !errors.As(err, &e) || e.Next == "" {
			t.Errorf("%s: an error without a next step: %v", what, err)
		}
	case log.Len() > 0:
		outcome = "reported"
	case !slices.Contains(d.shown, shown):
		t.Errorf("%s: shows without a word:\n%s", what, shown)
	case shown != d.right:
		outcome = "earlier"
	}
	name := "after the damage"
	if _, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("50_s", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: &name})
		return err
	}); err != nil {
		return outcome + ", not written"
	}
	mine, err := shows(r)
	fresh := newReplica(t, path)
	defer fresh.Close()
	theirs, freshErr := shows(fresh)
	if err != nil || freshErr != nil || mine != theirs {
		t.Errorf("%s, after a write: memory shows (%v)\n%s\na new process (%v)\n%s", what, err, mine, freshErr, theirs)
	}
	return outcome + ", written"
}

// shows is text without a test that ends at an error.
func shows(r *replica.Replica) (text string, err error) {
	err = r.View(context.Background(), func(s *pipeline.State) error {
		text = string(s.Doc().AppendText(nil))
		return s.Doc().Check()
	})
	return text, err
}
