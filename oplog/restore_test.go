package oplog

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// copyOf copies a log and returns the copy.
func copyOf(t *testing.T, path string) (string, CopyReport) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy.db")
	check(t, os.WriteFile(to, nil, 0o600))
	report, err := Copy(t.Context(), testConfig(t, path), to)
	check(t, err)
	return to, report
}

// restore puts a copy in the place of the ops of a log.
func restore(t *testing.T, l *Log, from string) RestoreReport {
	t.Helper()
	release, err := NewLock(l.cfg.Path).Acquire(context.Background())
	check(t, err)
	defer release()
	report, err := l.Restore(t.Context(), from)
	check(t, err)
	return report
}

// arrived returns the ops of the log in order of their arrival.
func arrived(t *testing.T, l *Log) (rows []crdt.OpID) {
	t.Helper()
	for _, row := range readAll(t, l, 0) {
		rows = append(rows, row.ID)
	}
	return rows
}

// TestRestoreKeepsTheKey: the key stays while the copy has every op that it signed. Otherwise it never
// signs again, since others may have what it signed.
func TestRestoreKeepsTheKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "one", "two")
	from, report := copyOf(t, path)
	rows := arrived(t, l)
	if report.Ops != 2 || report.Stories != 0 || /* it has no stage */ report.First != rows[0] || report.Last != rows[1] {
		t.Errorf("the copy has %+v, the log %v", report, rows)
	}
	key := l.Author()
	if r := restore(t, l, from); r.FreshKey || l.Author() != key {
		t.Error("nothing was taken out, and the key is another")
	}
	l.cfg.Rand = rand.Reader // that of the tests gives one key again and again
	appendOps(t, l, "three")
	r := restore(t, l, from)
	if !r.FreshKey || l.Author() == key || r.Author != l.Author() {
		t.Errorf("an op was taken out: got %+v, and the log signs as %s", r, l.Author().Short())
	}
	if diff := cmp.Diff(rows, arrived(t, l)); diff != "" {
		t.Error("(-copy +log):", diff)
	}
	appendOps(t, l, "four")
	for _, id := range identities(t, l) {
		if id.Keyless == id.Present {
			t.Errorf("identity %+v", id)
		}
	}
	check(t, l.Close())
	verified, err := Verify(t.Context(), Verification{Path: path, Check: func(*crdt.Op) error { return nil }, Found: func(f Finding) { t.Error(f) }, Logger: l.cfg.Logger})
	if err != nil || verified.Faults != 0 {
		t.Errorf("verify: %+v, %v", verified, err)
	}
}

// TestRestoreKeepsWhatIsOurs: decisions whom to trust stay, and the leases of claims that the copy has.
// Of claims that only the copy knows it has the leases.
func TestRestoreKeepsWhatIsOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "one", "two")
	rows := arrived(t, l)
	lease := func(id crdt.OpID, session string) {
		t.Helper()
		_, err := l.file.Conn.ExecContext(t.Context(), "INSERT OR REPLACE INTO leases (claim, session, seconds, expires_at) VALUES (?, ?, 0, 1)", id[:], session)
		check(t, err)
	}
	lease(rows[0], "then")
	lease(rows[1], "then")
	from, _ := copyOf(t, path)
	_, err := l.file.Conn.ExecContext(t.Context(), "DELETE FROM leases WHERE claim = ?", rows[1][:])
	check(t, err)
	appendOps(t, l, "three")
	lease(rows[0], "now")
	lease(arrived(t, l)[2], "now")
	friend := crdt.Author{1}
	check(t, write(l, func(tx *Tx) error { return tx.Trust(friend, "friend") }))
	restore(t, l, from)
	got := map[crdt.OpID]string{}
	sessions, err := l.file.Conn.QueryContext(t.Context(), "SELECT claim, session FROM leases")
	check(t, err)
	for sessions.Next() {
		var claim []byte
		var session string
		check(t, sessions.Scan(&claim, &session))
		got[crdt.OpID(claim)] = session
	}
	if diff := cmp.Diff(map[crdt.OpID]string{rows[0]: "now", rows[1]: "then"}, got); diff != "" {
		t.Error("leases (-want +got):", diff)
	}
	check(t, l.View(t.Context(), func(s *Snapshot) error {
		trusted, err := s.Trusted()
		if len(trusted) != 1 || trusted[0].Author != friend {
			t.Errorf("trusted are %v", trusted)
		}
		return err
	}))
}

// TestRestoreTakesBackRepairs: a log that was restored has the repairs of the copy, so that verify finds
// nothing.
func TestRestoreTakesBackRepairs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "one")
	from, _ := copyOf(t, path)
	var op *crdt.Op
	var signed crdt.SignedOp
	check(t, write(l, func(tx *Tx) (err error) {
		if op, signed, err = nextOp(tx, l.Key(), "1_s", crdt.Set("name", crdt.String("two"))); err != nil {
			return err
		}
		return appendOp(tx, op, signed)
	}))
	execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	check(t, write(l, func(tx *Tx) error { return tx.Repair(op, signed) }))
	restore(t, l, from)
	check(t, l.Close())
	if v := verifyLog(t, path); v.err != nil || v.report.Faults > 0 {
		t.Error(v.text, v.err)
	}
}

// TestRestoreRefuses: a file that is no copy changes nothing.
func TestRestoreRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "one")
	rows := arrived(t, l)
	for name, content := range map[string]string{"empty": "", "text": "This is no database at all, and long enough to be looked at by SQLite as if it could be one, which it is not."} {
		from := filepath.Join(t.TempDir(), "x.db")
		check(t, os.WriteFile(from, []byte(content), 0o600))
		if _, err := l.Restore(t.Context(), from); err == nil {
			t.Errorf("%s: it was restored", name)
		}
		if diff := cmp.Diff(rows, arrived(t, l)); diff != "" {
			t.Errorf("%s: (-before +after): %s", name, diff)
		}
	}
	appendOps(t, l, "two")
}

// TestCopyOfADamagedFile: a copy that SQLite finds fault with is an error.
func TestCopyOfADamagedFile(t *testing.T) {
	path := longLog(t, 500)
	b, err := os.ReadFile(path)
	check(t, err)
	copy(b[len(b)/2:], make([]byte, 1<<14))
	check(t, os.WriteFile(path, b, 0o600))
	to := filepath.Join(t.TempDir(), "copy.db")
	check(t, os.WriteFile(to, nil, 0o600))
	if report, err := Copy(t.Context(), testConfig(t, path), to); err == nil {
		t.Errorf("it was copied: %+v", report)
	}
}
