package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

var verifySchema = crdt.NewSchema(crdt.FieldDef{Name: "name", Type: crdt.FieldString})

// verified is the outcome of a Verify: each finding as "kind row" or "kind
// first-last".
type verified struct {
	found  []string
	whole  []Finding
	text   string // of them, for a person who reads what failed
	report VerifyReport
	err    error
}

func verifyLog(t *testing.T, path string) (v verified) {
	t.Helper()
	before := dumpFolder(t, path)
	v.report, v.err = Verify(t.Context(), Verification{
		Path: path, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Check: verifySchema.Check,
		Found: func(f Finding) {
			where := fmt.Sprint(" ", f.Arrival)
			if f.Last != 0 {
				where += fmt.Sprint("-", f.Last)
			}
			v.found = append(v.found, string(f.Kind)+where)
			v.whole = append(v.whole, f)
			v.text += fmt.Sprintf("%s%s %s: %+v\n", f.Kind, where, f.ID.Short(), f.Problem)
		},
	})
	slices.Sort(v.found)
	if diff := cmp.Diff(before, dumpFolder(t, path)); diff != "" {
		t.Errorf("verify changed files (-before +after):\n%s", diff)
	}
	return v
}

// dumpFolder returns the hash of each file in the folder of the database at path,
// which nobody has open.
func dumpFolder(t *testing.T, path string) map[string]string {
	t.Helper()
	hashes := make(map[string]string)
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		hashes[e.Name()] = fmt.Sprintf("%x", fileHash(t, filepath.Join(filepath.Dir(path), e.Name())))
	}
	return hashes
}

// expect compares what was found with "kind row, kind first-last"; faults are
// counted, notes are not.
func (v verified) expect(t *testing.T, want string) {
	t.Helper()
	wanted := strings.FieldsFunc(want, func(r rune) bool { return r == ',' })
	faults := 0
	for i := range wanted {
		wanted[i] = strings.TrimSpace(wanted[i])
		if !strings.HasPrefix(wanted[i], string(FoundWaiting)) {
			faults++
		}
	}
	slices.Sort(wanted)
	if v.err != nil || strings.Join(v.found, ", ") != strings.Join(wanted, ", ") || v.report.Faults != faults {
		t.Errorf("got %v, %d faults, error %v\nwant %v\n%s", v.found, v.report.Faults, v.err, wanted, v.text)
	}
}

func TestVerifySoundLog(t *testing.T) {
	got := verifyLog(t, sound(t).close())
	got.expect(t, "")
	if want := (VerifyReport{Rows: 12, Authors: 3, Early: 2}); got.report != want {
		t.Errorf("got %+v, want %+v", got.report, want)
	}
}

// TestVerifyNamesEachFault: of a log in which one thing was changed, Verify names
// the rows that are changed, and no others.
func TestVerifyNamesEachFault(t *testing.T) {
	t.Parallel()
	const toggle = "CREATE TEMP TABLE b AS SELECT * FROM crdt_ops; "
	for name, tt := range map[string]struct{ statement, want string }{
		"payload bit":              {`UPDATE crdt_ops SET payload = CAST(substr(payload, 1, 100) || x'00' || substr(payload, 102) AS BLOB) WHERE arrival = 4`, "hash 4"},
		"payload cut":              {`UPDATE crdt_ops SET payload = substr(payload, 1, 80) WHERE arrival = 4`, "hash 4"},
		"payload empty":            {`UPDATE crdt_ops SET payload = x'' WHERE arrival = 12`, "hash 12"},
		"signature bit":            {`UPDATE crdt_ops SET signature = CAST(substr(signature, 1, 40) || x'00' || substr(signature, 42) AS BLOB) WHERE arrival = 4`, "signature 4"},
		"signature of another op":  {`UPDATE crdt_ops SET signature = (SELECT signature FROM crdt_ops WHERE arrival = 2) WHERE arrival = 4`, "signature 4"},
		"author column":            {`UPDATE crdt_ops SET author = zeroblob(32) WHERE arrival = 4`, "column 4"},
		"seq column":               {`UPDATE crdt_ops SET seq = seq + 1 WHERE arrival = 4`, "column 4"},
		"both columns":             {`UPDATE crdt_ops SET seq = seq + 1, author = zeroblob(32) WHERE arrival = 4`, "column 4, column 4"},
		"op_id":                    {`UPDATE crdt_ops SET op_id = zeroblob(32) WHERE arrival = 4`, "column 4"},
		"first row taken out":      {`DELETE FROM crdt_ops WHERE arrival = 1`, "arrival 1, waiting 2"},
		"row taken out":            {`DELETE FROM crdt_ops WHERE arrival = 10`, "arrival 10, waiting 11"},
		"rows taken out":           {`DELETE FROM crdt_ops WHERE arrival IN (9, 10)`, "arrival 9-10, waiting 8, waiting 11"},
		"taken out and renumbered": {`DELETE FROM crdt_ops WHERE arrival = 10; UPDATE crdt_ops SET arrival = 10 WHERE arrival = 11; UPDATE crdt_ops SET arrival = 11 WHERE arrival = 12`, "lost 10, state 0"},
		"rows exchanged": {toggle + `UPDATE crdt_ops SET (payload, signature, author, seq) = (SELECT payload, signature, author, seq FROM b WHERE b.arrival = 13 - crdt_ops.arrival)
			WHERE arrival IN (2, 11)`, "column 2, column 11"},
		// What replay makes of them does not depend on their order.
		"order of arrival":       {`UPDATE crdt_ops SET arrival = 99 WHERE arrival = 10; UPDATE crdt_ops SET arrival = 10 WHERE arrival = 11; UPDATE crdt_ops SET arrival = 11 WHERE arrival = 99`, "state 0"},
		"arrival number 0":       {`UPDATE crdt_ops SET arrival = 0 WHERE arrival = 1`, "arrival 0, arrival 1"},
		"greatest number":        {`UPDATE crdt_ops SET arrival = 9223372036854775807 WHERE arrival = 12`, "arrival 9223372036854775807, arrival 12-9223372036854775806"},
		"payload of another row": {`UPDATE crdt_ops SET (payload, signature, author, seq) = (SELECT payload, signature, author, seq FROM crdt_ops WHERE arrival = 2) WHERE arrival = 4`, "column 4, twice 4"},
		"key damaged":            {`UPDATE crdt_node_identity SET seed = x'00'`, "identity 0"},
		"key missing":            {`DELETE FROM crdt_node_identity`, "identity 0"},
		"another key":            {`UPDATE crdt_node_identity SET seed = zeroblob(32)`, "identity 0"},
		"decision taken out":     {`INSERT INTO trust_decisions (id, author, trusted, decided_at) SELECT 3, author, 1, 1 FROM trust_decisions`, "trust 0"},
		"trusted key":            {`UPDATE trust_decisions SET author = zeroblob(32)`, "trust 0"},
		"repair of nothing":      {`UPDATE repairs SET op_id = zeroblob(32)`, "repair 0"},
		"repair taken out":       {`UPDATE repairs SET id = 2`, "repair 0"},
		"one table less":         {`DROP TABLE repairs`, "repair 0"},
		"older schema":           {`DROP TABLE leases; DROP TABLE repairs; DROP TABLE trust_decisions; PRAGMA user_version = 1`, ""},
		"backup":                 {`PRAGMA journal_mode = DELETE`, ""},
		"all rows taken out":     {`DELETE FROM crdt_ops; DELETE FROM repairs`, "state 0"},
		"a story changed":        {`UPDATE stories SET status = 3`, "state 0"},
		"merge data changed":     {`UPDATE stories SET merged = substr(merged, 1, 60)`, "state 0"},
		"a head taken out":       {`DELETE FROM heads`, "state 0"},
		"a count invented":       {`INSERT INTO counts VALUES ('5_done', '', 0, 0, 7)`, "state 0"},
		"a row of history":       {`UPDATE history SET after = '5_done' WHERE arrival = 4`, "state 0"},
		"state of another row":   {`UPDATE state SET arrival = 11`, "state 0"},
		"state of another op":    {`UPDATE state SET op_id = zeroblob(32)`, "state 0"},
		"a table of the state":   {`DROP TABLE numbers`, "schema 0, schema 0"},
		"no state yet":           {`UPDATE state SET format = 0; DELETE FROM stories`, ""},
		"an older state":         {fmt.Sprintf(`UPDATE state SET format = %d; DELETE FROM stories`, stateFormat-1), ""},
		"a newer state":          {`UPDATE state SET format = 99; DELETE FROM stories`, ""},
		"another state ID":       {`UPDATE state SET state_id = 7`, ""},
		"op_id of no ID":         {`PRAGMA ignore_check_constraints = 1; UPDATE crdt_ops SET op_id = x'00' WHERE arrival = 12`, "column 12, sqlite 0"},
		"column of a wrong type": {
			`PRAGMA ignore_check_constraints = 1; UPDATE crdt_ops SET op_id = x'00', signature = x'' WHERE arrival = 12`,
			"column 12, hash 12, sqlite 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := sound(t).close()
			execRaw(t, path, tt.statement)
			verifyLog(t, path).expect(t, tt.want)
		})
	}
}

// TestVerifyNamesForgedOps: rows that were added with all columns in order, by
// somebody who can write the file but has no key, or too many.
func TestVerifyNamesForgedOps(t *testing.T) {
	for name, tt := range map[string]struct {
		forge func(c *chronicle)
		want  string
	}{
		"signed by another": {func(c *chronicle) {
			op, signed := c.draft("own", "x", "12")
			signed.Signature = crdt.Signature(ed25519.Sign(authorKey("mallory"), append([]byte("huskies-op-v1\n"), signed.ID[:]...)))
			c.append(op, signed)
		}, "signature 13"},
		"seq ahead":      {func(c *chronicle) { c.append(c.sign("ann", "x", 99, crdt.Set("name", crdt.String("x")), "12")) }, "seq 13"},
		"seq behind":     {func(c *chronicle) { c.append(c.sign("ann", "x", 2, crdt.Set("name", crdt.String("x")), "12")) }, "seq 13"},
		"seq of no one":  {func(c *chronicle) { c.append(c.sign("ann", "x", 5, crdt.Set("name", crdt.String("x")))) }, "seq 13, equivocation 13"},
		"against a rule": {func(c *chronicle) { c.append(c.sign("ann", "x", 12, crdt.Set("name", crdt.Bool(true)), "12")) }, "rule 13"},
		"never had":      {func(c *chronicle) { c.draft("ann", "x", "12"); c.write("ann", "y", "x", "11") }, "waiting 13"},
		"own, never had": {func(c *chronicle) { c.draft("ann", "x", "12"); c.write("own", "y", "x") }, "lost 13"},
		"seq, comes late": {func(c *chronicle) {
			op, signed := c.draft("ann", "x", "12")
			c.append(c.sign("ann", "y", 50, crdt.Set("name", crdt.String("y")), "x"))
			c.append(op, signed)
		}, "seq 13"},
		"no op": {func(c *chronicle) {
			payload := []byte{0xa1, 0x01, 0x01}
			c.append(&crdt.Op{Seq: 1}, crdt.SignedOp{ID: sha256.Sum256(payload), Payload: payload})
		}, "shape 13"},
		"a version to come": {func(c *chronicle) {
			payload := []byte{0xa1, 0x01, 0x03}
			c.append(&crdt.Op{Seq: 1}, crdt.SignedOp{ID: sha256.Sum256(payload), Payload: payload})
		}, "version 13"},
	} {
		t.Run(name, func(t *testing.T) {
			c := sound(t)
			tt.forge(c)
			verifyLog(t, c.close()).expect(t, tt.want)
		})
	}
}

// TestC23_VerifyReportsEquivocation: two copies of a database wrote with one
// key, and their ops came together. Both rows and both ops are named.
func TestC23_VerifyReportsEquivocation(t *testing.T) {
	c := sound(t)
	c.write("own", "here", "12")
	_, here := c.ops["here"].ID, c.ops["here"]
	c.write("own", "there", "12")
	c.write("ann", "both", "here", "there")
	there := c.ops["there"]
	got := verifyLog(t, c.close())
	got.expect(t, "equivocation 14")
	if f := got.whole[0]; f.ID != there.ID || f.Code != ProblemSameSeq || f.Op != here.ID || f.Row != 13 || f.Have != 12 {
		t.Errorf("got %+v", f)
	}
}

// TestWhatHeldAuthorsDoIsNoFault shows that an author whom nobody here trusts cannot make verify
// fail: the same op of a trusted author is a fault.
func TestWhatHeldAuthorsDoIsNoFault(t *testing.T) {
	for author, faults := range map[string]int{"ann": 2, "bob": 0} {
		c := sound(t)
		c.append(c.sign(author, "13", 40, crdt.Set("name", crdt.String("x")))) // has no parents
		c.append(c.sign(author, "14", 12, crdt.Set("name", crdt.String("x")), "12"))
		c.append(c.sign(author, "15", 12, crdt.Set("name", crdt.String("y")), "12"))
		got := verifyLog(t, c.close())
		if found := strings.Join(got.found, ", "); found != "equivocation 15, seq 13" || got.report.Faults != faults {
			t.Errorf("%s: %d faults, want %d: %s", author, got.report.Faults, faults, got.text)
		}
	}
}

// TestVerifyFindsEveryByte changes one byte of the ops at a time, where it
// stands in the file.
func TestVerifyFindsEveryByte(t *testing.T) {
	t.Parallel()
	const every = 7
	c := sound(t)
	path := c.close()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for row := 1; row <= 12; row++ {
		op := c.ops[map[int]string{5: "5", 6: "6", 8: "8", 9: "9"}[row]]
		if op.Payload == nil {
			op = c.ops[fmt.Sprint(row)]
		}
		for what, b := range map[string][]byte{"hash": op.Payload, "signature": op.Signature[:]} {
			if bytes.Count(file, b) != 1 {
				t.Fatalf("row %d: the %s stands %d times in the file", row, what, bytes.Count(file, b))
			}
			at := bytes.Index(file, b)
			for i := row % every; i < len(b); i += every {
				changed := bytes.Clone(file)
				changed[at+i] ^= 1 << (i % 8)
				if err := os.WriteFile(path, changed, 0o600); err != nil {
					t.Fatal(err)
				}
				verifyLog(t, path).expect(t, fmt.Sprint(what, " ", row))
			}
		}
	}
}

// TestVerifySeesThatTheFileCannotBeOpened: all rows are sound and can be read past
// a header that names more pages than there are; everybody else gives up there.
func TestVerifySeesThatTheFileCannotBeOpened(t *testing.T) {
	path := sound(t).close()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{1}, 29); err != nil { // the size in pages: sqlite.org/fileformat2.html, 1.3.8
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err := Open(t.Context(), Config{Path: path, Logger: slog.New(slog.DiscardHandler)}); err == nil {
		_ = l.Close()
		t.Fatal("the file can be opened")
	}
	verifyLog(t, path).expect(t, "sqlite 0")
}

// TestVerifyNeedsALog: what is no log is an error, as for everybody else.
func TestVerifyNeedsALog(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(path string){
		"missing": func(string) {},
		"empty":   func(path string) { _ = os.WriteFile(path, nil, 0o600) },
	} {
		path := filepath.Join(dir, name)
		if write(path); !errors.Is(verifyLog(t, path).err, ErrNoLog) {
			t.Errorf("%s: got %v, want %v", name, verifyLog(t, path).err, ErrNoLog)
		}
	}
	for name, change := range map[string]string{
		"of another program": "PRAGMA application_id = 7",
		"newer":              "PRAGMA user_version = 99",
	} {
		path := sound(t).close()
		execRaw(t, path, change)
		var broken *Error
		if got := verifyLog(t, path); !errors.As(got.err, &broken) || len(got.found) > 0 {
			t.Errorf("%s: got %v, %v", name, got.err, got.found)
		}
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("This is no database. "), 99), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := verifyLog(t, text); got.err == nil || !strings.Contains(got.err.Error(), "not a database") {
		t.Errorf("text: got %v", got.err)
	}
}

// TestVerifyEndsWhenCancelled: and says so.
func TestVerifyEndsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	path := longLog(t, 20*verifyRows)
	report, err := Verify(ctx, Verification{
		Path: path, Logger: slog.New(slog.DiscardHandler), Check: verifySchema.Check,
		Found:    func(f Finding) { t.Error("found", f) },
		Progress: func(int64, int64) { cancel() },
	})
	if !errors.Is(err, context.Canceled) || report.Rows == 0 || report.Rows == 20*verifyRows {
		t.Errorf("got %+v, %v", report, err)
	}
}

// TestVerifyWhileOthersWrite: what is added meanwhile is not looked at, and
// nobody waits.
func TestVerifyWhileOthersWrite(t *testing.T) {
	path := longLog(t, 3*verifyRows)
	c := &chronicle{t: t, path: path, log: mustCreate(t, path), ops: make(map[string]crdt.SignedOp), seqs: make(map[string]uint64)}
	release, err := NewLock(path).Acquire(t.Context()) // held for other reasons
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	var last [2]int64
	written := 0
	report, err := Verify(t.Context(), Verification{
		Path: path, Logger: slog.New(slog.DiscardHandler), Check: verifySchema.Check,
		Found: func(f Finding) { t.Error("found", f) },
		Progress: func(rows, of int64) {
			last = [2]int64{rows, of}
			op, signed := c.draft("ann", fmt.Sprint("meanwhile", rows))
			if written > 0 { // one author signs one op at a seq
				op, signed = c.draft("ann", fmt.Sprint("meanwhile", rows), fmt.Sprint("meanwhile", written))
			}
			if written = int(rows); c.log.Write(t.Context(), func(tx *Tx) error { return appendOp(tx, op, signed) }) != nil {
				t.Error("a write failed")
			}
		},
	})
	if want := (VerifyReport{Rows: 3 * verifyRows, Authors: 1}); err != nil || report != want || last != [2]int64{3 * verifyRows, 3 * verifyRows} {
		t.Errorf("got %+v, progress %v, %v, want %+v", report, last, err, want)
	}
}
