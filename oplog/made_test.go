package oplog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// foreignSchemas are statements of somebody else, with what each is called. Those that leave our own
// tables alone can be salvaged.
var foreignSchemas = map[string]struct {
	stmt, says  string
	salvageable bool
}{
	"a trigger that takes back what was written": {"CREATE TRIGGER t AFTER INSERT ON crdt_ops BEGIN DELETE FROM crdt_ops WHERE arrival = new.arrival; END", `trigger "t" on table "crdt_ops"`, true},
	"a trigger that swaps keys":                  {"CREATE TRIGGER t AFTER INSERT ON trust_decisions BEGIN UPDATE trust_decisions SET author = zeroblob(32); END", `trigger "t" on table "trust_decisions"`, true},
	"an endless trigger":                         {"CREATE TRIGGER t AFTER INSERT ON crdt_ops BEGIN INSERT INTO repairs WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i, zeroblob(32), 1 FROM n; END", `trigger "t"`, true},
	"a view":                                     {"CREATE VIEW v AS SELECT 1", `view "v"`, true},
	"a table":                                    {"CREATE TABLE extra (a)", `table "extra"`, true},
	"an index":                                   {"CREATE INDEX i ON crdt_ops (abs(seq))", `index "i" on table "crdt_ops"`, true},
	"a virtual table":                            {"CREATE VIRTUAL TABLE f USING fts5(a)", `table "f"`, true},
	"a view in the place of a table":             {"DROP TABLE leases; CREATE VIEW leases AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS claim, '' AS session, 1 AS seconds, 1 AS expires_at FROM n", `view "leases"`, false},
	"an endless view of keys":                    {"DROP TABLE crdt_node_identity; CREATE VIEW crdt_node_identity AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i AS id FROM n", `view "crdt_node_identity"`, false},
	"a constraint that was taken out":            {"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'CHECK (seq >= 1)', '') WHERE name = 'crdt_ops'", `table "crdt_ops", which is declared in another way`, false},
	"another default":                            {"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql, 'DEFAULT ''''', 'DEFAULT ''x''') WHERE name = 'trust_decisions'", `table "trust_decisions", which`, false},
	"a generated column":                         {"ALTER TABLE crdt_ops ADD COLUMN g INTEGER AS (abs(seq))", `table "crdt_ops", which`, false},
	"a column":                                   {"ALTER TABLE repairs ADD COLUMN more TEXT", `table "repairs", which`, false},
}

// TestC41_ForeignSchemas: what somebody else put into a database is an error that names it, before
// any of it runs, and neither the file nor what is beside it changes.
func TestC41_ForeignSchemas(t *testing.T) {
	for name, tt := range foreignSchemas {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			l := mustCreate(t, path)
			appendOps(t, l, "a", "b")
			check(t, l.Close())
			execRaw(t, path, tt.stmt)
			before := fileHash(t, path)
			refused := func(what string, err error) {
				t.Helper()
				var e *Error
				if !errors.Is(err, errForeign) || !errors.As(err, &e) || !strings.Contains(err.Error(), tt.says) ||
					(e.Code == CodeForeign) != tt.salvageable {
					t.Errorf("%s: got %v (%+v)", what, err, e)
				}
			}
			_, err := Open(t.Context(), testConfig(t, path))
			refused("open", err)
			_, err = create(testConfig(t, path))
			refused("create", err)
			_, _, err = backupReport(t, path, false)
			refused("backup", err)
			in := Inspect(t.Context(), path, "machine")
			refused("inspect", in.Err)
			if in.Checked {
				t.Error("SQLite's own check ran what somebody else wrote")
			}
			verifyNames(t, path, tt.says)
			ops, _, err := salvage(t, path)
			if !tt.salvageable {
				refused("salvage", err)
				_, err = ReadLegacy(t.Context(), testConfig(t, path))
				refused("read legacy", err)
			} else if err != nil || len(ops) != 2 {
				t.Errorf("salvaged %d ops (%v)", len(ops), err)
			} else {
				to, _ := recreate(t, path, ops)
				appendOps(t, mustCreate(t, to), "c")
			}
			if string(before) != string(fileHash(t, path)) {
				t.Error("the file changed")
			}
		})
	}
}

// verifyNames verifies a database, which must find the object.
func verifyNames(t *testing.T, path, object string) {
	t.Helper()
	named := false
	_, err := Verify(t.Context(), Verification{
		Path: path, Logger: slog.New(slog.DiscardHandler), Check: func(*crdt.Op) error { return nil },
		Found: func(f Finding) {
			named = named || f.Kind == FoundSchema && f.Fault() && strings.Contains(f.Name, object)
		},
	})
	if err != nil || !named {
		t.Errorf("verify names it: %v (%v)", named, err)
	}
}

// TestC41_OwnSchemas: what builds of any age made, and what SQLite adds, is not foreign.
func TestC41_OwnSchemas(t *testing.T) {
	for version := 1; version <= newestSchema; version++ {
		for _, former := range []bool{false, true} {
			path := filepath.Join(t.TempDir(), "p.db")
			statements := strings.Join(migrations.All()[:version], "\n")
			if former { // docs/decisions/0008-index-by-seq.md
				statements = strings.Replace(statements, "op_id BLOB NOT NULL CHECK", "op_id BLOB NOT NULL UNIQUE CHECK", 1)
				i := strings.Index(statements, ",\n    -- An op is here once.")
				statements = statements[:i] + statements[i+strings.Index(statements[i:], "\n) STRICT"):]
			}
			execRaw(t, path, statements)
			execRaw(t, path, "INSERT INTO crdt_ops VALUES (1, zeroblob(32), zeroblob(32), 1, x'', zeroblob(64), 1); ANALYZE")
			execRaw(t, path, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version))
			l := newLog(testConfig(t, path), path)
			defer l.Close()
			check(t, l.file.Connect(t.Context(), dbfile.Settings))
			state, err := l.inspect(t.Context())
			if err != nil || len(state.foreign)+len(state.missing) > 0 {
				t.Errorf("version %d, of the first builds: %v: %v, missing %v (%v)", version, former, state.foreign, state.missing, err)
			}
		}
	}
}

// TestNormalSQL: only blanks and comments between tokens do not count.
func TestNormalSQL(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"CREATE TABLE t (a, b)", "CREATE  TABLE\tt(a,\n b -- c\n)", true},
		{"a /* b */ c", "a c", true},
		{"a/**/c", "a c", true},
		{"a -- c", "a", true},
		{"a c", "ac", false},
		{"a > 1", "a >1", false}, // stricter than need be
		{"'a  b'", "'a b'", false},
		{"'a -- b'", "'a'", false},
		{"'it''s  '", "'it''s '", false},
		{`"a ""  b"`, `"a "" b"`, false},
		{"[a  b]", "[a b]", false},
		{"`a  b`", "`a b`", false},
		{"'a' --", "'a", false},
		{"A", "a", false},
		{"a /* b", "a", true},
		{"a\x00b", "a", false},
		{"", "", true},
	} {
		if got := normalSQL(tt.a) == normalSQL(tt.b); got != tt.same {
			t.Errorf("%q is %q, %q is %q: the same %v, want %v", tt.a, normalSQL(tt.a), tt.b, normalSQL(tt.b), got, tt.same)
		}
	}
}

// TestC41_PathsFromTheFile: the path of a former home is somebody else's word. What it leads to is not
// touched unless it can be a pipeline.
func TestC41_PathsFromTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	check(t, l.Close())
	other := filepath.Join(t.TempDir(), "other.db") // of another program, with a write-ahead log
	execRaw(t, other, "PRAGMA journal_mode = WAL; CREATE TABLE t (a)")
	check(t, os.WriteFile(other+"-wal", []byte(strings.Repeat("log", 100)), 0o600))
	before := folder(t, filepath.Dir(other))
	execRaw(t, path, "UPDATE crdt_node_identity SET path = '"+other+"'")

	moved, err := create(testConfig(t, path))
	check(t, err)
	check(t, moved.Close())
	if diff := cmp.Diff(before, folder(t, filepath.Dir(other))); diff != "" {
		t.Errorf("another program's files (-before +after):\n%s", diff)
	}
}

// FuzzForeignBytes changes bytes of a database and of its write-ahead log. Whatever they are, each way in
// ends, without a panic, and makes no file elsewhere.
func FuzzForeignBytes(f *testing.F) {
	base := map[string][]byte{}
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(madeForFuzzing(f) + suffix)
		if err != nil {
			f.Fatal(err)
		}
		base[suffix] = b
	}
	f.Add(false, uint32(100), []byte{0})
	f.Add(false, uint32(18), []byte{1, 1})
	f.Add(false, uint32(4000), []byte("CREATE TRIGGER"))
	f.Add(true, uint32(40), []byte{0xff, 0xff})
	f.Add(true, uint32(8), []byte{0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, wal bool, at uint32, change []byte) {
		dir := t.TempDir()
		path := filepath.Join(dir, "p.db")
		for suffix, b := range base {
			b = bytes.Clone(b)
			if wal == (suffix == "-wal") {
				copy(b[int(at)%len(b):], change)
			}
			check(t, os.WriteFile(path+suffix, b, 0o600))
		}
		quiet := slog.New(slog.DiscardHandler)
		_, _ = Verify(t.Context(), Verification{Path: path, Logger: quiet, Check: func(*crdt.Op) error { return nil }, Found: func(Finding) {}})
		Inspect(t.Context(), path, "machine")
		cfg := testConfig(t, path)
		cfg.Logger = quiet
		if l, err := Open(t.Context(), cfg); err == nil {
			_ = l.Close()
		}
		if l, err := create(cfg); err == nil {
			_ = write(l, func(tx *Tx) error { return tx.Trust(ann, "ann") })
			_ = l.Close()
		}
		for name := range folder(t, dir) {
			if !strings.HasPrefix(name, "p.db") {
				t.Errorf("there is a file %q", name)
			}
		}
	})
}

// madeForFuzzing returns a database with a few rows, some of them in its write-ahead log alone.
func madeForFuzzing(f *testing.F) (path string) {
	dir := f.TempDir()
	from := filepath.Join(dir, "from.db")
	cfg := Config{Path: from, Now: clock(), Rand: keySource(7), Machine: "machine", Logger: slog.New(slog.DiscardHandler)}
	for range 2 {
		l, err := create(cfg)
		if err == nil {
			err = write(l, func(tx *Tx) error { return tx.Trust(bob, "bob") })
		}
		if err != nil {
			f.Fatal(err)
		}
		path = filepath.Join(dir, "p.db")
		for _, suffix := range []string{"", "-wal"} {
			b, err := os.ReadFile(from + suffix)
			if err == nil {
				err = os.WriteFile(path+suffix, b, 0o600)
			}
			if err != nil {
				f.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			f.Fatal(err)
		}
	}
	return path
}

// TestCopyOfANewDatabase: the original is seen to hold the key also while all that it has stands in its
// write-ahead log.
func TestCopyOfANewDatabase(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "p.db"), filepath.Join(t.TempDir(), "p.db")
	original := mustCreate(t, from)
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(from + suffix)
		check(t, errors.Join(err, os.WriteFile(to+suffix, b, 0o600)))
	}
	cfg := testConfig(t, to)
	cfg.Rand = keySource(9)
	l, err := create(cfg)
	check(t, err)
	defer l.Close()
	if l.Author() == original.Author() {
		t.Error("two files sign with one key")
	}
}
