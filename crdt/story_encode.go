package crdt

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// This file has the encoding of a [Story] for a database of one replica. The
// encoding never leaves the replica, and a newer build may change it: the state is
// derived from the ops and can be made anew from them.
//
//	writers  count, then each: seq, author (32 bytes), op ID (32 bytes), at
//	last     writer, or 0
//	placed   writer, or 0
//	notes    count
//	cells    count, then each: field, writer or 0, fence, sum, type, value
//	makers   count; then how many are kept, then each: writer, agent, label
//
// Numbers are varints (Protocol Buffers' base 128). A writer is 1 + its index
// among the writers. A fence is an epoch and, unless that is 0, a revision. A value is a length and text, or a zigzag varint.

// AppendStory appends the encoding of the story, without its ID.
func AppendStory(b []byte, s *Story) []byte {
	var w writers
	w.index(s.last, s.lastAt)
	for i := range s.cells {
		w.index(s.cells[i].by, s.cells[i].at)
	}
	w.index(s.placed, 0)
	for i := range s.made {
		w.index(s.made[i].By, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(w.stamps)))
	for i, by := range w.stamps {
		b = binary.AppendUvarint(b, by.Seq)
		b = append(append(b, by.Author[:]...), by.Op[:]...)
		b = binary.AppendVarint(b, w.at[i])
	}
	b = binary.AppendUvarint(b, w.index(s.last, 0))
	b = binary.AppendUvarint(b, w.index(s.placed, 0))
	b = binary.AppendUvarint(b, uint64(s.notes))
	b = binary.AppendUvarint(b, uint64(len(s.cells)))
	for i := range s.cells {
		c := &s.cells[i]
		b = binary.AppendUvarint(b, uint64(c.field))
		b = binary.AppendUvarint(b, w.index(c.by, 0))
		if b = binary.AppendUvarint(b, c.by.Fence.Epoch); c.by.Fence.Epoch > 0 {
			b = binary.AppendUvarint(b, c.by.Fence.Revision)
		}
		b = binary.AppendUvarint(b, c.sum)
		b = append(b, byte(c.value.typ))
		if c.value.typ == TypeString {
			b = append(binary.AppendUvarint(b, uint64(len(c.value.str))), c.value.str...)
		} else {
			b = binary.AppendVarint(b, c.value.num)
		}
	}
	b = binary.AppendUvarint(b, uint64(s.makers))
	b = binary.AppendUvarint(b, uint64(len(s.made)))
	for _, m := range s.made {
		b = binary.AppendUvarint(b, w.index(m.By, 0))
		b = append(binary.AppendUvarint(b, uint64(len(m.Agent))), m.Agent...)
		b = append(binary.AppendUvarint(b, uint64(len(m.Label))), m.Label...)
	}
	return b
}

// writers are the distinct ops that wrote what stands in a story: few, since one
// op writes several fields.
type writers struct {
	stamps []Stamp
	at     []int64
}

// index returns 1 + the index of an op, which it enters if it is new, and 0 for the
// zero Stamp.
func (w *writers) index(by Stamp, at int64) uint64 {
	by = by.unfenced()
	if by == (Stamp{}) {
		return 0
	}
	for i := range w.stamps {
		if w.stamps[i] == by {
			return uint64(i + 1)
		}
	}
	w.stamps, w.at = append(w.stamps, by), append(w.at, at)
	return uint64(len(w.stamps))
}

// errStory: bytes are no story that AppendStory wrote.
var errStory = errors.New("the merge data of a story cannot be decoded")

// DecodeStory returns the story with the given ID that AppendStory encoded. The
// story shares nothing with b.
func DecodeStory(id string, b []byte) (*Story, error) {
	r := storyReader{b: b}
	var w writers
	for range r.count(65) {
		var by Stamp
		by.Seq = r.uint()
		copy(by.Author[:], r.bytes(len(by.Author)))
		copy(by.Op[:], r.bytes(len(by.Op)))
		w.stamps, w.at = append(w.stamps, by), append(w.at, r.int())
	}
	s := &Story{id: id}
	s.last, s.lastAt = r.writer(&w)
	s.placed, _ = r.writer(&w)
	s.notes = int(r.uint())
	n := r.count(5)
	s.cells = make([]cell, 0, n)
	for range n {
		c := cell{field: Field(r.uint())}
		c.by, c.at = r.writer(&w)
		if c.by.Fence.Epoch = r.uint(); c.by.Fence.Epoch > 0 {
			c.by.Fence.Revision = r.uint()
		}
		c.sum = r.uint()
		c.value.typ = Type(r.byte())
		if c.value.typ == TypeString {
			c.value.str = string(r.bytes(r.count(1)))
		} else {
			c.value.num = r.int()
		}
		s.cells = append(s.cells, c)
	}
	s.makers = int(r.uint())
	for range r.count(3) {
		var m Maker
		m.By, _ = r.writer(&w)
		m.Agent = string(r.bytes(r.count(1)))
		m.Label = string(r.bytes(r.count(1)))
		s.made = append(s.made, m)
	}
	if r.bad || len(r.b) > 0 {
		return nil, fmt.Errorf("story %s: %w", id, errStory)
	}
	return s, nil
}

// storyReader reads an encoded story. After the first fault it returns zero values.
type storyReader struct {
	b   []byte
	bad bool
}

func (r *storyReader) fail() {
	r.b, r.bad = nil, true
}

func (r *storyReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *storyReader) int() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads a number of things that take at least size bytes each.
func (r *storyReader) count(size int) int {
	n := r.uint()
	if n > uint64(len(r.b)/size) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *storyReader) bytes(n int) []byte {
	if n > len(r.b) {
		r.fail()
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *storyReader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *storyReader) writer(w *writers) (by Stamp, at int64) {
	i := r.uint()
	switch {
	case i > uint64(len(w.stamps)):
		r.fail()
	case i > 0:
		return w.stamps[i-1], w.at[i-1]
	}
	return Stamp{}, 0
}

// AppendRegisters prints the merge data of the story in one fixed order: two stories
// that print the same are the same.
func AppendRegisters(b []byte, schema *Schema, s *Story) []byte {
	b = fmt.Appendf(b, "last %v at %d, placed %v, %d notes", s.last, s.lastAt, s.placed, s.notes)
	for f := range Field(schema.Len()) {
		if c := s.cell(f); c != nil {
			b = fmt.Appendf(b, "; %s %v by %v at %d + %d", schema.Name(f), c.value, c.by, c.at, c.sum)
		}
	}
	if s.makers > 0 {
		b = fmt.Appendf(b, "; created by %d: %v", s.makers, s.made)
	}
	return b
}
