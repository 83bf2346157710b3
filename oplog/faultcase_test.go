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
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// faultKey is the key of the logs of these tests.
var faultKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

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

// group is what one Write did, and what its caller was told.
type group struct {
	ops []crdt.SignedOp
	// seen reports whether the change is there, if it is not one of ops.
	seen    func(*Snapshot) (bool, error)
	damaged bool // the rows of ops need not have their payloads
	there   presence
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

func newFaultCase(t *testing.T, folder string, files map[string][]byte, before []group, checked map[[sha256.Size]byte]bool) *faultCase {
	t.Helper()
	c := &faultCase{t: t, checked: checked, folder: folder, before: files}
	c.cfg = testConfig(t, filepath.Join(c.folder, "p.db"))
	c.cfg.Logger, c.groups = slog.New(slog.DiscardHandler), slices.Clone(before)
	if len(files) > 0 {
		c.key = faultKey
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
	if _, err := c.log.file.Conn.ExecContext(context.Background(), statement); err != nil {
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

// actionable returns an error unless err has a code, for which there are words.
func actionable(err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Code == "" {
		return fmt.Errorf("an error without a code: %w", err)
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
	found, err := lookAt(l)
	if err == nil {
		c.unsettled = false
		c.wrong = errors.Join(c.wrong, c.compare(found))
	}
	return err
}

// write writes an op a name in one transaction and notes what it was told.
func (c *faultCase) write(names ...string) error {
	var ops []crdt.SignedOp
	return c.change(func(tx *Tx) error {
		ops = nil
		for _, name := range names {
			op, signed := makeOp(c.t, c.log.Key(), 1, name)
			ops = append(ops, signed)
			if err := appendOp(tx, op, signed); err != nil {
				return err
			}
		}
		return nil
	}, func() group { return group{ops: ops} })
}

// change makes a change in one transaction and notes what it was told. What it is, made
// says afterwards.
func (c *faultCase) change(fn func(tx *Tx) error, made func() group) error {
	if err := c.settle(); err != nil {
		return actionable(err) // nothing was written
	}
	err := c.log.Write(context.Background(), fn)
	g := made()
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
	return actionable(err)
}

// trust trusts an author, whereby the state must be made anew.
func (c *faultCase) trust(who string) error {
	author := crdt.AuthorOf(authorKey(who))
	return c.change(func(tx *Tx) error { return tx.Trust(author, who) }, func() group {
		return group{seen: func(s *Snapshot) (bool, error) {
			all, err := s.Trusted()
			return slices.ContainsFunc(all, func(a TrustedAuthor) bool { return a.Author == author }), err
		}}
	})
}

// repair gives the second row of damagedRow its payload back.
func (c *faultCase) repair() error {
	op, signed := makeOp(c.t, faultKey, 1, "b")
	return c.change(func(tx *Tx) error { return tx.Repair(op, signed) }, func() group {
		return group{seen: func(s *Snapshot) (bool, error) {
			row, err := s.Row(2)
			return bytes.Equal(row.Payload, signed.Payload), err
		}}
	})
}

// lease stores a lease of a claim.
func (c *faultCase) lease(claim byte) error {
	return c.change(func(tx *Tx) error { return tx.PutLease(crdt.OpID{claim}, Lease{Session: "s"}) }, func() group {
		return group{seen: func(s *Snapshot) (bool, error) {
			_, ok, err := s.Lease(crdt.OpID{claim})
			return ok, err
		}}
	})
}

// rebuild makes the state anew, which changes nothing that anybody was told.
func (c *faultCase) rebuild() error {
	if err := c.log.Rebuild(context.Background()); err != nil {
		return actionable(err)
	}
	return nil
}

// refuse appends an op and says no: nothing is on disk, whatever fails.
func (c *faultCase) refuse() error {
	no := errors.New("no")
	c.groups = append(c.groups, group{there: not})
	g := &c.groups[len(c.groups)-1]
	err := c.log.Write(context.Background(), func(tx *Tx) error {
		op, signed := makeOp(c.t, c.log.Key(), 1, "refused")
		g.ops = []crdt.SignedOp{signed}
		if err := appendOp(tx, op, signed); err != nil {
			return err
		}
		return no
	})
	if errors.Is(err, no) {
		return nil
	}
	return actionable(err)
}

// read reads the log: all of it, or an error.
func (c *faultCase) read() error {
	found, err := lookAt(c.log)
	if err != nil {
		return actionable(err)
	}
	return c.compare(found)
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
		return actionable(err)
	}
	defer l.Close()
	c.opened = true
	if c.key == nil {
		c.key = l.Key()
	}
	found, err := lookAt(l)
	if err != nil {
		return actionable(err)
	}
	return errors.Join(c.sameKey(l), c.compare(found))
}

func (c *faultCase) sameKey(l *Log) error {
	if c.key == nil || c.key.Equal(l.Key()) {
		return nil
	}
	// In the file of a restart, which is a copy, the key is one of a former home.
	var own []Identity
	err := l.View(context.Background(), func(s *Snapshot) (err error) { own, err = s.Identities(); return err })
	if err != nil {
		return actionable(err)
	}
	if slices.ContainsFunc(own, func(id Identity) bool { return id.Author == crdt.AuthorOf(c.key) && !id.Keyless }) {
		return nil
	}
	return errors.New("the replica's key is another")
}
