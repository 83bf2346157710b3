//go:build linux

package oplog

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// TestFaults is the fault table of the log and its state: in each operation each call
// to the system fails once, for the calls that nextFault names; before
// the work is done and after it; once, and until the disk is healed. After each
// step one checker compares what callers were told, what the open log reads,
// what a new process reads, and what a power cut would leave; and each time the tables
// of the state with those that a rebuild makes.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, op := range faultOperations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			// All at one path: elsewhere the file would be a copy, which has no key.
			folder := filepath.Join(vfstest.TempDir(t), "case")
			before := op.prepare(t, filepath.Join(folder, "p.db"))
			files := readFiles(t, folder)
			check(t, os.RemoveAll(folder))
			checked := map[[sha256.Size]byte]bool{}
			cases := 0
			for _, fault := range vfstest.Faults() {
				for n := 0; ; n = nextFault(n) {
					c := newFaultCase(t, folder, files, before, checked)
					came, err := c.run(op.act, fault, n)
					if err != nil {
						t.Errorf("%v, call %d: %v", fault, n, err)
					}
					if !came {
						break
					}
					cases++
				}
			}
			t.Logf("%d faults", cases)
			if cases == 0 {
				t.Error("no call failed: this row tests nothing")
			}
		})
	}
}

// nextFault returns which call fails after the n-th. With HUSKIES_FAULTS set that is the
// one behind it, which takes minutes. Without, the later calls of long operations, which
// are much like each other, are passed over more and more.
func nextFault(n int) int {
	if os.Getenv("HUSKIES_FAULTS") != "" {
		return n + 1
	}
	return n + 1 + n
}

// faultOperation is a row of the table: act is done to a log that prepare left.
type faultOperation struct {
	name    string
	prepare func(t *testing.T, path string) []group
	act     func(c *faultCase) error // an error says that something is not as promised
}

var faultOperations = []faultOperation{
	{"append", someOps, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.write("one"), c.write("two")) })
	}},
	{"append many", someOps, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.write("one", strings.Repeat("x", 9000), "three"), c.write("four")) })
	}},
	{"append with checkpoint", someOps, func(c *faultCase) error {
		c.open()
		c.exec("PRAGMA wal_autocheckpoint = 1")
		return c.armed(func() error { return errors.Join(c.write("one"), c.write("two")) })
	}},
	{"append to a WAL that starts anew", someOps, func(c *faultCase) error {
		c.open()
		c.exec("PRAGMA wal_checkpoint(FULL)")
		return c.armed(func() error { return errors.Join(c.write("one"), c.write("two")) })
	}},
	{"append after another process", someOps, func(c *faultCase) error {
		c.open()
		defer c.another()()
		return c.armed(func() error { return errors.Join(c.write("one"), c.write("two")) })
	}},
	{"append that is refused", someOps, func(c *faultCase) error {
		c.open()
		return c.armed(c.refuse)
	}},
	{"read", someOps, func(c *faultCase) error {
		c.open()
		defer c.another()()
		return c.armed(func() error { return errors.Join(c.read(), c.read()) })
	}},
	{"open", someOps, func(c *faultCase) error {
		return c.armed(func() error { return c.tryOpen(Open) })
	}},
	{"open beside another process", someOps, func(c *faultCase) error {
		defer c.another()()
		return c.armed(func() error { return c.tryOpen(Open) })
	}},
	{"create", func(*testing.T, string) []group { return nil }, func(c *faultCase) error {
		return c.armed(func() error { return errors.Join(c.tryOpen(Create), c.tryOpen(Create)) })
	}},
	{"migrate schema 1", olderSchema(1), func(c *faultCase) error {
		return c.armed(func() error { return errors.Join(c.tryOpen(Create), c.tryOpen(Create)) })
	}},
	{"migrate schema 4", olderSchema(4), func(c *faultCase) error {
		return c.armed(func() error { return errors.Join(c.tryOpen(Create), c.tryOpen(Create)) })
	}},
	{"read schema 4", olderSchema(4), func(c *faultCase) error {
		return c.armed(func() error { return errors.Join(c.tryOpen(Open), c.tryOpen(Open)) })
	}},
	{"trust and rebuild", opsOfOthers, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.trust("ann"), c.trust("bob")) })
	}},
	{"repair", damagedRow, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.repair(), c.write("one")) })
	}},
	{"lease", someOps, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.lease(1), c.lease(2)) })
	}},
	{"rebuild", someOps, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.rebuild(), c.write("one")) })
	}},
	{"write to a state that does not fit", staleState, func(c *faultCase) error {
		c.open()
		return c.armed(func() error { return errors.Join(c.write("one"), c.write("two")) })
	}},
	{"turn a backup to WAL", aBackup, func(c *faultCase) error {
		return c.armed(func() error { return errors.Join(c.tryOpen(Create), c.tryOpen(Create)) })
	}},
	{"close", someOps, func(c *faultCase) error {
		c.open()
		if err := c.write("one"); err != nil {
			return err
		}
		return c.armed(func() error {
			_ = c.log.Close() // whatever it answers, what was acknowledged is there
			c.log = nil
			return nil
		})
	}},
}
