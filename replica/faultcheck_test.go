//go:build linux

package replica_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
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
	if s, err := c.look(c.r); err != nil || c.told.compare(s) != nil {
		return fmt.Errorf("memory, after the next write: %w", errors.Join(err, c.told.compare(s)))
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

// agree compares memory and disk with each other and with what callers were told.
func (c *faultCase) agree() error {
	memory, err := c.look(c.r)
	if err == nil {
		err = c.told.compare(memory)
	}
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	fresh := c.newReplica(c.path)
	defer fresh.Close()
	disk, err := c.look(fresh)
	if err == nil {
		err = c.told.compare(disk)
	}
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if memory.text != disk.text {
		return fmt.Errorf("memory shows\n%s\nand the disk\n%s", memory.text, disk.text)
	}
	return nil
}

// checkCrash checks what a process finds after a crash. What was checked once in
// the row is not checked again.
func (c *faultCase) checkCrash(cr crash) error {
	sum := cr.sum()
	if c.row.checked[sum] {
		return nil
	}
	folder := c.row.folder + "-after"
	writeFiles(c.t, folder, cr.files)
	defer os.RemoveAll(folder)
	r := c.newReplica(filepath.Join(folder, c.row.name))
	defer r.Close()
	s, err := c.look(r)
	if err == nil {
		err = cr.told.compare(s)
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
