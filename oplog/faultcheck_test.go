//go:build linux

package oplog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// check is the checker, for when nothing fails any more.
func (c *faultCase) check() error {
	ctx := context.Background()
	if err := c.checkBeside(); err != nil {
		return err
	}
	if err := c.settle(); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	if c.log == nil {
		l, err := Create(ctx, c.cfg)
		if err != nil {
			return fmt.Errorf("open again: %w", err)
		}
		c.log = l
		if err := c.sameKey(l); err != nil {
			return err
		}
		c.key = l.Key()
	}
	if err := c.readWell("the open log"); err != nil {
		return err
	}
	if err := c.write("after"); err != nil || c.groups[len(c.groups)-1].there != surely {
		return fmt.Errorf("the next write: %v", err)
	}
	last := c.cutPower()
	if err := c.readWell("the open log after the next write"); err != nil {
		return err
	}
	err := c.log.Close()
	c.log = nil
	if err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if err := c.checkFresh(Open, "restarted"); err != nil {
		return err
	}
	if err := c.checkPowerCut(c.crash); err != nil {
		return fmt.Errorf("power cut: %w", err)
	}
	if err := c.checkPowerCut(last); err != nil {
		return fmt.Errorf("power cut after the next write: %w", err)
	}
	return nil
}

// readWell reads the open log, which works.
func (c *faultCase) readWell(who string) error {
	found, err := lookAt(c.log)
	if err == nil {
		err = errors.Join(c.compare(found), stateFits(c.log))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	return nil
}

// stateFits returns an error if the tables of the state are not what the log gives.
func stateFits(l *Log) error {
	kept, err := dumpOf(l)
	if err != nil {
		return err
	}
	sum, err := logSum(l)
	if err != nil {
		return err
	}
	rebuilt, ok := rebuiltDumps.Load(sum)
	if !ok {
		if rebuilt, err = rebuiltDump(l); err != nil {
			return err
		}
		rebuiltDumps.Store(sum, rebuilt)
	}
	if diff := cmp.Diff(rebuilt, kept); diff != "" {
		return fmt.Errorf("the state is not what the log gives (-rebuilt +kept):\n%s", diff)
	}
	return nil
}

// rebuiltDumps has the dump that a log gives by its sum: the logs of these tests are few,
// and to rebuild costs more than all else.
var rebuiltDumps sync.Map

// logSum returns the hash of all from which a state is made.
func logSum(l *Log) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	err = l.View(context.Background(), func(s *Snapshot) error {
		h.Reset()
		by, err := replayTrust(s.ctx, s.q)
		if err != nil {
			return err
		}
		fmt.Fprintln(h, by.listed, by.own) // a map is printed in the order of its keys
		return s.Rows(0, func(row SignedRow) error {
			_, err := fmt.Fprintln(h, row.Arrival, row.ID, row.Payload, row.Signature, row.Seq)
			return err
		})
	})
	return [sha256.Size]byte(h.Sum(nil)), err
}

// checkFresh checks what a new process finds.
func (c *faultCase) checkFresh(open func(context.Context, Config) (*Log, error), who string) error {
	l, err := open(context.Background(), c.cfg)
	if err != nil {
		return fmt.Errorf("%s: open: %w", who, err)
	}
	defer l.Close()
	found, err := lookAt(l)
	if err == nil {
		err = errors.Join(c.sameKey(l), c.compare(found), stateFits(l))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	var says string
	if err := l.file.Conn.QueryRowContext(context.Background(), "PRAGMA integrity_check").Scan(&says); err != nil || says != "ok" {
		return fmt.Errorf("%s: integrity: %s, %v", who, says, err)
	}
	return nil
}

// checkBeside checks what another process sees. It asks SQLite, which costs less
// than to open a log.
func (c *faultCase) checkBeside() error {
	if c.key == nil {
		return nil // there need be none
	}
	db, err := sql.Open("sqlite", c.cfg.Path)
	if err != nil {
		return err
	}
	defer db.Close()
	found, err := db.Query("SELECT op_id, payload, signature FROM crdt_ops ORDER BY arrival")
	if err != nil {
		return fmt.Errorf("beside: %w", err)
	}
	defer found.Close()
	var rows []SignedRow
	for found.Next() {
		var row SignedRow
		var id, signature []byte
		if err := found.Scan(&id, &row.Payload, &signature); err != nil {
			return err
		}
		copy(row.ID[:], id)
		copy(row.Signature[:], signature)
		rows = append(rows, row)
	}
	if err := errors.Join(found.Err(), c.compare(logFound{rows: rows})); err != nil {
		return fmt.Errorf("beside: %w", err)
	}
	return nil
}

// cutPower cuts the power: of what was done nothing is there but what was
// synced.
func (c *faultCase) cutPower() *powerCut {
	disk := vfstest.NewDisk(c.before)
	for _, e := range c.recorder.Events() {
		disk.Do(e)
	}
	return &powerCut{files: disk.Survivors(rand.New(rand.NewPCG(1, 2)), 0), key: c.key, groups: slices.Clone(c.groups)}
}

// sum is the same for power cuts of which one need be checked.
func (p *powerCut) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		fmt.Fprintln(h, name, len(p.files[name]))
		_, _ = h.Write(p.files[name])
	}
	fmt.Fprintln(h, p.key)
	for _, g := range p.groups {
		fmt.Fprintln(h, g.there)
		for _, op := range g.ops {
			fmt.Fprintln(h, op.ID)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// checkPowerCut checks what a process finds when the power is back. What was
// checked once in the row is not checked again.
func (c *faultCase) checkPowerCut(p *powerCut) error {
	sum := p.sum()
	if c.checked[sum] {
		return nil
	}
	c.checked[sum] = true
	after := &faultCase{t: c.t, folder: c.folder + "-after", key: p.key, groups: p.groups}
	writeFiles(c.t, after.folder, p.files)
	defer os.RemoveAll(after.folder)
	after.cfg = c.cfg
	after.cfg.Path = filepath.Join(after.folder, "p.db")
	after.cfg.Rand = keySource(9)
	return after.checkFresh(Create, "restarted")
}
