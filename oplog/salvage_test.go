package oplog

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// salvage salvages the log at path, and returns the ops and what was skipped.
func salvage(t *testing.T, path string) (ops []crdt.SignedOp, skipped []Finding, err error) {
	t.Helper()
	n, err := Salvage(t.Context(), testConfig(t, path), func(op crdt.SignedOp) error {
		op.Payload = bytes.Clone(op.Payload)
		ops = append(ops, op)
		return nil
	}, func(f Finding) { skipped = append(skipped, f) })
	if n != len(ops) {
		t.Errorf("it says %d ops, of %d", n, len(ops))
	}
	return ops, skipped, err
}

// recreate makes a database of the legacy of the log at path, if there is one, and of ops.
func recreate(t *testing.T, path string, ops []crdt.SignedOp) (to string, from *Legacy) {
	t.Helper()
	to = filepath.Join(t.TempDir(), "new.db")
	from, err := ReadLegacy(t.Context(), testConfig(t, path))
	if err != nil {
		from = nil
	}
	cfg := testConfig(t, to)
	cfg.Legacy = from
	l, err := Create(context.Background(), cfg)
	check(t, err)
	defer l.Close()
	if from != nil && !from.Entered() {
		t.Error("the legacy was not entered")
	}
	check(t, write(l, func(tx *Tx) error {
		for _, signed := range ops {
			op, err := crdt.Verify(signed.Payload, signed.Signature)
			if err != nil {
				return err
			}
			if _, known, err := tx.Admit(op); err != nil || known {
				if err != nil {
					return err
				}
				continue
			}
			if _, _, err := tx.Append(op, signed); err != nil {
				return err
			}
		}
		if from == nil {
			return nil
		}
		_, err := tx.AppendDamaged(from)
		return err
	}))
	return to, from
}

// TestSalvageGoesOnBehindUnreadablePages shows that a page which cannot be read costs the rows on it,
// and that these rows are named. The new database is sound but for what waits for them, and has all
// others.
func TestSalvageGoesOnBehindUnreadablePages(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, _ := pagesOf(t, path, "crdt_ops")
	damagePage(t, path, leaves[4], 0, 0x55) // no type of page
	ops, skipped, err := salvage(t, path)
	if err != nil || len(skipped) != 1 || int64(len(ops))+skipped[0].Last-skipped[0].Arrival+1 != n {
		t.Fatalf("got %d ops, skipped %v, %v, want %d rows in all", len(ops), skipped, err, n)
	}
	to, _ := recreate(t, path, ops)
	got, lost := verifyLog(t, to).without(FoundLost)
	got, _ = got.without(FoundWaiting)
	got.expect(t, "")
	if got.report.Rows != int64(len(ops)) || len(lost) == 0 {
		t.Errorf("got %d rows, want %d; lost: %v", got.report.Rows, len(ops), lost)
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
	if !errors.As(err, &broken) || broken.Code != dbfile.CodeNoTable {
		t.Errorf("got %v, %+v", err, broken)
	}
}

// TestLegacyWithoutWhatCannotBeRead shows that a page of a table beside the ops which cannot be read
// costs what is on it. All else is in the new database, which opens and is sound.
func TestLegacyWithoutWhatCannotBeRead(t *testing.T) {
	for _, table := range []string{LeasesTable, tableRepairs, TrustTable, RootsTable} {
		t.Run(table, func(t *testing.T) {
			c := sound(t)
			check(t, write(c.log, func(tx *Tx) error { return tx.PutLease(crdt.OpID{1}, Lease{Session: "s"}) }))
			want := tablesOf(t, c.path)
			path := c.close()
			_, root := pagesOf(t, path, table)
			damagePage(t, path, root, 0, 0x55) // no type of page
			ops, skipped, err := salvage(t, path)
			if err != nil || len(ops) != 12 || len(skipped) > 0 {
				t.Fatalf("got %d ops, skipped %v, %v", len(ops), skipped, err)
			}
			to, from := recreate(t, path, ops)
			if lost := from.Lost; table != tableRepairs && !slices.Equal(lost, []string{table}) || table == tableRepairs && len(lost) > 0 {
				t.Errorf("lost %v", lost)
			}
			verifyLog(t, to).expect(t, "")
			got := tablesOf(t, to)
			for _, name := range []string{TrustTable, RootsTable, LeasesTable} {
				if name != table && !cmp.Equal(want[name], got[name]) {
					t.Errorf("table %s was %v and is %v", name, want[name], got[name])
				}
			}
			appendOps(t, mustCreate(t, to), "more")
		})
	}
}

// TestLegacyWithADamagedKey shows that nothing stands in for a key which is not sound: the error says
// what to do, and the ops can be salvaged.
func TestLegacyWithADamagedKey(t *testing.T) {
	for name, statement := range map[string]string{
		"no table": "DROP TABLE crdt_node_identity",
		"no row":   "DELETE FROM crdt_node_identity",
		"no key":   "UPDATE crdt_node_identity SET seed = x'00'",
		"long key": "UPDATE crdt_node_identity SET seed = CAST(seed || zeroblob(1000000) AS BLOB)",
	} {
		t.Run(name, func(t *testing.T) {
			path := sound(t).close()
			execRaw(t, path, statement)
			_, err := ReadLegacy(t.Context(), testConfig(t, path))
			var broken *Error
			if !errors.As(err, &broken) || broken.Path != path || broken.Code != CodeKeysLost {
				t.Errorf("got %v, %+v", err, broken)
			}
			ops, _, err := salvage(t, path)
			if err != nil || len(ops) != 12 {
				t.Fatalf("got %d ops, %v", len(ops), err)
			}
			to, _ := recreate(t, path, ops)
			verifyLog(t, to).expect(t, "")
			appendOps(t, mustCreate(t, to), "more")
		})
	}
}

// TestLegacyKeepsDamagedRows shows that what builds on a damaged row is applied in the new database,
// and what builds on a lost row waits there.
func TestLegacyKeepsDamagedRows(t *testing.T) {
	path := sound(t).close()
	execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival IN (1, 3)")
	count := func(to string, kind Kind) (n int) {
		check(t, mustCreate(t, to).View(t.Context(), func(s *Snapshot) (err error) { n, err = s.Count(kind); return err }))
		return n
	}
	ops, skipped, err := salvage(t, path)
	if err != nil || len(skipped) != 2 || len(ops) != 10 {
		t.Fatalf("got %d ops, skipped %v, %v", len(ops), skipped, err)
	}
	to, _ := recreate(t, path, ops)
	if assumed, pending := count(to, Assumed), count(to, Pending); assumed != 2 || pending != 0 {
		t.Errorf("%d rows are taken for applied, want 2; %d wait", assumed, pending)
	}
	execRaw(t, path, "DELETE FROM crdt_ops WHERE arrival = 6") // on it build 5 and 7 to 12
	ops, _, err = salvage(t, path)
	check(t, err)
	to, _ = recreate(t, path, ops)
	if pending := count(to, Pending); pending != 7 {
		t.Errorf("%d ops wait, want 7", pending)
	}
}

// TestSalvageAFileThatEndsEarly shows that the rows on the pages that are there are salvaged,
// wherever the file ends.
func TestSalvageAFileThatEndsEarly(t *testing.T) {
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
		ops, skipped, err := salvage(t, path)
		if err != nil || len(skipped) == 0 || len(ops) >= n || int64(len(ops)+len(skipped)) < verified.report.Rows-5 {
			t.Errorf("%d of %d bytes: got %d ops, skipped %v, %v; verify: %+v", end, len(whole), len(ops), skipped, err, verified.report)
		}
	}
}

// TestSalvageOfNothing shows that a bundle without any op is an error that names the database.
func TestSalvageOfNothing(t *testing.T) {
	path := longLog(t, 300)
	leaves, root := pagesOf(t, path, tableOps)
	damagePage(t, path, root, 0, 0x55)
	for _, leaf := range leaves {
		damagePage(t, path, leaf, 0, 0x55)
	}
	_, _, err := salvage(t, path)
	var broken *Error
	if !errors.As(err, &broken) || broken.Path != path || broken.Code != CodeUnsalvageable {
		t.Errorf("got %v, %+v", err, broken)
	}
	empty := filepath.Join(t.TempDir(), "empty.db")
	mustCreate(t, empty)
	if _, skipped, err := salvage(t, empty); err != nil || len(skipped) > 0 {
		t.Errorf("a log without ops: %v, skipped %v", err, skipped)
	}
}

// TestSalvageSurvivesAnyDamage shows that whatever pages of a file hold, Verify, Salvage and ReadLegacy
// end, and that the new database has no fault but damaged payloads and what is lost with the rows
// that are not in it.
func TestSalvageSurvivesAnyDamage(t *testing.T) {
	t.Parallel()
	const n = 600 // rows are read 128 at a time
	path := longLog(t, n)
	whole, err := os.ReadFile(path)
	check(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for range 40 {
		check(t, os.WriteFile(path, damagedCopy(rng, whole), 0o600))
		_, _ = Verify(t.Context(), Verification{Path: path, Logger: slog.New(slog.DiscardHandler), Check: verifySchema.Check, Found: func(Finding) {}})
		ops, _, err := salvage(t, path)
		var broken *Error
		if err != nil && (!errors.As(err, &broken) || broken.Code == "" || broken.Path != path) {
			t.Errorf("got %v, %+v", err, broken)
		}
		if err != nil {
			counts["no ops"]++
			continue
		}
		counts["ops"]++
		to, from := recreate(t, path, ops)
		if from == nil {
			counts["no legacy"]++
		}
		got := verifyLog(t, to)
		for _, allowed := range []FindingKind{FoundHash, FoundSignature, FoundLost, FoundWaiting, FoundShape, FoundColumn, FoundSeq, FoundTrust} {
			got, _ = got.without(allowed)
		}
		got.report.Faults = 0
		got.expect(t, "")
	}
	t.Log(counts)
}

// damagedCopy returns a file of which some pages are damaged.
func damagedCopy(rng *rand.Rand, whole []byte) []byte {
	file, pages := bytes.Clone(whole), len(whole)/pageBytes
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
	return file
}
