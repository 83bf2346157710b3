package oplog

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/migrations"
)

// foreignSchemas are statements of somebody else, with what each is called. Those that leave our own
// tables alone can be mended.
var foreignSchemas = map[string]struct {
	stmt, says string
	mendable   bool
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
					strings.Contains(e.Next, "--mend") != tt.mendable {
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
			to := filepath.Join(t.TempDir(), "mended.db")
			check(t, os.WriteFile(to, nil, 0o600))
			report, err := Mend(t.Context(), testConfig(t, path), to, false)
			if !tt.mendable {
				refused("mend", err)
			} else if err != nil || report.Ops != 2 {
				t.Errorf("mended %d ops (%v)", report.Ops, err)
			} else {
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
			named = named || f.Kind == FoundSchema && f.Fault() && strings.Contains(f.Problem, object)
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
			check(t, l.connect(t.Context(), connectionSettings))
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
