package crdt

import (
	"cmp"
	"fmt"
)

// Fence ranks the holders of a story: whoever gives out the right to a story gives each holder a greater
// fence than the one before (Kleppmann 2016, "How to do distributed locking"). A write to a fenced
// field carries the greatest fence that its author knew for the story, and beats every write with a
// lower one. So a holder that was cut off cannot overwrite its successor, however often it writes.
//
// The zero Fence is that of a story whose right nobody has given out.
type Fence struct {
	// Epoch tells runs of what gives out the right, the later run by the greater epoch.
	Epoch uint64
	// Revision rises within a run.
	Revision uint64
}

// IsZero reports whether f is no fence.
func (f Fence) IsZero() bool { return f == Fence{} }

// Compare orders fences by epoch, then by revision.
func (f Fence) Compare(g Fence) int {
	return cmp.Or(cmp.Compare(f.Epoch, g.Epoch), cmp.Compare(f.Revision, g.Revision))
}

func (f Fence) String() string { return fmt.Sprintf("%d.%d", f.Epoch, f.Revision) }

// MaxFence returns the greater of two fences.
func MaxFence(f, g Fence) Fence {
	if f.Compare(g) < 0 {
		return g
	}
	return f
}

// validate checks the fence of an op, which may be none.
func (f Fence) validate() error {
	if !f.IsZero() && (f.Epoch == 0 || f.Revision == 0 || f.Epoch > MaxSeq || f.Revision > MaxSeq) {
		return fmt.Errorf("%w: fence %s has a part that is not between 1 and 2^53-1", ErrMalformed, f)
	}
	return nil
}

// appendTo appends the encoding of a fence that is one.
func (f Fence) appendTo(b []byte) []byte {
	b = appendHead(b, majorArray, 2)
	return appendHead(appendHead(b, majorUint, f.Epoch), majorUint, f.Revision)
}

// readFence reads a fence that is one.
func readFence(r *cborReader) (f Fence) {
	at := r.at
	if n := r.array(1); n != 2 {
		r.fail(at, "a fence of %d numbers, want 2", n)
		return f
	}
	f.Epoch, f.Revision = r.uint(), r.uint()
	if f.IsZero() {
		r.fail(at, "a fence of zeros")
	}
	return f
}

// Fenced reports whether the edits write a fenced field.
func (s *Schema) Fenced(edits []Edit) bool {
	for i := range edits {
		e := &edits[i]
		if f, ok := s.index[e.Field]; ok && e.Kind == KindSet && s.defs[f].Fenced {
			return true
		}
	}
	return false
}

// stampOf returns the place of the op's write of a field in the order of such writes.
func (s *Schema) stampOf(f Field, op *Op) Stamp {
	by := op.Stamp()
	if s.defs[f].Fenced {
		by.Fence = op.Fence
	}
	return by
}

// Fence returns the greatest fence that is known for the story.
func (s *Story) Fence() (f Fence) {
	for i := range s.cells {
		f = MaxFence(f, s.cells[i].by.Fence)
	}
	return f
}
