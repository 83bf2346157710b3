package crdt_test

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// history is a random history over a few replicas: honest writes, partial
// exchanges in any order, restarts, damage, and hostile ops.
type history struct {
	replicas []*replica
	ops      []*crdt.Op
}

var (
	drawnNames   = []string{"a", "b", "c", "d"}
	drawnStories = []string{"1_story_x", "2_story_y", "10_story_z"}
)

func drawHistory(t *rapid.T) *history {
	h := &history{}
	for _, name := range drawnNames[:rapid.IntRange(2, 4).Draw(t, "replicas")] {
		h.replicas = append(h.replicas, newReplica(name, drawTrusted(t)...))
	}
	for range rapid.IntRange(1, 30).Draw(t, "steps") {
		r := h.replicas[rapid.IntRange(0, len(h.replicas)-1).Draw(t, "replica")]
		switch rapid.SampledFrom([]string{"write", "write", "write", "receive", "receive", "hostile", "twins", "restart", "damage"}).Draw(t, "step") {
		case "write":
			op := &crdt.Op{Story: drawStory(t), Edits: h.drawEdits(t, r)}
			op.Fence = drawFence(t, r.doc.Story(op.Story))
			h.ops = append(h.ops, r.writeOp(t, op))
		case "receive":
			h.receiveSome(t, r)
		case "hostile":
			h.hostile(t, r)
		case "twins":
			h.twins(t, r)
		case "restart":
			r.restart(t)
		case "damage":
			if len(r.log) > 0 {
				r.log[rapid.IntRange(0, len(r.log)-1).Draw(t, "row")].damaged = true
				r.rebuild(t)
			}
		}
	}
	return h
}

// restart reads the log anew: the document stays the same.
func (r *replica) restart(t rapid.TB) {
	t.Helper()
	before := text(r.doc)
	r.rebuild(t)
	sameText(t, "replica "+r.name+" reads its log anew", before, r.doc)
}

// drawTrusted draws nobody half of the time, which means that all are.
func drawTrusted(t *rapid.T) []string {
	if rapid.Bool().Draw(t, "trust all") {
		return nil
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(drawnNames), 1, 3, rapid.ID).Draw(t, "trusted")
}

// drawFence draws the fence that an honest author knows for a story, or a greater one that it was given, or
// any one at all.
func drawFence(t *rapid.T, s *crdt.DocStory) (f crdt.Fence) {
	if s != nil {
		f = s.Fence()
	}
	switch rapid.IntRange(0, 7).Draw(t, "fence") {
	case 0:
		f = crdt.Fence{Epoch: max(1, f.Epoch), Revision: f.Revision + 1}
	case 1:
		f = crdt.Fence{Epoch: rapid.Uint64Range(1, 3).Draw(t, "epoch"), Revision: rapid.Uint64Range(1, 3).Draw(t, "revision")}
	case 2:
		f = crdt.Fence{}
	}
	return f
}

func drawStory(t *rapid.T) string { return rapid.SampledFrom(drawnStories).Draw(t, "story") }

// drawEdits draws edits of different things. Every second inc is honest, and
// every second place.
func (h *history) drawEdits(t *rapid.T, r *replica) (edits []crdt.Edit) {
	kinds := []string{
		"place", "place", "note", "stage", "agent", "name", "blocked", "deleted", "set count", "inc count",
		"dep 7", "dep 8", "unknown field", "unknown kind",
	}
	drawn := rapid.SliceOfN(rapid.SampledFrom(kinds), 1, 3).Draw(t, "edits")
	slices.Sort(drawn)
	for _, kind := range slices.Compact(drawn) {
		n := rapid.IntRange(0, 3).Draw(t, "value")
		switch kind {
		case "stage", "agent", "name":
			edits = append(edits, crdt.Set(kind, crdt.String(string(rune('p'+n)))))
		case "blocked", "deleted":
			edits = append(edits, crdt.Set(kind, crdt.Bool(n%2 == 0)))
		case "set count":
			if slices.Contains(drawn, "inc count") {
				continue // one op never does both
			}
			edits = append(edits, crdt.Set("retry_count", crdt.Int(int64(10*n))))
		case "inc count":
			base := h.drawOpID(t)
			if s := r.doc.Story("1_story_x"); s != nil && n%2 == 0 {
				base = s.Writer(fieldRetry)
			}
			edits = append(edits, crdt.Inc("retry_count", uint64(n+1), base))
		case "dep 7", "dep 8":
			edits = append(edits, crdt.Dep(uint32(kind[4]-'0'), n%2 == 0))
		case "note":
			edits = append(edits, crdt.Note(fmt.Sprint("note ", n)))
		case "place":
			edits = append(edits, crdt.Place(h.drawAnchor(t, r, n%2 == 0)))
		case "unknown field":
			edits = append(edits, crdt.Set("estimate", crdt.Int(int64(n))))
		case "unknown kind":
			edits = append(edits, crdt.Edit{Kind: crdt.EditKind(6 + 50*n)})
		}
	}
	return edits
}

// drawAnchor draws the place of a story that r shows, or of none; or any op,
// with a place or without, seen by r or not, or any story's own element, also
// of one that never comes.
func (h *history) drawAnchor(t *rapid.T, r *replica, honest bool) crdt.Anchor {
	switch {
	case honest && r.doc.PlacedLen() == 0:
		return crdt.Anchor{}
	case honest:
		i := rapid.IntRange(-1, r.doc.PlacedLen()-1).Draw(t, "behind")
		if i < 0 {
			return crdt.Anchor{}
		}
		return r.doc.PlacedAt(i).Anchor()
	}
	switch rapid.IntRange(0, 3).Draw(t, "anchor") {
	case 0:
		return crdt.Anchor{Story: rapid.SampledFrom(append(drawnStories, "9_story_never", "x")).Draw(t, "own element")}
	case 1:
		return crdt.Anchor{Op: h.drawOpID(t)}
	}
	return crdt.Anchor{Op: h.drawPlace(t)}
}

// drawPlace draws an op that places a story, or any other if there is none.
func (h *history) drawPlace(t *rapid.T) crdt.OpID {
	var places []crdt.OpID
	for _, op := range h.ops {
		if slices.ContainsFunc(op.Edits, func(e crdt.Edit) bool { return e.Kind == crdt.KindPlace }) {
			places = append(places, op.ID)
		}
	}
	if len(places) == 0 {
		return h.drawOpID(t)
	}
	return places[rapid.IntRange(0, len(places)-1).Draw(t, "place")]
}

// drawOpID draws any op, one that never comes, or none.
func (h *history) drawOpID(t *rapid.T) crdt.OpID {
	i := rapid.IntRange(-2, len(h.ops)-1).Draw(t, "op")
	if i < 0 {
		return crdt.OpID{byte(2 + i)}
	}
	return h.ops[i].ID
}

// receiveSome delivers some of all ops to r, in any order, with repeats.
func (h *history) receiveSome(t *rapid.T, r *replica) {
	if len(h.ops) == 0 {
		return
	}
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(h.ops)-1), 0, 6).Draw(t, "delivered") {
		_, _ = r.tryReceive(t, h.ops[i]) // hostile ones are refused
	}
}

// twins makes an author sign two ops at one seq that put two stories behind one
// place. Nobody has applied them yet.
func (h *history) twins(t *rapid.T, r *replica) {
	parents, seq := r.doc.Next()
	after := h.drawAnchor(t, r, rapid.Bool().Draw(t, "honest"))
	for _, story := range rapid.SliceOfNDistinct(rapid.SampledFrom(drawnStories), 2, 2, rapid.ID).Draw(t, "stories") {
		h.ops = append(h.ops, r.sign(t, &crdt.Op{Seq: seq, Parents: parents, Story: story, Edits: []crdt.Edit{crdt.Place(after)}}))
	}
}

// hostile makes an op that r's document did not give: any parents, any seq, a
// value of the wrong type. Nobody has applied it yet.
func (h *history) hostile(t *rapid.T, r *replica) {
	op := &crdt.Op{Story: drawStory(t), Edits: h.drawEdits(t, r), Seq: 1, Fence: drawFence(t, nil)}
	if len(h.ops) > 0 {
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, len(h.ops)-1), 0, 3, rapid.ID).Draw(t, "parents") {
			if p := h.ops[i]; !slices.Contains(op.Parents, p.ID) {
				op.Parents = append(op.Parents, p.ID)
				op.Seq = max(op.Seq, p.Seq+1)
			}
		}
	}
	switch rapid.IntRange(0, 5).Draw(t, "fault") {
	case 0:
		op.Seq++
	case 1:
		op.Seq = max(1, op.Seq-1)
	case 2:
		op.Edits = append(op.Edits, crdt.Set("blocked_reason", crdt.Int(1)))
	case 3:
		op.Parents = append(op.Parents, crdt.OpID{1}) // never comes
	}
	slices.SortFunc(op.Parents, crdt.OpID.Compare)
	h.ops = append(h.ops, r.sign(t, op))
}
