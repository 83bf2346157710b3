//go:build linux

package replica_test

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// TestFaults is the fault table of a replica: in each of its operations each
// call to the system fails once, for every such call that the operation makes;
// before the work is done and after it; once, and until the disk is healed.
// After each step one checker compares what callers were told, the document in
// memory, what a new process reads, and what it would read had all processes
// been killed, or the power failed, just then.
func TestFaults(t *testing.T) {
	for _, op := range faultOperations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			// All at one path: elsewhere the file would be a copy, which has no key.
			folder := filepath.Join(vfstest.TempDir(t), "case")
			row := &faultRow{folder: folder, name: "p.db", stories: told{}, checked: map[[sha256.Size]byte]bool{}}
			op.prepare(t, row, folder)
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			cases := 0
			for _, fault := range vfstest.Faults() {
				for n := 0; ; n++ {
					came, err := newFaultCase(t, row).run(op.act, fault, n)
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

// faultOperation is a row of the table: act is done on the files that prepare
// left.
type faultOperation struct {
	name    string
	prepare func(t *testing.T, row *faultRow, folder string)
	act     func(c *faultCase)
}

// faultRow is what the cases of a row share.
type faultRow struct {
	folder  string                     // of the case
	name    string                     // of the database
	before  map[string][]byte          // the files
	stories told                       // in them
	bundle  []string                   // to import
	bundled []string                   // the stories in it
	author  crdt.Author                // of the database, if there is one
	checked map[[sha256.Size]byte]bool // what may be on disk after a crash
}

var faultOperations = []faultOperation{
	{"first write", noStories, func(c *faultCase) {
		c.armed(func() { c.update("10_s"); c.view() })
	}},
	{"first read", someStories, func(c *faultCase) {
		c.armed(func() { c.view(); c.view() })
	}},
	{"write", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.update("10_s"); c.view(); c.update("11_s"); c.view() })
	}},
	{"write with checkpoint", checkpointedStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.update("10_s"); c.update("11_s") })
	}},
	{"write after another process", someStories, func(c *faultCase) {
		c.view()
		defer c.another("20_s")()
		c.armed(func() { c.update("10_s"); c.update("11_s") })
	}},
	{"read after another process", someStories, func(c *faultCase) {
		c.view()
		defer c.another("20_s")()
		c.armed(func() { c.view(); c.view() })
	}},
	{"writes at once", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.updates(8); c.view(); c.update("11_s") })
	}},
	{"claim", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.claim("2_s"); c.claim("2_s"); c.view(); c.claim("3_s") })
	}},
	{"import", damagedStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.imports(); c.imports() })
	}},
	{"trust", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.trust(); c.update("11_s") })
	}},
	{"write to an older schema", olderStories, func(c *faultCase) {
		c.armed(func() { c.update("10_s") })
	}},
}
