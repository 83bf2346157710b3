package crdt_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// The commands of histories that let a replica begin anew, and the one that
// compares all of them.

// restart replaces a replica's document by one that reads the log anew.
func (w *world) restart(r *replica) {
	w.t.Helper()
	before := text(r.doc)
	r.rebuild(w.t)
	if diff := cmp.Diff(w.named(before), w.named(text(r.doc))); diff != "" {
		w.t.Errorf("replica %s reads its log anew (-before +after):\n%s", r.name, diff)
	}
}

// lose damages a row of a replica's log.
func (w *world) lose(op *crdt.Op, r *replica) {
	w.t.Helper()
	i := slices.Index(r.log, row{op: op})
	if i < 0 {
		w.t.Fatalf("replica %s has no op %s", r.name, w.named(op.ID.Short()))
	}
	r.log[i].damaged = true
	r.rebuild(w.t)
}

// trust gives a replica another list of trusted authors.
func (w *world) trust(r *replica, names []string) {
	w.t.Helper()
	r.trusted = nil
	if !slices.Equal(names, []string{"all"}) {
		r.trusted = authors(append([]string{r.name}, names...)...)
	}
	r.rebuild(w.t)
}

// shuffle sends all that one replica has to another in random order, half of
// it twice.
func (w *world) shuffle(from, to *replica) {
	w.t.Helper()
	for _, op := range shuffled(rand.New(rand.NewPCG(1, 2)), from.ops()) {
		to.receive(w.t, op)
	}
}

func shuffled(rng *rand.Rand, ops []*crdt.Op) []*crdt.Op {
	ops = slices.Concat(ops, ops[:(len(ops)+1)/2])
	rng.Shuffle(len(ops), func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
	return ops
}

// converge is the command check.
func (w *world) converge() {
	w.t.Helper()
	for _, r := range w.sorted() {
		for _, op := range w.ops {
			_, _ = r.tryReceive(w.t, op) // hostile ops are refused again
		}
	}
	rest := w.sorted()
	for len(rest) > 0 {
		first := rest[0]
		var names []string
		rest = slices.DeleteFunc(rest, func(r *replica) bool {
			same := sameAuthors(r.trusted, first.trusted)
			if same {
				names = append(names, r.name)
				if diff := cmp.Diff(w.named(text(first.doc)), w.named(text(r.doc))); diff != "" {
					w.t.Errorf("replicas %s and %s have the same ops (-%[1]s +%[2]s):\n%[3]s", first.name, r.name, diff)
				}
			}
			return same
		})
		w.checkOne(first)
		who := fmt.Sprintf("%d replicas agree", len(names))
		switch {
		case len(names) == 1:
			who = first.name
		case len(names) < len(w.replicas):
			who = strings.Join(names, " ") + " agree"
		}
		d := first.doc
		fmt.Fprintf(&w.out, "%s: %d ops applied, ", who, d.Len())
		if d.HeldLen() > 0 {
			fmt.Fprintf(&w.out, "%d held, ", d.HeldLen())
		}
		fmt.Fprintf(&w.out, "%d pending, %d stories\n", d.PendingLen(), d.StoryCount())
	}
}

// checkOne compares a replica that got all ops with documents that got them in
// other orders, and with the model.
func (w *world) checkOne(r *replica) {
	w.t.Helper()
	want := w.named(text(r.doc))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 24 {
		d := replayLog(w.t, undamaged(shuffled(rng, w.ops)), r.trusted...)
		if diff := cmp.Diff(want, w.named(text(d))); diff != "" {
			w.t.Errorf("the same ops in another order (-replica %s +other order):\n%s", r.name, diff)
			return
		}
	}
	if diff := cmp.Diff(modelOf(undamaged(w.ops), r.trusted...), observe(r.doc)); diff != "" {
		w.t.Errorf("replica %s (-model +document):\n%s", r.name, diff)
	}
}

func sameAuthors(a, b []crdt.Author) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, crdt.Author.Compare)
	slices.SortFunc(b, crdt.Author.Compare)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
