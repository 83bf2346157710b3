package replica_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

func have(t testing.TB, r *replica.Replica) replica.Have {
	t.Helper()
	h, err := r.Have(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestHave: a replica that has not seen the other's heads sends little of what the other has, and all
// that it lacks.
func TestHave(t *testing.T) {
	dir := t.TempDir()
	const shared, apart = 300, 10
	a := chain(t, filepath.Join(dir, "a.db"), shared)
	b := newReplica(t, filepath.Join(dir, "b.db"))
	imports(t, b, replica.ImportReport{New: shared}, exported(t, a)...)
	for i := range apart {
		for _, r := range []*replica.Replica{a, b} {
			write(t, r, "1_s", pipeline.Changes{Name: ptr(fmt.Sprint("apart ", i))})
		}
	}
	h := have(t, a)
	if len(h.Known) != shared+apart {
		t.Errorf("%d ops are known, want %d", len(h.Known), shared+apart)
	}
	if len(h.Since) > 16 {
		t.Errorf("%d ops are named", len(h.Since))
	}
	if n := len(exported(t, b, heads(t, a)...)); n != shared+apart {
		t.Errorf("with the heads alone %d ops are sent, want all %d: this test shows nothing", n, shared+apart)
	}
	sent := exported(t, b, h.Since...)
	if len(sent) < apart || len(sent) > 2*apart {
		t.Errorf("%d ops are sent, want %d and few more", len(sent), apart)
	}
	imports(t, a, replica.ImportReport{New: apart, Known: len(sent) - apart}, sent...)
}

// TestHaveNamesNoPendingOp: an op whose parents are not here does not stand for them.
func TestHaveNamesNoPendingOp(t *testing.T) {
	dir := t.TempDir()
	a := chain(t, filepath.Join(dir, "a.db"), 5)
	lines := exported(t, a)
	b := newReplica(t, filepath.Join(dir, "b.db"))
	imports(t, b, replica.ImportReport{New: 2, Pending: 1}, lines[0], lines[4])
	h := have(t, b)
	if len(h.Known) != 2 {
		t.Errorf("%d ops are known, want 2", len(h.Known))
	}
	imports(t, b, replica.ImportReport{New: 3, Known: 1}, exported(t, a, h.Since...)...)
	if got, want := heads(t, b), heads(t, a); len(got) != 1 || got[0] != want[0] {
		t.Errorf("got heads %v, want %v", got, want)
	}
}

// TestHaveOfNothing: no database has nothing.
func TestHaveOfNothing(t *testing.T) {
	h := have(t, newReplica(t, filepath.Join(t.TempDir(), "x.db")))
	if len(h.Known) != 0 || len(h.Since) != 0 {
		t.Errorf("got %v", h)
	}
	var none crdt.OpID
	if h.Known[none] {
		t.Error("the zero ID is known")
	}
}
