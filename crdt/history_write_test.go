package crdt_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// write runs a command that writes an op: head is the replica and how the op
// departs from an honest one, rest is what it says.
func (w *world) write(head []string, rest string) {
	w.t.Helper()
	r := w.replica(head[0])
	op := &crdt.Op{}
	op.Parents, op.Seq = r.doc.Next()
	op.Story, op.Edits = w.parseEdits(r, rest)
	for head = head[1:]; len(head) > 0; {
		switch head[0] {
		case "after":
			n := slices.IndexFunc(head, func(word string) bool { return word == "seq" || word == "fence" })
			if n < 0 {
				n = len(head)
			}
			op.Parents, op.Seq = w.parents(head[1:n])
			head = head[n:]
		case "seq":
			op.Seq = w.number(head[1])
			head = head[2:]
		case "fence":
			epoch, revision, _ := strings.Cut(head[1], ".")
			op.Fence = crdt.Fence{Epoch: w.number(epoch), Revision: w.number(revision)}
			head = head[2:]
		default:
			w.t.Fatalf("unknown word %q", head[0])
		}
	}
	r.sign(w.t, op)
	w.ops = append(w.ops, op)
	for n := 1; ; n++ {
		if name := r.name + strconv.Itoa(n); w.byName[name] == nil {
			w.byName[name], w.names[op.ID.Short()] = op, name
			break
		}
	}
	switch res, err := r.tryReceive(w.t, op); {
	case errors.Is(err, crdt.ErrRefused):
		fmt.Fprintf(&w.out, "%s: %s\n", r.name, w.named(err.Error()))
	case err != nil || res.Status == crdt.Duplicate:
		w.t.Fatalf("replica %s applies its own op: got %s, error %v", r.name, res.Status, err)
	}
}

// parents returns the named ops as parents, and the seq that follows.
func (w *world) parents(names []string) (ids []crdt.OpID, seq uint64) {
	w.t.Helper()
	if names[0] == "-" {
		return nil, 1
	}
	for _, name := range names {
		op := w.op(name)
		ids, seq = append(ids, op.ID), max(seq, op.Seq)
	}
	slices.SortFunc(ids, crdt.OpID.Compare)
	return ids, seq + 1
}

// parseEdits reads "set STORY FIELD VALUE" and the like, or "op STORY" and
// edits without story, split by semicolons.
func (w *world) parseEdits(r *replica, s string) (story string, edits []crdt.Edit) {
	w.t.Helper()
	f := words(s)
	if len(f) < 2 {
		w.t.Fatalf("cannot read %q", s)
	}
	story = f[1]
	parts := [][]string{append([]string{f[0]}, f[2:]...)}
	if f[0] == "op" {
		parts = parts[:0]
		for part := range splitSeq(f[2:], ";") {
			parts = append(parts, part)
		}
	}
	for _, part := range parts {
		edits = append(edits, w.parseEdit(r, story, part))
	}
	return story, edits
}

func (w *world) parseEdit(r *replica, story string, f []string) crdt.Edit {
	w.t.Helper()
	switch {
	case f[0] == "set" && len(f) == 3:
		return crdt.Set(f[1], parseValue(f[2]))
	case f[0] == "inc" && (len(f) == 3 || len(f) == 5 && f[3] == "on"):
		var base crdt.OpID
		if len(f) == 5 && f[4] != "-" {
			base = w.op(f[4]).ID
		} else if s := r.doc.Story(story); s != nil && len(f) == 3 {
			base = s.Writer(fieldRetry)
		}
		return crdt.Inc(f[1], w.number(f[2]), base)
	case f[0] == "dep" && len(f) == 3:
		return crdt.Dep(uint32(w.number(f[1])), f[2] == "true")
	case f[0] == "note" && len(f) == 2:
		return crdt.Note(parseValue(f[1]).Str())
	case f[0] == "place" && len(f) > 1:
		return crdt.Place(w.parseAnchor(r, story, f[1:]))
	case f[0] == "kind" && len(f) == 2:
		return crdt.Edit{Kind: crdt.EditKind(w.number(f[1]))}
	}
	w.t.Fatalf("cannot read the edit %q", f)
	return crdt.Edit{}
}

// parseAnchor reads where a place edit of r puts a story.
func (w *world) parseAnchor(r *replica, story string, f []string) crdt.Anchor {
	w.t.Helper()
	switch {
	case f[0] == "first" && len(f) == 1:
		return crdt.Anchor{}
	case len(f) != 2:
	case f[0] == "behind":
		return crdt.Anchor{Op: w.op(f[1]).ID}
	case f[0] == "own":
		return crdt.Anchor{Story: f[1]}
	case f[0] == "after" || f[0] == "before":
		other := r.doc.Story(f[1])
		if other == nil || other.Deleted() {
			w.t.Fatalf("replica %s does not show story %s", r.name, f[1])
		}
		if f[0] == "after" {
			return other.Anchor()
		}
		for i := r.doc.Position(other) - 1; i >= 0; i-- {
			if before := r.doc.PlacedAt(i); before.ID() != story {
				return before.Anchor()
			}
		}
		return crdt.Anchor{}
	}
	w.t.Fatalf("cannot read the place %q", f)
	return crdt.Anchor{}
}

func (w *world) number(s string) uint64 {
	w.t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// parseValue reads true, false, an integer, quoted text or a bare word.
func parseValue(s string) crdt.Value {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return crdt.Int(n)
	}
	if q, err := strconv.Unquote(s); err == nil {
		return crdt.String(q)
	}
	if s == "true" || s == "false" {
		return crdt.Bool(s == "true")
	}
	return crdt.String(s)
}

// words splits s at spaces and before semicolons, but not inside quotes.
func words(s string) []string {
	var out []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		n := strings.IndexAny(s, " ;")
		switch {
		case n < 0:
			n = len(s)
		case n == 0:
			n = 1 // a semicolon
		}
		if q, err := strconv.QuotedPrefix(s); err == nil {
			n = len(q)
		}
		out, s = append(out, s[:n]), s[n:]
	}
	return out
}

// splitSeq yields the parts of f between the words sep.
func splitSeq(f []string, sep string) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		for len(f) > 0 {
			n := slices.Index(f, sep)
			if n < 0 {
				n = len(f)
			}
			if !yield(f[:n]) {
				return
			}
			f = f[min(n+1, len(f)):]
		}
	}
}
