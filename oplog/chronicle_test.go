package oplog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// chronicle writes ops into a log, parents first or not.
type chronicle struct {
	t    *testing.T
	path string
	log  *Log
	ops  map[string]crdt.SignedOp
	seqs map[string]uint64
}

// authorKey is the key of an author called by a name.
func authorKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func newChronicle(t *testing.T) *chronicle {
	path := filepath.Join(t.TempDir(), "p.db")
	return &chronicle{t: t, path: path, log: mustCreate(t, path), ops: make(map[string]crdt.SignedOp), seqs: make(map[string]uint64)}
}

// sign makes an op of the author: "own" is the replica's key.
func (c *chronicle) sign(author, name string, seq uint64, edit crdt.Edit, parents ...string) (*crdt.Op, crdt.SignedOp) {
	c.t.Helper()
	key := c.log.Key()
	if author != "own" {
		key = authorKey(author)
	}
	op := &crdt.Op{Story: "1_s", Agent: name, Seq: seq, Edits: []crdt.Edit{edit}}
	for _, p := range parents {
		op.Parents = append(op.Parents, c.ops[p].ID)
	}
	slices.SortFunc(op.Parents, crdt.OpID.Compare)
	signed, err := crdt.Sign(op, key)
	if err != nil {
		c.t.Fatal(err)
	}
	c.ops[name], c.seqs[name] = signed, seq
	return op, signed
}

// draft makes an op with the seq that its parents give.
func (c *chronicle) draft(author, name string, parents ...string) (*crdt.Op, crdt.SignedOp) {
	c.t.Helper()
	var seq uint64
	for _, p := range parents {
		seq = max(seq, c.seqs[p])
	}
	return c.sign(author, name, seq+1, crdt.Set("name", crdt.String(name)), parents...)
}

func (c *chronicle) append(op *crdt.Op, signed crdt.SignedOp) {
	c.t.Helper()
	if err := write(c.log, func(tx *Tx) error { return appendOp(tx, op, signed) }); err != nil {
		c.t.Fatal(err)
	}
}

func (c *chronicle) write(author, name string, parents ...string) {
	c.t.Helper()
	c.append(c.draft(author, name, parents...))
}

// close closes the log, so that all is in the database file.
func (c *chronicle) close() string {
	c.t.Helper()
	if err := c.log.Close(); err != nil {
		c.t.Fatal(err)
	}
	return c.path
}

// sound is a log with all that a sound one may have: 12 ops of three authors,
// two of which arrived before what they build on, and a repaired row.
func sound(t *testing.T) *chronicle {
	t.Helper()
	c := newChronicle(t)
	c.write("own", "1")
	c.write("own", "2", "1")
	c.write("ann", "3", "2")
	c.write("own", "4", "3")
	op6, signed6 := c.draft("ann", "6", "3")
	c.write("ann", "5", "6") // arrives before 6
	c.append(op6, signed6)
	c.write("own", "7", "4", "5")
	op9, signed9 := c.draft("bob", "9", "7")
	c.write("bob", "8", "9", "7")
	c.append(op9, signed9)
	c.write("own", "10", "8")
	c.write("own", "11", "10")
	c.write("own", "12", "11")
	err := write(c.log, func(tx *Tx) error { return tx.Repair(op6, signed6) })
	if err == nil {
		err = write(c.log, func(tx *Tx) error { return tx.Trust(op6.Author, "Ann") })
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// longLog returns a log of n ops in a row and closes it.
func longLog(t testing.TB, n int) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "p.db")
	l, err := create(Config{Path: path, Now: clock(), Rand: keySource(7), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	err = write(l, func(tx *Tx) error {
		var parents []crdt.OpID
		for i := range n {
			op := &crdt.Op{
				Seq: uint64(i) + 1, Parents: parents, Agent: "coder-1", At: 1767225600000 + int64(i), Story: fmt.Sprintf("%d_story_number_%[1]d", i%10_000),
				Edits: []crdt.Edit{crdt.Set("name", crdt.String(fmt.Sprintf("value %d", i)))},
			}
			signed, err := crdt.Sign(op, l.Key())
			if err != nil {
				return err
			}
			if err := appendOp(tx, op, signed); err != nil {
				return err
			}
			parents = []crdt.OpID{op.ID}
		}
		return nil
	})
	if err := errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
