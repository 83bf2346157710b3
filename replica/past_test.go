package replica_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// past returns the history of a story: arrival number, op and fields of each change, the newest
// first.
func past(t testing.TB, r *replica.Replica, id string) (all []string) {
	t.Helper()
	err := r.View(t.Context(), func(v *replica.View) error {
		all = nil
		return v.History(id, 0, func(e replica.Entry) bool {
			all = append(all, fmt.Sprint(e.Arrival, " ", e.Op.ID.Short(), " ", pipeline.Summary(e.Op)))
			return e.Op.Story == id
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestHistoryIsKeptUp shows that all processes tell the same history after own writes, writes of
// others, and ops that waited for others.
func TestHistoryIsKeptUp(t *testing.T) {
	dir := t.TempDir()
	lines := exported(t, chain(t, filepath.Join(dir, "from.db"), 100))
	rng := rand.New(rand.NewPCG(3, 4))
	rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	path := filepath.Join(dir, "to.db")
	importer, watcher := newReplica(t, path), newReplica(t, path)
	if got := past(t, importer, "1_s"); got != nil { // there is no database yet
		t.Errorf("got %v", got)
	}
	agree := func(step string, want int) {
		t.Helper()
		sum := 0
		for i := range 7 {
			id := fmt.Sprintf("%d_s", i+1)
			fresh := past(t, newReplica(t, path), id)
			for who, r := range map[string]*replica.Replica{"importer": importer, "watcher": watcher} {
				if diff := cmp.Diff(fresh, past(t, r, id)); diff != "" {
					t.Errorf("%s, %s, %s (-new process +this one):\n%s", step, id, who, diff)
				}
			}
			sum += len(fresh)
		}
		if want >= 0 && sum != want {
			t.Errorf("%s: %d changes, want %d", step, sum, want)
		}
	}
	for part := range slices.Chunk(lines, 30) { // each in disorder, so that ops wait across parts
		if _, err := tryImport(importer, part...); err != nil {
			t.Fatal(err)
		}
		agree("part", -1)
	}
	agree("all imported", 100)
	write(t, importer, "3_s", pipeline.Changes{Name: ptr("own")})
	write(t, watcher, "3_s", pipeline.Changes{Name: ptr("other's")})
	agree("written", 102)
	if got := past(t, importer, "3_s")[:2]; got[0][:3] != "102" || got[1][:3] != "101" {
		t.Errorf("the last two are %v", got)
	}
}

// TestHistoryInPages shows that a history can be read page by page.
func TestHistoryInPages(t *testing.T) {
	r := chain(t, filepath.Join(t.TempDir(), "p.db"), 50*7)
	want := past(t, r, "3_s")
	if len(want) != 50 {
		t.Fatalf("%d changes, want 50", len(want))
	}
	var got []string
	before := int64(0)
	for {
		n := 0
		err := r.View(t.Context(), func(v *replica.View) error {
			return v.History("3_s", before, func(e replica.Entry) bool {
				got = append(got, fmt.Sprint(e.Arrival, " ", e.Op.ID.Short(), " ", pipeline.Summary(e.Op)))
				before = e.Arrival
				n++
				return n < 7
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-whole +in pages):\n%s", diff)
	}
}

// TestHistoryWithoutDamagedRows shows that rows that cannot be read are no history, until they are
// mended.
func TestHistoryWithoutDamagedRows(t *testing.T) {
	path, _, lines := damage(t, "payload = x'a0' WHERE arrival IN (2, 3)")
	r := newReplica(t, path)
	count := func() (n int) {
		for _, id := range []string{"1_s", "2_s", "3_s", "4_s", "5_s", "6_s", "7_s"} {
			n += len(past(t, r, id))
		}
		return n
	}
	if got := count(); got != len(lines)-2 {
		t.Errorf("%d changes, want %d", got, len(lines)-2)
	}
	if _, err := tryImport(r, lines...); err != nil {
		t.Fatal(err)
	}
	if got := count(); got != len(lines) {
		t.Errorf("mended: %d changes, want %d", got, len(lines))
	}
}

// TestLatest shows that the last rows of the log are told in order, and those that have no effect are
// left out.
func TestLatest(t *testing.T) {
	r := chain(t, filepath.Join(t.TempDir(), "p.db"), 10)
	held, _ := stranger(t, crdt.Op{Seq: 1, Story: "9_theirs", Edits: []crdt.Edit{crdt.Set(pipeline.NameStage, crdt.String("1_backlog"))}, Creates: true})
	author, _, err := r.Author(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	latest := func() (arrivals []int64) {
		err := r.View(t.Context(), func(v *replica.View) error {
			arrivals = nil
			entries, err := v.Latest(3)
			for _, e := range entries {
				arrivals = append(arrivals, e.Arrival)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return arrivals
	}
	if got, want := latest(), []int64{8, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("got rows %v, want %v", got, want)
	}
	if _, err := r.Admit(t.Context(), []crdt.SignedOp{held}); err != nil {
		t.Fatal(err)
	}
	if got, want := latest(), []int64{9, 10, 11}; !slices.Equal(got, want) {
		t.Errorf("with an op of a stranger: got rows %v, want %v", got, want)
	}
	if err := r.Trust(t.Context(), author, "us"); err != nil {
		t.Fatal(err)
	}
	if got, want := latest(), []int64{9, 10}; !slices.Equal(got, want) {
		t.Errorf("with that op held: got rows %v, want %v", got, want)
	}
}
