package crdt

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

var (
	// ErrRefused marks an op that is well formed and signed but breaks a rule
	// of the document. It is refused by every replica and for ever.
	ErrRefused = errors.New("op refused")
	// ErrPendingFull marks an op whose parents are missing and for which there
	// is no room to wait. It may be sent again when the parents have come.
	ErrPendingFull = errors.New("too many ops wait for their parents")
)

// Status says what Apply did with an op.
type Status uint8

const (
	// Applied: the op is part of the document.
	Applied Status = iota + 1
	// Pending: the op waits for parents.
	Pending
	// Duplicate: the op was applied, or is pending, already.
	Duplicate
)

func (s Status) String() string {
	return [...]string{"nothing", "applied", "pending", "duplicate"}[s]
}

// Result is the outcome of an Apply.
type Result struct {
	Status Status
	// Released are the pending ops that this op made applicable, in the order
	// in which they were applied.
	Released []*Op
	// Refused are the pending ops that turned out to break a rule when their
	// parents came. What depends on them stays pending.
	Refused []*Op
}

// Doc is the document: the state that the ops applied so far give. Replicas
// whose documents applied the same ops print the same text, whatever order the
// ops came in. A Doc does no I/O, knows no clock and is not safe for
// concurrent use.
type Doc struct {
	schema  *Schema
	seqs    map[OpID]uint64   // of every op applied or assumed so
	assumed map[OpID]struct{} // ops in seqs whose edits are missing, see AssumeApplied
	heads   map[OpID]uint64   // applied ops that no applied op names, with seq
	stories map[string]*Story
	pending pending
}

// NewDoc returns an empty document whose stories have the schema's fields.
func NewDoc(schema *Schema) *Doc {
	return &Doc{
		schema:  schema,
		seqs:    make(map[OpID]uint64),
		assumed: make(map[OpID]struct{}),
		heads:   make(map[OpID]uint64),
		stories: make(map[string]*Story),
	}
}

// Apply merges an op that Sign, Verify or Decode returned. When the op's
// parents are not all here it waits and is applied by the Apply that brings
// the last of them. A refused op changes nothing.
func (d *Doc) Apply(op *Op) (Result, error) {
	if (d.Has(op.ID) && !d.isAssumed(op.ID)) || d.pending.has(op.ID) {
		return Result{Status: Duplicate}, nil
	}
	if err := d.fits(op); err != nil {
		return Result{}, err
	}
	if missing, ok := d.missingParent(op); ok {
		if err := d.pending.add(op, missing); err != nil {
			return Result{}, err
		}
		return Result{Status: Pending}, nil
	}
	if err := d.checkSeq(op); err != nil {
		return Result{}, err
	}
	d.merge(op)
	res := Result{Status: Applied}
	d.release(op.ID, &res)
	return res, nil
}

// AssumeApplied makes the document treat the op id as applied although its
// payload cannot be read: what builds on it goes on, only its own edits are
// missing, until the op itself comes to Apply. It is for damaged rows of a
// log, whose op ID and seq are known.
func (d *Doc) AssumeApplied(id OpID, seq uint64) Result {
	if d.Has(id) {
		return Result{Status: Duplicate}
	}
	d.seqs[id], d.heads[id] = seq, seq
	d.assumed[id] = struct{}{}
	res := Result{Status: Applied}
	d.release(id, &res)
	return res
}

// release applies the pending ops that waited for id, then those that waited
// for them, and so on: a loop, since chains may be thousands long.
func (d *Doc) release(id OpID, res *Result) {
	for ready := d.pending.take(id); len(ready) > 0; {
		op := ready[0]
		ready = ready[1:]
		if missing, ok := d.missingParent(op); ok {
			d.pending.wait(op, missing)
			continue
		}
		d.pending.drop(op)
		if d.checkSeq(op) != nil {
			res.Refused = append(res.Refused, op)
			continue
		}
		d.merge(op)
		res.Released = append(res.Released, op)
		ready = append(ready, d.pending.take(op.ID)...)
	}
}

func (d *Doc) missingParent(op *Op) (OpID, bool) {
	for _, p := range op.Parents {
		if _, ok := d.seqs[p]; !ok {
			return p, true
		}
	}
	return OpID{}, false
}

// checkSeq refuses a Lamport time that does not follow from the parents: no
// author can claim a clock ahead of what it saw.
func (d *Doc) checkSeq(op *Op) error {
	if want := d.seqAfter(op.Parents); op.Seq != want {
		return fmt.Errorf("%w: op %s has seq %d, its parents give %d", ErrRefused, op.ID.Short(), op.Seq, want)
	}
	return nil
}

func (d *Doc) seqAfter(parents []OpID) uint64 {
	var most uint64
	for _, p := range parents {
		most = max(most, d.seqs[p])
	}
	return most + 1
}

// fits refuses an op that writes a declared field with another type. It needs
// no other op, so all replicas agree before the op may wait for parents.
func (d *Doc) fits(op *Op) error {
	for i := range op.Edits {
		e := &op.Edits[i]
		if e.Kind != KindSet && e.Kind != KindInc {
			continue
		}
		f, ok := d.schema.index[e.Field]
		if !ok {
			continue
		}
		var want Type
		switch d.schema.defs[f].Type {
		case FieldString:
			want = TypeString
		case FieldBool:
			want = TypeBool
		case FieldCounter:
			want = TypeInt
		}
		switch {
		case e.Kind == KindInc && want != TypeInt:
			return fmt.Errorf("%w: op %s adds to %s, which holds a %s", ErrRefused, op.ID.Short(), e.Field, want)
		case e.Kind == KindSet && e.Value.typ != want:
			return fmt.Errorf("%w: op %s sets %s to a value of type %s, want %s", ErrRefused, op.ID.Short(), e.Field, e.Value.typ, want)
		}
	}
	return nil
}

// merge applies an op that may be applied.
func (d *Doc) merge(op *Op) {
	s, ok := d.stories[op.Story]
	if !ok {
		s = &Story{id: op.Story, cells: make([]cell, len(d.schema.defs))}
		d.stories[op.Story] = s
	}
	s.apply(d.schema, op)
	for _, p := range op.Parents {
		delete(d.heads, p)
	}
	if _, head := d.heads[op.ID]; head || !d.isAssumed(op.ID) {
		d.heads[op.ID] = op.Seq // an assumed op may have been named meanwhile
	}
	d.seqs[op.ID] = op.Seq
	delete(d.assumed, op.ID)
}

func (d *Doc) isAssumed(id OpID) bool { _, ok := d.assumed[id]; return ok }

// Next returns the parents and the seq of an op written now: the heads, or the
// [MaxParents] greatest of them by seq, and 1 + the greatest seq among them.
func (d *Doc) Next() (parents []OpID, seq uint64) {
	parents = slices.Collect(maps.Keys(d.heads))
	if len(parents) > MaxParents {
		slices.SortFunc(parents, func(a, b OpID) int {
			if sa, sb := d.heads[a], d.heads[b]; sa != sb {
				return int(min(max(int64(sb)-int64(sa), -1), 1))
			}
			return a.Compare(b)
		})
		parents = parents[:MaxParents]
	}
	sortOpIDs(parents)
	return parents, d.seqAfter(parents)
}

// Has reports whether the op is applied.
func (d *Doc) Has(id OpID) bool { _, ok := d.seqs[id]; return ok }

// Len returns the number of ops applied.
func (d *Doc) Len() int { return len(d.seqs) }

// PendingLen returns the number of ops that wait for parents.
func (d *Doc) PendingLen() int { return len(d.pending.ops) }

// Story returns the story with the given ID, deleted or without a stage as it
// may be, or nil if no applied op names it.
func (d *Doc) Story(id string) *Story { return d.stories[id] }

// StoryCount returns the number of stories that applied ops name.
func (d *Doc) StoryCount() int { return len(d.stories) }

// Stories yields every story in no particular order.
func (d *Doc) Stories() iter.Seq[*Story] { return maps.Values(d.stories) }

// AppendText appends the whole document as text: every story with every
// register, its value and the op that wrote it, then the heads and the pending
// ops, all in fixed order. Two documents that print the same are the same:
// the heads stand there in full, and their hashes cover every op applied.
func (d *Doc) AppendText(b []byte) []byte {
	for _, id := range slices.Sorted(maps.Keys(d.stories)) {
		b = d.stories[id].appendText(b, d.schema)
	}
	b = appendIDs(b, "heads", slices.Collect(maps.Keys(d.heads)))
	return appendIDs(b, "pending", slices.Collect(maps.Keys(d.pending.ops)))
}

func appendIDs(b []byte, label string, ids []OpID) []byte {
	sortOpIDs(ids)
	b = append(b, label...)
	for _, id := range ids {
		b = append(b, " "+id.String()...)
	}
	return append(b, '\n')
}

// Check proves what must always hold inside the document and returns what does
// not. It is for tests and for examining a running server; it takes time
// proportional to the document.
func (d *Doc) Check() error {
	var errs []error
	for id, seq := range d.heads {
		if !d.Has(id) || d.seqs[id] != seq {
			errs = append(errs, fmt.Errorf("head %s has seq %d, the op has %d", id.Short(), seq, d.seqs[id]))
		}
	}
	if len(d.seqs) > 0 && len(d.heads) == 0 {
		errs = append(errs, errors.New("there are ops but no heads"))
	}
	for id, s := range d.stories {
		if s.id != id {
			errs = append(errs, fmt.Errorf("story %q is filed under %q", s.id, id))
		}
		errs = append(errs, s.check(d))
	}
	for id := range d.assumed {
		if !d.Has(id) {
			errs = append(errs, fmt.Errorf("op %s is assumed to be applied but not known", id.Short()))
		}
	}
	return errors.Join(append(errs, d.pending.check(d))...)
}
