package replica_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// configOf returns the configuration of a replica of the test.
func configOf(t testing.TB, path string) replica.Config {
	return replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
}

// open returns a replica that is closed when the test ends.
func open(t testing.TB, cfg replica.Config) *replica.Replica {
	t.Helper()
	r := replica.New(cfg)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func newReplica(t testing.TB, path string) *replica.Replica {
	t.Helper()
	return open(t, configOf(t, path))
}

func ptr[T any](v T) *T { return &v }

func fixedNow() time.Time { return time.UnixMilli(1_700_000_000_000) }

var discard = slog.New(slog.DiscardHandler)

// write writes c in one op.
func write(t testing.TB, r *replica.Replica, id string, c pipeline.Changes) pipeline.Story {
	t.Helper()
	s, err := r.Update(context.Background(), "tester", func(tx *pipeline.Tx) error { _, _, err := tx.Write(id, c); return err })
	if err != nil {
		t.Fatalf("write %s: %v", id, err)
	}
	return s
}

func create(t testing.TB, r *replica.Replica, id string) {
	t.Helper()
	write(t, r, id, pipeline.Changes{Stage: ptr(pipeline.Backlog)})
}

// rename writes a name. The error is that of the call.
func rename(r *replica.Replica, id, name string) error {
	_, err := r.Update(context.Background(), "", renaming(id, name))
	return err
}

func renaming(id, name string) func(*pipeline.Tx) error {
	return func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(id, pipeline.Changes{Name: &name})
		return err
	}
}

// bump adds one to the story's retry count.
func bump(r *replica.Replica, id string) (pipeline.Story, error) {
	return r.Update(context.Background(), "", bumping(id))
}

func bumping(id string) func(*pipeline.Tx) error {
	return func(tx *pipeline.Tx) error { _, err := tx.BumpRetry(id, 1, 0); return err }
}

func read(t testing.TB, r *replica.Replica, id string) (s pipeline.Story, err error) {
	t.Helper()
	err = r.View(context.Background(), func(v *replica.View) (err error) { s, err = v.Story(id); return err })
	return s, err
}

// tryDump returns the canonical dump of what r shows.
func tryDump(r *replica.Replica) (string, error) {
	var b bytes.Buffer
	err := r.View(context.Background(), func(v *replica.View) error { b.Reset(); return v.Dump(&b) })
	return b.String(), err
}

func dump(t testing.TB, r *replica.Replica) string {
	t.Helper()
	text, err := tryDump(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// text returns the canonical dump of what r shows, and shows that the log alone gives the same
// state. Nobody may write meanwhile.
func text(t testing.TB, r *replica.Replica) string {
	t.Helper()
	kept := dump(t, r)
	var rebuilt bytes.Buffer
	if err := r.DumpLog(context.Background(), &rebuilt); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(rebuilt.String(), kept); diff != "" {
		t.Errorf("the state is not what the log gives (-log +state):\n%s", diff)
	}
	return kept
}

// shown returns the part of text that all replicas with the same applied ops have in common: all
// but what names rows of the log.
func shown(t testing.TB, r *replica.Replica) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(text(t, r)) {
		switch kind, _, _ := strings.Cut(line, " "); kind {
		case "exception", "waiting", "late", "history", "author", "sum":
		default:
			b.WriteString(line)
		}
	}
	return b.String()
}

// listed returns the IDs of the stories that r shows.
func listed(t testing.TB, r *replica.Replica) (ids string) {
	t.Helper()
	err := r.View(context.Background(), func(v *replica.View) error { ids = strings.Join(v.IDs("", 1000), " "); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// position returns the position that r shows.
func position(t testing.TB, r *replica.Replica) (p replica.Position) {
	t.Helper()
	err := r.View(context.Background(), func(v *replica.View) error { p = v.Position(); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func author(t testing.TB, r *replica.Replica) crdt.Author {
	t.Helper()
	author, ok, err := r.Author(t.Context())
	if err != nil || !ok {
		t.Fatalf("author: %v, %v", ok, err)
	}
	return author
}

// shell is another program's connection to the database, until the test ends.
func shell(t testing.TB, path string) *sql.Conn {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// exec changes the database past the package.
func exec(t testing.TB, path, stmt string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(stmt); err != nil {
		t.Fatal(err)
	}
}

// makeOlder gives a database the schema before the state's tables came.
func makeOlder(t *testing.T, path string) {
	t.Helper()
	const before = 4
	for _, name := range regexp.MustCompile(`(?m)^CREATE (?:VIRTUAL )?TABLE (\w+)`).FindAllStringSubmatch(strings.Join(migrations.All()[before:], "\n"), -1) {
		exec(t, path, "DROP TABLE IF EXISTS "+name[1])
	}
	exec(t, path, fmt.Sprintf("PRAGMA user_version = %d", before))
}

// databaseFiles returns the files of a database but shared memory and locks.
func databaseFiles(t *testing.T, path string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, suffix := range []string{"", "-wal", "-journal"} {
		data, err := os.ReadFile(path + suffix)
		if err == nil {
			files[filepath.Base(path)+suffix] = data
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return files
}
