package oplog

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestMendGoesOnBehindUnreadablePages: a page that cannot be read costs the rows on
// it. The copy is sound but for what waits for them, and has all others.
func TestMendGoesOnBehindUnreadablePages(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, _ := pagesOf(t, path, "crdt_ops")
	damagePage(t, path, leaves[4], 0, 0x55) // no type of page
	to := filepath.Join(t.TempDir(), "mended.db")
	if err := os.WriteFile(to, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Mend(t.Context(), testConfig(t, path), to, true)
	if err != nil || report.Unreadable == 0 || report.Ops+report.Unreadable != n || !report.Renumbered {
		t.Fatalf("got %+v, %v, want %d rows in all, some unreadable", report, err, n)
	}
	got := verifyLog(t, to)
	got, lost := got.without(FoundLost)
	got.expect(t, "")
	if got.report.Rows != report.Ops || len(lost) == 0 {
		t.Errorf("got %d rows, want %d; lost: %v", got.report.Rows, report.Ops, lost)
	}
}

// TestTableTakenOut: a table that another program takes out while a log is open is an
// error that names the way.
func TestTableTakenOut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a")
	execRaw(t, path, "DROP TABLE leases")
	err := l.View(t.Context(), func(s *Snapshot) error { _, _, err := s.Lease(crdt.OpID{1}); return err })
	var broken *Error
	if !errors.As(err, &broken) || broken.Next != "another program took out a table: huskies-mcp verify says what to do" {
		t.Errorf("got %v, %+v", err, broken)
	}
}

// TestMendWithoutKey: no byte of a key reaches the copy unless that was asked for.
func TestMendWithoutKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	l := mustCreate(t, path)
	appendOps(t, l, "a", "b")
	for _, withKey := range []bool{false, true} {
		to := filepath.Join(t.TempDir(), "mended.db")
		if err := os.WriteFile(to, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if report, err := Mend(t.Context(), testConfig(t, path), to, withKey); err != nil || report.Ops != 2 {
			t.Fatalf("got %+v, %v, want 2 ops", report, err)
		}
		file, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(file, l.Key().Seed()); got != withKey {
			t.Errorf("the key is in the copy: %v, want %v", got, withKey)
		}
	}
}

// mend mends the log at path.
func mend(t *testing.T, path string, withKey bool) (to string, report MendReport, err error) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "mended.db")
	check(t, os.WriteFile(to, nil, 0o600))
	report, err = Mend(t.Context(), testConfig(t, path), to, withKey)
	return to, report, err
}

// TestMendWithoutWhatCannotBeRead: a page of a table beside the ops that cannot be read
// costs what is on it. All else is in the copy, which opens and is sound.
func TestMendWithoutWhatCannotBeRead(t *testing.T) {
	for _, table := range []string{LeasesTable, tableRepairs, TrustTable, tableIdentities} {
		t.Run(table, func(t *testing.T) {
			c := sound(t)
			check(t, write(c.log, func(tx *Tx) error { return tx.PutLease(crdt.OpID{1}, Lease{Session: "s"}) }))
			want := tablesOf(t, c.path)
			path := c.close()
			_, root := pagesOf(t, path, table)
			damagePage(t, path, root, 0, 0x55) // no type of page
			to, report, err := mend(t, path, false)
			if err != nil || report.Ops != 12 || !slices.Equal(report.Cut, []string{table}) || report.Waiting != 0 {
				t.Fatalf("got %+v, %v", report, err)
			}
			verifyLog(t, to).expect(t, "")
			got := tablesOf(t, to)
			for name, rows := range want {
				if name != table && name != tableIdentities && !cmp.Equal(rows, got[name]) {
					t.Errorf("table %s was %v and is %v", name, rows, got[name])
				}
			}
			l := mustCreate(t, to)
			if l.Key() == nil {
				t.Error("the copy has no key")
			}
			appendOps(t, l, "more")
		})
	}
}

// TestMendWithADamagedKey: a copy with a key that is not sound could not be opened, so
// none is made, and the error says that one without it can be.
func TestMendWithADamagedKey(t *testing.T) {
	for name, statement := range map[string]string{
		"no table": "DROP TABLE crdt_node_identity",
		"no row":   "DELETE FROM crdt_node_identity",
		"no key":   "UPDATE crdt_node_identity SET seed = x'00'",
	} {
		t.Run(name, func(t *testing.T) {
			path := sound(t).close()
			execRaw(t, path, statement)
			_, _, err := mend(t, path, true)
			var broken *Error
			if !errors.As(err, &broken) || broken.Path != path || !strings.Contains(broken.Next, "without --with-key") {
				t.Errorf("got %v, %+v", err, broken)
			}
			to, report, err := mend(t, path, false)
			if err != nil || report.Ops != 12 {
				t.Fatalf("got %+v, %v", report, err)
			}
			verifyLog(t, to).expect(t, "")
			appendOps(t, mustCreate(t, to), "more")
		})
	}
}

// TestMendAFileThatEndsEarly: the rows on the pages that are there are in the copy,
// wherever the file ends.
func TestMendAFileThatEndsEarly(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	whole, err := os.ReadFile(path)
	check(t, err)
	leaves, _ := pagesOf(t, path, tableOps)
	slices.Sort(leaves)
	last, middle := int(slices.Max(leaves))*pageBytes, int(leaves[len(leaves)/2])*pageBytes
	for _, end := range []int{last - pageBytes, last - 1000, middle, middle + 100} {
		check(t, os.WriteFile(path, whole[:end], 0o600))
		verified := verifyLog(t, path)
		to, report, err := mend(t, path, true)
		if err != nil || report.Unreadable == 0 && !report.Uncounted || report.Ops >= n || report.Ops < verified.report.Rows-5 || report.Twice > 0 {
			t.Errorf("%d of %d bytes: got %+v, %v; verify: %+v", end, len(whole), report, err, verified.report)
			continue
		}
		got, hashes := verifyLog(t, to).without(FoundHash) // half a row
		got.expect(t, "")
		if got.report.Rows != report.Ops || int64(len(hashes)) != report.Damaged {
			t.Errorf("%d of %d bytes: verify says %+v, %v, mend %+v", end, len(whole), got.report, hashes, report)
		}
	}
}

// TestMendOfNothing: a copy without any op is of no use. The error names the database,
// not the file that was to be written.
func TestMendOfNothing(t *testing.T) {
	path := longLog(t, 300)
	leaves, root := pagesOf(t, path, tableOps)
	damagePage(t, path, root, 0, 0x55)
	for _, leaf := range leaves {
		damagePage(t, path, leaf, 0, 0x55)
	}
	_, _, err := mend(t, path, true)
	var broken *Error
	if !errors.As(err, &broken) || broken.Path != path || strings.Contains(broken.Next, "--mend") {
		t.Errorf("got %v, %+v", err, broken)
	}
}

// TestMendCountsWhatWaits: ops whose ancestors are lost are not applied, whatever came
// before what. Those behind a damaged payload are.
func TestMendCountsWhatWaits(t *testing.T) {
	c := sound(t)
	path := c.close()
	execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 1")
	_, report, err := mend(t, path, true)
	if err != nil || report.Damaged != 1 || report.Waiting != 0 {
		t.Errorf("a damaged payload: got %+v, %v, want none that waits", report, err)
	}
	execRaw(t, path, "DELETE FROM crdt_ops WHERE arrival = 6") // 6: on it build 5 and 7 to 12
	_, report, err = mend(t, path, true)
	if err != nil || report.Waiting != 7 {
		t.Errorf("a lost op: got %+v, %v, want 7 that wait", report, err)
	}
}

// TestMendSurvivesAnyDamage: whatever pages of a file hold, Verify and Mend end, and the
// copy has no fault but damaged payloads and what is lost with the rows that are not in it.
func TestMendSurvivesAnyDamage(t *testing.T) {
	t.Parallel()
	const n = 600 // rows are read 128 at a time
	path := longLog(t, n)
	whole, err := os.ReadFile(path)
	check(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	pages := len(whole) / pageBytes
	counts := map[string]int{}
	for range 40 {
		file := bytes.Clone(whole)
		for range 1 + rng.IntN(3) {
			page := file[(1+rng.IntN(pages-1))*pageBytes:][:pageBytes]
			switch rng.IntN(5) {
			case 0: // its end is lost
				from := rng.IntN(pageBytes)
				copy(page[from:], make([]byte, pageBytes-from))
			case 1: // another page in its place
				copy(page, whole[rng.IntN(pages)*pageBytes:][:pageBytes])
			case 2:
				for i := range page[8:] {
					page[8+i] = byte(rng.UintN(256))
				}
			case 3: // the pointers to its rows
				page[8+rng.IntN(60)] ^= 1 << rng.IntN(8)
			case 4:
				page[rng.IntN(pageBytes)] ^= 1 << rng.IntN(8)
			}
		}
		if rng.IntN(5) == 0 {
			file = file[:pageBytes+rng.IntN(len(file)-pageBytes)]
		}
		check(t, os.WriteFile(path, file, 0o600))
		_, _ = Verify(t.Context(), Verification{Path: path, Logger: slog.New(slog.DiscardHandler), Check: verifySchema.Check, Found: func(Finding) {}})
		to, report, err := mend(t, path, false)
		var broken *Error
		if err != nil && (!errors.As(err, &broken) || broken.Next == "" || broken.Path != path) {
			t.Errorf("got %v, %+v", err, broken)
		}
		if err != nil {
			counts["no copy"]++
			continue
		}
		counts["copy"]++
		got := verifyLog(t, to)
		for _, allowed := range []FindingKind{FoundHash, FoundSignature, FoundLost, FoundWaiting, FoundShape, FoundColumn, FoundSeq, FoundTrust} {
			got, _ = got.without(allowed)
		}
		got.report.Faults = 0
		got.expect(t, "")
		if got.report.Rows != report.Ops || int64(got.report.Waiting) > report.Waiting {
			t.Errorf("mend says %+v, verify %+v", report, got.report)
		}
	}
	t.Log(counts)
}
