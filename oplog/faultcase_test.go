//go:build linux

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

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// faultKey is the key of the logs of these tests.
var faultKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// someOps makes a log with two ops, which the WAL still has.
func someOps(t *testing.T, path string) {
	l := mustCreate(t, path) // closed when the test ends
	appendOps(t, l, "a", "b")
}

// olderSchema is someOps by an older build.
func olderSchema(t *testing.T, path string) {
	someOps(t, path)
	for _, s := range []string{"DROP TABLE leases", "DROP TABLE trust_decisions", "DROP TABLE repairs", "PRAGMA user_version = 1"} {
		execRaw(t, path, s)
	}
}

// aBackup is someOps in a file that is not set to write-ahead logging.
func aBackup(t *testing.T, path string) {
	someOps(t, path+".from")
	execRaw(t, path+".from", "VACUUM INTO '"+path+"'")
}

// readFiles returns the database in the folder and its WAL, by name.
func readFiles(t *testing.T, folder string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"p.db", "p.db-wal"} {
		if data, err := os.ReadFile(filepath.Join(folder, name)); err == nil {
			files[name] = data
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return files
}

// writeFiles makes the folder with the files in it.
func writeFiles(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// faultCase is one fault in one operation, and what is known of the log.
type faultCase struct {
	t         *testing.T
	folder    string
	cfg       Config
	injector  vfstest.Injector
	recorder  vfstest.Recorder
	before    map[string][]byte
	log       *Log
	unsettled bool                       // see settle
	wrong     error                      // what settle found
	opened    bool                       // by tryOpen
	came      bool                       // the fault
	checked   map[[sha256.Size]byte]bool // power cuts of the row
	// key is the log's: once a log was opened, it has it for ever.
	key    ed25519.PrivateKey
	groups []group
	crash  *powerCut // just behind the operation
}

// group is the ops of one Write, and what its caller was told.
type group struct {
	ops   []crdt.SignedOp
	there presence
}

type presence uint8

const (
	surely presence = iota // acknowledged, or seen on disk
	maybe                  // the commit answered an error
	not                    // nothing was written
)

// powerCut is what is on disk if the power fails, and what must be.
type powerCut struct {
	files  map[string][]byte
	key    ed25519.PrivateKey
	groups []group
}

func newFaultCase(t *testing.T, folder string, files map[string][]byte, checked map[[sha256.Size]byte]bool) *faultCase {
	t.Helper()
	c := &faultCase{t: t, checked: checked, folder: folder, before: files}
	c.cfg = testConfig(t, filepath.Join(c.folder, "p.db"))
	c.cfg.Logger, c.cfg.Sync = slog.New(slog.DiscardHandler), vfstest.SyncFile
	if len(files) > 0 {
		c.key = faultKey
		for _, name := range []string{"a", "b"} {
			_, signed := makeOp(t, faultKey, 1, name)
			c.groups = append(c.groups, group{ops: []crdt.SignedOp{signed}})
		}
		c.cfg.Rand = keySource(8) // a key made now is not the one that must be there
	}
	return c
}

// run lets the n-th call of the fault's kind in act fail, and checks. It reports
// whether there was such a call.
func (c *faultCase) run(act func(*faultCase) error, fault vfstest.Fault, n int) (came bool, err error) {
	writeFiles(c.t, c.folder, c.before)
	defer os.RemoveAll(c.folder)
	stop := vfstest.Watch(c.t, c.folder, vfstest.Chain(c.recorder.Failed, c.injector.Handle, c.recorder.Handle))
	defer stop()
	defer func() {
		if c.log != nil {
			_ = c.log.Close()
		}
	}()
	c.injector.Plan(fault, n)
	if err := errors.Join(act(c), c.wrong); err != nil {
		return c.came, err
	}
	return c.came, errors.Join(c.check(), c.wrong)
}

// armed runs fn with the fault, which is healed afterwards.
func (c *faultCase) armed(fn func() error) error {
	c.injector.Arm()
	err := fn()
	c.came = c.injector.Heal()
	c.crash = c.cutPower()
	return err
}

// open opens the log where nothing may fail.
func (c *faultCase) open() {
	c.t.Helper()
	l, err := Open(context.Background(), c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	c.log, c.key = l, l.Key()
}

func (c *faultCase) exec(statement string) {
	c.t.Helper()
	if _, err := c.log.conn.ExecContext(context.Background(), statement); err != nil {
		c.t.Fatal(err)
	}
}

// another appends an op as another process and stays until it is closed.
func (c *faultCase) another() (closeIt func()) {
	c.t.Helper()
	l, err := Open(context.Background(), c.cfg)
	if err != nil {
		c.t.Fatal(err)
	}
	mine := c.log
	c.log = l
	if err := c.write("of another"); err != nil {
		c.t.Fatal(err)
	}
	c.log = mine
	return func() { _ = l.Close() }
}

// clear returns an error unless err is one that a person can act on.
func clear(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Next == "" {
		return fmt.Errorf("an error without a next step: %w", err)
	}
	return nil
}

// settle opens the log anew and settles it, which it must be after an error that
// leaves open what is on disk.
func (c *faultCase) settle() error {
	if !c.unsettled {
		return nil
	}
	if c.log != nil {
		_ = c.log.Close()
	}
	c.log = nil
	l, err := Create(context.Background(), c.cfg)
	if err != nil {
		return err
	}
	c.log = l
	if c.key == nil {
		c.key = l.Key()
	}
	if err := l.Settle(context.Background()); err != nil {
		return err
	}
	rows, err := readRows(l)
	if err == nil {
		c.unsettled = false
		c.wrong = errors.Join(c.wrong, c.compare(rows))
	}
	return err
}

// write writes an op a name in one transaction and notes what it was told.
func (c *faultCase) write(names ...string) error {
	if err := c.settle(); err != nil {
		return clear(err) // nothing was written
	}
	var g group
	err := c.log.Write(context.Background(), func(tx *Tx) error {
		for _, name := range names {
			op, signed := makeOp(c.t, c.log.Key(), 1, name)
			g.ops = append(g.ops, signed)
			if _, err := tx.Append(op, signed); err != nil {
				return err
			}
		}
		return nil
	})
	var e *Error
	switch {
	case err == nil:
		g.there = surely
	case errors.As(err, &e) && e.Uncertain():
		g.there, c.unsettled = maybe, true
	default:
		g.there = not
	}
	c.groups = append(c.groups, g)
	if err == nil {
		return nil
	}
	if strings.Contains(e.Next, "may have been made") != (g.there == maybe) {
		return fmt.Errorf("%w: says %q", err, e.Next)
	}
	return clear(err)
}

// refuse appends an op and says no: nothing is on disk, whatever fails.
func (c *faultCase) refuse() error {
	no := errors.New("no")
	c.groups = append(c.groups, group{there: not})
	g := &c.groups[len(c.groups)-1]
	err := c.log.Write(context.Background(), func(tx *Tx) error {
		op, signed := makeOp(c.t, c.log.Key(), 1, "refused")
		g.ops = []crdt.SignedOp{signed}
		if _, err := tx.Append(op, signed); err != nil {
			return err
		}
		return no
	})
	if errors.Is(err, no) {
		return nil
	}
	return clear(err)
}

// read reads the log: all of it, or an error.
func (c *faultCase) read() error {
	rows, err := readRows(c.log)
	if err != nil {
		return clear(err)
	}
	return c.compare(rows)
}

// tryOpen opens a log, which must be there if one was opened before.
// Once it was, it is not tried again.
func (c *faultCase) tryOpen(open func(context.Context, Config) (*Log, error)) error {
	if c.opened {
		return nil
	}
	if c.unsettled {
		return nil // for check
	}
	l, err := open(context.Background(), c.cfg)
	if err != nil {
		var e *Error
		c.unsettled = errors.As(err, &e) && e.Uncertain()
		return clear(err)
	}
	defer l.Close()
	c.opened = true
	if c.key == nil {
		c.key = l.Key()
	}
	rows, err := readRows(l)
	if err != nil {
		return clear(err)
	}
	return errors.Join(c.sameKey(l), c.compare(rows))
}

func (c *faultCase) sameKey(l *Log) error {
	if c.key == nil || c.key.Equal(l.Key()) {
		return nil
	}
	// In the file of a restart, which is a copy, the key is one of a former home.
	own, err := l.Identities(context.Background())
	if err != nil || slices.ContainsFunc(own, func(id Identity) bool { return id.Author == crdt.AuthorOf(c.key) && !id.Keyless }) {
		return err
	}
	return errors.New("the replica's key is another")
}

func readRows(l *Log) (rows []SignedRow, err error) {
	err = l.ReadSigned(context.Background(), 0, func(row SignedRow) error {
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// compare compares rows with what callers were told. What may be there is from
// now on what it was found to be.
func (c *faultCase) compare(rows []SignedRow) error {
	for i := range c.groups {
		g := &c.groups[i]
		have := min(len(rows), len(g.ops))
		there := have == len(g.ops) && slices.EqualFunc(rows[:have], g.ops, func(row SignedRow, op crdt.SignedOp) bool {
			return row.ID == op.ID && row.Signature == op.Signature && bytes.Equal(row.Payload, op.Payload)
		})
		switch {
		case g.there == not:
			continue
		case there:
			g.there, rows = surely, rows[have:]
		case g.there == surely:
			return fmt.Errorf("write %d was acknowledged, or seen, and is not there", i)
		default:
			g.there = not
		}
	}
	if len(rows) > 0 {
		return fmt.Errorf("%d rows that nobody wrote, or half a write; the first is arrival %d, op %s", len(rows), rows[0].Arrival, rows[0].ID.Short())
	}
	return nil
}
