package replica_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestClockJumps shows that a wall clock that jumps by years, forth and back, also before 1970, is
// shown and decides nothing. A later write wins, whatever the clock says.
func TestClockJumps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var now time.Time
	cfg := configOf(t, path)
	cfg.Now, cfg.LockTimeout = func() time.Time { return now }, time.Minute
	jumping := open(t, cfg)
	steady := newReplica(t, path)
	for i, year := range []int{2026, 2096, 1996, 1969, 1970, 9999, 1, 2026} {
		now = time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
		for who, r := range map[string]*replica.Replica{"jumping": jumping, "steady": steady} {
			name := fmt.Sprint(who, i)
			write(t, r, "1_s", pipeline.Changes{Stage: ptr(pipeline.Current), Name: &name})
			for _, reader := range []*replica.Replica{jumping, steady} {
				if s, err := read(t, reader, "1_s"); err != nil || s.Name != name {
					t.Errorf("%s wrote %s in %d, got %q (%v)", who, name, year, s.Name, err)
				}
			}
		}
		if diff := cmp.Diff(text(t, steady), text(t, newReplica(t, path))); diff != "" {
			t.Errorf("%d: a new process shows another state (-old +new): %s", year, diff)
		}
	}
	imports(t, newReplica(t, path+".other"), replica.ImportReport{New: 16}, exported(t, steady)...)
}
