package oplog

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// backup makes a backup of the database at path and returns where it is.
func backup(t *testing.T, path string, withKey bool) (to string, ops int64, err error) {
	t.Helper()
	to, report, err := backupReport(t, path, withKey)
	if len(report.Damage) > 0 {
		t.Errorf("the copy is damaged: %v", report.Damage)
	}
	return to, report.Ops, err
}

func backupReport(t *testing.T, path string, withKey bool) (to string, report BackupReport, err error) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "backup.db")
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err = Backup(t.Context(), testConfig(t, path), to, withKey)
	return to, report, err
}

// tablesOf returns every row of every table that is not derived, and the schema.
func tablesOf(t *testing.T, path string) map[string][]string {
	t.Helper()
	l := newLog(testConfig(t, path), path)
	defer l.Close()
	if err := l.file.Connect(t.Context(), dbfile.Settings); err != nil {
		t.Fatal(err)
	}
	objects, err := readObjects(t.Context(), l.file.Conn)
	check(t, err)
	var names []string
	for _, o := range objects {
		if o.kind == "table" {
			names = append(names, o.name)
		}
	}
	all := map[string][]string{}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == "state" || slices.Contains(stateTables, name) || strings.Contains(name, "_text")
	})
	for _, name := range append(names, "sqlite_schema", "pragma_user_version", "pragma_application_id") {
		columns := "*"
		if name == "sqlite_schema" {
			columns = "type, name, tbl_name, sql"
		}
		rows, err := l.file.Conn.QueryContext(t.Context(), fmt.Sprintf("SELECT %s FROM %s", columns, name))
		if err != nil {
			t.Fatal(err)
		}
		types, _ := rows.Columns()
		for rows.Next() {
			row := make([]any, len(types))
			for i := range row {
				row[i] = new(any)
			}
			check(t, rows.Scan(row...))
			for i := range row {
				row[i] = *row[i].(*any)
			}
			all[name] = append(all[name], fmt.Sprintf("%q", row))
		}
		check(t, rows.Err())
	}
	return all
}

// TestBackup shows that a backup holds every row of every table that is not derived, and no
// byte of a key unless that was asked for. It opens as a pipeline again, with the same state.
func TestBackup(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b", strings.Repeat("long ", 1000))
	check(t, write(l, func(tx *Tx) error { return errors.Join(tx.Trust(ann, "ann"), tx.Distrust(bob)) }))
	cfg := testConfig(t, path)
	cfg.Machine, cfg.Rand = "there", keySource(8)
	second, err := create(cfg)
	check(t, err)
	check(t, second.Close())
	seeds := [][]byte{l.Key().Seed(), bytes.Repeat([]byte{8}, 32)}

	for _, withKey := range []bool{true, false} {
		to, ops, err := backup(t, path, withKey)
		if err != nil || ops != 3 {
			t.Fatalf("%d ops, %v", ops, err)
		}
		file, err := os.ReadFile(to)
		check(t, err)
		for _, seed := range seeds {
			if got := bytes.Contains(file, seed); got != withKey {
				t.Errorf("with key %v: a seed is in the file: %v", withKey, got)
			}
		}
		if files, _ := os.ReadDir(filepath.Dir(to)); len(files) != 1 {
			t.Errorf("with key %v: there are %v", withKey, files)
		}
		if !withKey {
			execRaw(t, path, "UPDATE crdt_node_identity SET seed = NULL") // the last in this test
		}
		if diff := cmp.Diff(tablesOf(t, path), tablesOf(t, to)); diff != "" {
			t.Errorf("with key %v (-database +backup):\n%s", withKey, diff)
		}
		restored := mustCreate(t, to)
		if diff := cmp.Diff(stateDump(t, l), stateDump(t, restored)); diff != "" {
			t.Errorf("with key %v, the state (-database +backup):\n%s", withKey, diff)
		}
		appendOps(t, restored, "c")
		checkState(t, restored)
	}
}

// TestBackupWhileOthersWrite: the copy is the log as it was at one moment.
func TestBackupWhileOthersWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	mustCreate(t, path)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		l := mustCreate(t, path)
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := write(l, func(tx *Tx) error { _, err := appendNext(l, tx, fmt.Sprint(i, " ", n)); return err }); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	var backups []string
	last := int64(0)
	for len(backups) < 10 {
		to, ops, err := backup(t, path, false)
		if err != nil || ops < last {
			t.Errorf("%d ops after %d (%v)", ops, last, err)
			break
		}
		if ops > last { // only what grew meanwhile tells
			backups = append(backups, to)
		}
		last = ops
	}
	close(stop)
	wg.Wait()
	want := readAll(t, mustCreate(t, path), 0)
	for _, to := range backups {
		db, err := sql.Open("sqlite", to)
		check(t, err)
		var found string
		if err := db.QueryRow("PRAGMA integrity_check").Scan(&found); err != nil || found != "ok" {
			t.Errorf("integrity: %s, %v", found, err)
		}
		check(t, db.Close())
		got := readAll(t, mustCreate(t, to), 0)
		if len(got) == 0 || len(got) > len(want) || !cmp.Equal(want[:len(got)], got) {
			t.Errorf("%d rows are not the first of %d", len(got), len(want))
		}
	}
}

// TestBackupOfWhat: a damaged key is no hindrance, other files are.
func TestBackupOfWhat(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	if _, _, err := backup(t, path, false); err == nil {
		t.Error("a backup of nothing")
	}
	check(t, os.WriteFile(path, nil, 0o600))
	if _, _, err := backup(t, path, false); !errors.Is(err, ErrNoLog) {
		t.Errorf("an empty file: %v", err)
	}
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "UPDATE crdt_node_identity SET seed = x'00'")
	if _, got, err := backupReport(t, path, true); got.Ops != 1 || len(got.Damage) != 1 || got.Damage[0].Kind != FoundIdentity || err != nil {
		t.Errorf("a damaged key: %+v, %v", got, err)
	}
	if _, ops, err := backup(t, path, false); ops != 1 || err != nil {
		t.Errorf("without the damaged key: %d ops, %v", ops, err)
	}
	execRaw(t, path, "PRAGMA user_version = 1")
	if _, _, err := backup(t, path, false); !errors.Is(err, ErrOutdated) {
		t.Errorf("an older schema: %v", err)
	}
	execRaw(t, path, "PRAGMA user_version = 99")
	var broken *Error
	if _, _, err := backup(t, path, false); !errors.As(err, &broken) || broken.Code != CodeNewer {
		t.Errorf("a newer schema: %v", err)
	}
}

// TestBackupStops when it is told to, and then says only that.
func TestBackupStops(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	mustCreate(t, path)
	to := filepath.Join(t.TempDir(), "backup.db")
	check(t, os.WriteFile(to, nil, 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Backup(ctx, testConfig(t, path), to, false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestBackupFindsDamage: what is damaged in the copy is in its report, what every sound
// replica may show is not.
func TestBackupFindsDamage(t *testing.T) {
	for name, c := range map[string]struct {
		statement string
		want      FindingKind // "": none
	}{
		"sound":      {"SELECT 1", ""},
		"payload":    {"UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 3", FoundHash},
		"signature":  {"UPDATE crdt_ops SET signature = zeroblob(64) WHERE arrival = 3", FoundSignature},
		"column":     {"UPDATE crdt_ops SET author = zeroblob(32) WHERE arrival = 3", FoundColumn},
		"rows lost":  {"DELETE FROM crdt_ops WHERE arrival = 3", FoundArrival},
		"decisions":  {"UPDATE trust_decisions SET id = 7", FoundTrust},
		"last lost":  {"DELETE FROM crdt_ops WHERE arrival = 12", ""}, // shows nowhere
		"waits":      {"DELETE FROM crdt_ops WHERE arrival = 1; UPDATE crdt_ops SET arrival = arrival - 1", ""},
		"no leases":  {"DROP TABLE leases", FoundLeases},
		"no repairs": {"DROP TABLE repairs", FoundRepair},
	} {
		t.Run(name, func(t *testing.T) {
			path := sound(t).close()
			execRaw(t, path, c.statement)
			_, report, err := backupReport(t, path, false)
			if err != nil || report.Ops < 11 {
				t.Fatalf("got %+v, %v", report, err)
			}
			if found := len(report.Damage) > 0; found != (c.want != "") || found && report.Damage[0].Kind != c.want {
				t.Errorf("got %v, want %q", report.Damage, c.want)
			}
		})
	}
}

// TestBackupOfUnreadablePages: the error names the database, not the file that was to be
// written.
func TestBackupOfUnreadablePages(t *testing.T) {
	path := longLog(t, 300)
	leaves, _ := pagesOf(t, path, tableOps)
	damagePage(t, path, leaves[4], 0, 0x55)
	_, _, err := backup(t, path, false)
	var broken *Error
	if !errors.As(err, &broken) || broken.Path != path || broken.Code != dbfile.CodeDamaged {
		t.Errorf("got %v, %+v", err, broken)
	}
}
