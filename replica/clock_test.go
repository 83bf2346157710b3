package replica_test

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestClockJumps: the wall clock jumps by years, forth and back, also before
// 1970. It is shown and decides nothing: a later write wins, whatever it says.
func TestClockJumps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var now time.Time
	jumping := replica.New(replica.Config{
		Path: path, Now: func() time.Time { return now }, Rand: rand.Reader,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), LockTimeout: time.Minute,
	})
	defer jumping.Close()
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
			t.Errorf("%d: a new process shows another document (-old +new): %s", year, diff)
		}
	}
	imports(t, newReplica(t, path+".other"), replica.ImportReport{New: 16}, exported(t, steady)...)
}
