//go:build linux

package replica_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/replica"
)

// check is the checker, for when nothing fails any more.
func (c *faultCase) check() error {
	if err := c.agree(); err != nil {
		return err
	}
	id := "90_after"
	c.told[id] = surely
	if err := c.write(c.r, id); err != nil {
		return fmt.Errorf("the next write: %w", err)
	}
	s, err := c.look(c.r)
	if err != nil || c.told.compare(s) != nil {
		return fmt.Errorf("the process, after the next write: %w", errors.Join(err, c.told.compare(s)))
	}
	if err := c.rests(c.r, s); err != nil {
		return fmt.Errorf("after the next write: %w", err)
	}
	c.cutPower("after the next write")
	if err := c.r.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	for _, crash := range c.crashes {
		if err := c.checkCrash(crash); err != nil {
			return fmt.Errorf("%s: %w", crash.what, err)
		}
	}
	return nil
}

// agree compares what the process shows with what a new one does, with the log, and with what
// callers were told.
func (c *faultCase) agree() error {
	mine, err := c.look(c.r)
	if err == nil {
		err = c.told.compare(mine)
	}
	if err != nil {
		return fmt.Errorf("the process: %w", err)
	}
	fresh := c.newReplica(c.path)
	defer fresh.Close()
	theirs, err := c.look(fresh)
	if err == nil {
		err = c.told.compare(theirs)
	}
	if err != nil {
		return fmt.Errorf("a new process: %w", err)
	}
	if mine.text != theirs.text {
		return fmt.Errorf("the process shows\n%s\nand a new one\n%s", mine.text, theirs.text)
	}
	return c.rests(fresh, theirs)
}

// rests returns an error if the log gives another state than the one that was seen. A log that ends
// with the same op gives the same state, so each state is compared once in the row.
func (c *faultCase) rests(r *replica.Replica, s seen) error {
	at := s.at
	at.State = 0
	sum := sha256.Sum256([]byte(at.String() + s.text))
	if c.row.rested[sum] {
		return nil
	}
	var b strings.Builder
	if err := r.DumpLog(context.Background(), &b); err != nil {
		return fmt.Errorf("the log: %w", err)
	}
	if kept, _, _ := strings.Cut(s.text, trustedLine); kept != b.String() {
		return fmt.Errorf("the state is\n%s\nand the log gives\n%s", kept, b.String())
	}
	c.row.rested[sum] = true
	return nil
}

// checkCrash checks what a process finds after a crash. Files that were checked once in the row
// are not checked again.
func (c *faultCase) checkCrash(cr crash) error {
	sum := cr.sum()
	if c.row.checked[sum] {
		return nil
	}
	if err := os.RemoveAll(c.row.folder); err != nil {
		return err
	}
	writeFiles(c.t, c.row.folder, cr.files)
	r := c.newReplica(c.path)
	defer r.Close()
	s, err := c.look(r)
	if err == nil {
		err = cr.told.compare(s)
	}
	if err == nil {
		err = c.rests(r, s)
	}
	c.row.checked[sum] = err == nil
	return err
}

func (cr *crash) sum() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(cr.files)) {
		fmt.Fprintln(h, name, len(cr.files[name]))
		_, _ = h.Write(cr.files[name])
	}
	fmt.Fprintln(h, cr.told)
	return [sha256.Size]byte(h.Sum(nil))
}
