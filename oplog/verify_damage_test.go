package oplog

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// pageBytes is SQLite's default, which the driver uses.
const pageBytes = 4096

// pagesOf returns the numbers of the pages of a table or an index, from 1, the
// root first, and how many rows stand on each page.
func pagesOf(t *testing.T, path, name string) (leaves []int64, root int64) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT rootpage FROM sqlite_schema WHERE name = ?", name).Scan(&root); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path", name)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, n)
	}
	return leaves, root
}

// damagePage changes the byte at an offset within a page of the file.
func damagePage(t *testing.T, path string, page int64, offset int, to byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{to}, (page-1)*pageBytes+int64(offset)); err != nil {
		t.Fatal(err)
	}
}

const opsIndex = "sqlite_autoindex_crdt_ops_1"

// without leaves out the findings of a kind and returns them apart.
func (v verified) without(kind FindingKind) (rest verified, left []string) {
	rest = v
	rest.found = nil
	for _, f := range v.found {
		if strings.HasPrefix(f, string(kind)+" ") {
			left = append(left, f)
		} else {
			rest.found = append(rest.found, f)
		}
	}
	rest.report.Faults -= len(left)
	return rest, left
}

// TestVerifyGoesOnBehindUnreadablePages: a page of the table that SQLite cannot
// read costs the rows that are on it. Those are named, all others are verified.
func TestVerifyGoesOnBehindUnreadablePages(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, root := pagesOf(t, path, "crdt_ops")
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first := make(map[int64]int64, len(leaves)+1) // the first row of each leaf
	for _, row := range readAll(t, mustOpen(t, path), 0) {
		page := int64(bytes.Index(sound, row.Signature[:])/pageBytes) + 1
		if _, seen := first[page]; !seen {
			first[page] = row.Arrival
		}
	}
	rowsOf := func(leaf int) (from, to int64) {
		from, to = first[leaves[leaf]], n
		if leaf+1 < len(leaves) {
			to = first[leaves[leaf+1]] - 1
		}
		return from, to
	}
	if len(leaves) < 9 || first[leaves[0]] != 1 {
		t.Fatalf("the test's picture of the file is wrong: leaves %v, first rows %v", leaves, first)
	}
	for name, damaged := range map[string][]int{
		"first": {0}, "middle": {4}, "two apart": {2, 5}, "neighbours": {6, 7}, "last": {len(leaves) - 1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, sound, 0o600); err != nil {
				t.Fatal(err)
			}
			var want []string
			lost := int64(0)
			for i, leaf := range damaged {
				damagePage(t, path, leaves[leaf], 0, 0x55) // no type of page
				from, to := rowsOf(leaf)
				lost += to - from + 1
				if i > 0 && damaged[i-1] == leaf-1 {
					from, _ = rowsOf(damaged[i-1])
					want = want[:len(want)-1]
				}
				want = append(want, fmt.Sprintf("unreadable %d-%d", from, to))
			}
			got, sqlite := verifyLog(t, path).without(FoundSQLite)
			got.expect(t, strings.Join(want, ","))
			if len(sqlite) == 0 || got.report.Rows != n-lost {
				t.Errorf("got %d rows, want %d; SQLite's check: %v", got.report.Rows, n-lost, sqlite)
			}
		})
	}
	t.Run("root", func(t *testing.T) {
		if err := os.WriteFile(path, sound, 0o600); err != nil {
			t.Fatal(err)
		}
		damagePage(t, path, root, 0, 0x55)
		got, _ := verifyLog(t, path).without(FoundSQLite)
		got.expect(t, fmt.Sprintf("unreadable 1-%d", n))
	})
}

// TestVerifyChecksTheIndex: an index that does not lead to its rows lets an op in
// twice, and none of the rows shows it.
func TestVerifyChecksTheIndex(t *testing.T) {
	path := longLog(t, 300)
	leaves, _ := pagesOf(t, path, opsIndex)
	for _, offset := range []int{0, pageBytes - 5} { // the type of page; a byte of an ID
		damagePage(t, path, leaves[1], offset, 0x77)
		got, sqlite := verifyLog(t, path).without(FoundSQLite)
		got.expect(t, "")
		if len(sqlite) == 0 {
			t.Errorf("offset %d: SQLite's check says nothing", offset)
		}
	}
}

// TestVerifyTruncatedFile: of a file that ends too early the rows that are there
// are verified, and the others named.
func TestVerifyTruncatedFile(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, _ := pagesOf(t, path, "crdt_ops")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := slices.Max(leaves) // most of the ops stand at the end
	if err := os.Truncate(path, min(info.Size(), (cut-1)*pageBytes)); err != nil {
		t.Fatal(err)
	}
	got, sqlite := verifyLog(t, path).without(FoundSQLite)
	if got.err != nil || len(sqlite) == 0 || got.report.Rows < n/2 || got.report.Rows >= n || len(got.found) == 0 {
		t.Errorf("got %+v, %v, %v, SQLite's check: %v", got.report, got.found, got.err, sqlite)
	}
	for _, f := range got.found {
		if !strings.HasPrefix(f, string(FoundUnreadable)) {
			t.Errorf("a row that is there is named: %s\n%s", f, got.text)
		}
	}
}

// TestVerifySurvivesAnyByte: whatever one byte of the file is, Verify ends and
// does not panic.
func TestVerifySurvivesAnyByte(t *testing.T) {
	t.Parallel()
	c := sound(t)
	path := c.close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(file); at += 97 {
		if file[at] == 0 && at%5 > 0 { // mostly free space
			continue
		}
		changed := bytes.Clone(file)
		changed[at] ^= 0xff
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := verifyLog(t, path); got.report.Rows > 24 {
			t.Errorf("byte %d: %d rows of 12", at, got.report.Rows)
		}
	}
}

// TestVerifyReadOnly: a file that the process may only read can be verified.
func TestVerifyReadOnly(t *testing.T) {
	path := sound(t).close()
	execRaw(t, path, "PRAGMA journal_mode = DELETE") // as a backup on other people's disks
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	got := verifyLog(t, path)
	got.expect(t, "")
	if got.report.Rows != 12 {
		t.Errorf("got %+v", got.report)
	}
}

// TestVerifyGoesOnBehindAnUnreadableBranch: a page that leads to thousands of rows
// costs all of them and no row more.
func TestVerifyGoesOnBehindAnUnreadableBranch(t *testing.T) {
	const n = 8_000
	path := longLog(t, n)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var branch, rows int64
	if err := db.QueryRow(`SELECT pageno FROM dbstat WHERE name = 'crdt_ops' AND path = '/000/' AND pagetype = 'internal'`).Scan(&branch); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow(`SELECT sum(ncell) FROM dbstat WHERE name = 'crdt_ops' AND path GLOB '/000/*' AND pagetype = 'leaf'`).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	if rows < 1_000 || rows >= n {
		t.Fatalf("the test's picture of the file is wrong: %d rows under page %d", rows, branch)
	}
	damagePage(t, path, branch, 0, 0x55)
	got, _ := verifyLog(t, path).without(FoundSQLite)
	got.expect(t, fmt.Sprintf("unreadable 1-%d", rows))
	if got.report.Rows != n-rows {
		t.Errorf("got %d rows, want %d", got.report.Rows, n-rows)
	}
}

// TestVerifyEndsWhereAPageIsTwice: the last page of the table is a copy of the first, as
// a disk may write it where it does not belong. Verify ends, and names what is lost.
func TestVerifyEndsWhereAPageIsTwice(t *testing.T) {
	const n = 300
	path := longLog(t, n)
	leaves, _ := pagesOf(t, path, tableOps)
	file, err := os.ReadFile(path)
	check(t, err)
	page := func(i int) []byte { return file[(leaves[i]-1)*pageBytes:][:pageBytes] }
	rows := binary.BigEndian.Uint16(page(0)[3:]) // of the first page, in its header
	lost := binary.BigEndian.Uint16(page(len(leaves) - 1)[3:])
	copy(page(len(leaves)-1), page(0))
	check(t, os.WriteFile(path, file, 0o600))
	got, _ := verifyLog(t, path).without(FoundSQLite)
	got, twice := got.without(FoundTwice)
	got, behind := got.without(FoundArrival)
	got.expect(t, "")
	if got.report.Rows != n-int64(lost)+int64(rows) || len(twice) != int(rows) || len(behind) == 0 {
		t.Errorf("got %+v, %d of them twice, want %d; %v", got.report, len(twice), rows, behind)
	}
}
