package oplog

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/migrations"
)

// makeOlder makes a file of an older schema with the ops, as the build of its time left it.
func makeOlder(t *testing.T, path string, version int, key ed25519.PrivateKey, ops ...crdt.SignedOp) {
	t.Helper()
	check(t, CreateFolder(path))
	home, here := "", ""
	if version >= homesSchema {
		home, here = ", machine, path", ", 'here', '"+path+"'"
	}
	statements := []string{
		"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; BEGIN", strings.Join(migrations.All()[:version], "\n"),
		fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, version),
		fmt.Sprintf("INSERT INTO crdt_node_identity (id, seed, author, created_at%s) VALUES (1, x'%x', x'%s', 1%s)", home, key.Seed(), crdt.AuthorOf(key), here),
	}
	for i, signed := range ops {
		op, err := crdt.Decode(signed.Payload)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, fmt.Sprintf("INSERT INTO crdt_ops VALUES (%d, x'%s', x'%s', %d, x'%x', x'%s', 1)",
			i+1, signed.ID, op.Author, op.Seq, signed.Payload, signed.Signature))
	}
	execRaw(t, path, strings.Join(append(statements, "COMMIT"), ";\n"))
}

// olderOps are ops in the log of an older build: applied, held by the decision that
// addDecision makes, pending, and refused.
func olderOps(t *testing.T, key ed25519.PrivateKey) (ops []crdt.SignedOp) {
	add := func(by ed25519.PrivateKey, seq uint64, edit crdt.Edit, parents ...crdt.OpID) {
		op := &crdt.Op{Seq: seq, Story: fmt.Sprintf("%d_story_s", len(ops)%3+1), Parents: parents, Edits: []crdt.Edit{edit}}
		signed, err := crdt.Sign(op, by)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, signed)
	}
	add(key, 1, crdt.Set("stage", crdt.String("1_backlog")))
	add(key, 2, crdt.Set("stage", crdt.String("2_current")), ops[0].ID)
	add(authorKey("ann"), 3, crdt.Set("name", crdt.String("of ann")), ops[1].ID)
	add(authorKey("bob"), 3, crdt.Set("name", crdt.String("of bob")), ops[1].ID)
	add(key, 8, crdt.Note("pending"), crdt.OpID{1})
	add(key, 99, crdt.Note("refused"), ops[0].ID)
	return ops
}

// TestOlderSchema shows that a log of an older build answers reads from memory, that
// nothing in its file is changed by them, and that the holder of the lock brings it up to
// date: then it is as a new file is, and the state says what it said before.
func TestOlderSchema(t *testing.T) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{9}, ed25519.SeedSize))
	for version := 1; version < newestSchema; version++ {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			ops := olderOps(t, key)
			makeOlder(t, path, version, key, ops...)
			held := 0
			if version >= besideSchema {
				held = 1
				execRaw(t, path, fmt.Sprintf("INSERT INTO trust_decisions VALUES (1, x'%s', 'ann', 1, 1)", crdt.AuthorOf(authorKey("ann"))))
			}
			want := dumpFile(t, path)
			file := fileHash(t, path)

			old := mustOpen(t, path)
			if old.Ready() {
				t.Error("a file of an older schema is ready to be written to")
			}
			before := stateDump(t, old)
			view(t, old, func(s *Snapshot) error {
				for kind, want := range map[Kind]int{Held: held, Pending: 1, Refused: 1} {
					if n, err := s.Count(kind); err != nil || n != want {
						t.Errorf("%d %v ops (%v), want %d", n, kind, err, want)
					}
				}
				if story, err := s.Source().Story("2_story_s"); err != nil || story == nil {
					t.Errorf("got story %v (%v)", story, err)
				}
				return nil
			})
			if n := len(readAll(t, old, 0)); n != len(ops) {
				t.Errorf("%d rows, want %d", n, len(ops))
			}
			if !bytes.Equal(file, fileHash(t, path)) {
				t.Error("a reader changed the file")
			}

			l := mustCreate(t, path)
			if diff := cmp.Diff(before, stateDump(t, l)); diff != "" {
				t.Errorf("the state (-in memory +after the upgrade):\n%s", diff)
			}
			checkState(t, l)
			if diff := cmp.Diff(want, dumpFile(t, path)); diff != "" || !l.Key().Equal(key) {
				t.Errorf("the upgrade changed the ops or the key (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(schema(t, mustCreate(t, filepath.Join(t.TempDir(), "p.db"))), schema(t, l)); diff != "" {
				t.Errorf("an old file is not as a new one (-new +old):\n%s", diff)
			}
			if own := identities(t, l); len(own) != 1 || !own[0].Present || own[0].Path != l.file.Path {
				t.Errorf("got identities %+v, want one that is at home here", own)
			}
			appendOps(t, l, "c")
			checkState(t, l)
			if err := old.View(t.Context(), func(*Snapshot) error { return nil }); err != nil {
				t.Errorf("a process that had the old file open: %v", err)
			}
		})
	}
}

// schema returns the statements that make the log's tables, and its version.
func schema(t *testing.T, l *Log) (text string) {
	t.Helper()
	err := l.file.Conn.QueryRowContext(t.Context(), `SELECT group_concat(sql, ';') || (SELECT user_version FROM pragma_user_version)
		FROM (SELECT sql FROM sqlite_schema ORDER BY name)`).Scan(&text)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
