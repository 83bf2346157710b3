//go:build linux

package replica_test

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
)

// TestFaults is the fault table of a replica. In each of its operations each call to the system
// fails: before the work is done and after it, once and until the disk is healed. After each step one checker compares what callers were told, what
// the process shows, what a new process reads, what the log alone gives, and what a process would
// read had all processes been killed, or the power failed, just then.
func TestFaults(t *testing.T) {
	for i, op := range faultOperations {
		t.Run(op.name, func(t *testing.T) {
			t.Parallel()
			// All cases are at one path. Elsewhere the file would be a copy, which has no key.
			folder := filepath.Join(vfstest.TempDir(t), "case")
			row := &faultRow{folder: folder, name: "p.db", stories: told{}, checked: map[[sha256.Size]byte]bool{}, rested: map[[sha256.Size]byte]bool{}}
			op.prepare(t, row, folder)
			if err := os.RemoveAll(folder); err != nil {
				t.Fatal(err)
			}
			cases := 0
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for _, fault := range vfstest.Faults() {
				for n := 0; ; n += stride(random, n) {
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

// stride returns how far the next call that fails is from the n-th. Early calls fail nearly all,
// later ones by chance. With HUSKIES_FAULTS=all every call fails, which takes some minutes.
func stride(random *rand.Rand, n int) int {
	if os.Getenv("HUSKIES_FAULTS") == "all" {
		return 1
	}
	return 1 + random.IntN(1+2*n)
}

// faultOperation is a row of the table. The case does act on the files that prepare left.
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
	moved   crdt.Author                // of the one that was moved away
	checked map[[sha256.Size]byte]bool // what may be on disk after a crash
	rested  map[[sha256.Size]byte]bool // states that the log was found to give
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
	{"import of what another had", movedStories, func(c *faultCase) {
		from := c.legacy()
		c.armed(func() { c.importsLegacy(from); c.view() })
	}},
	{"trust", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.trust(); c.update("11_s") })
	}},
	{"write to an older schema", olderStories, func(c *faultCase) {
		c.armed(func() { c.update("10_s") })
	}},
	{"rebuild", someStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.rebuild(); c.view(); c.update("10_s") })
	}},
	{"restore", copiedStories, func(c *faultCase) {
		c.view()
		c.armed(func() { c.restore(); c.view(); c.update("10_s"); c.view() })
	}},
	{"rebuild before a write", staleStories, func(c *faultCase) {
		c.armed(func() { c.view(); c.update("10_s"); c.view() })
	}},
	{"lease of a session", claimedStory, func(c *faultCase) {
		c.view()
		c.armed(func() { c.follow("2_s"); c.session.Close(); c.view(); c.update("10_s") })
	}},
}
