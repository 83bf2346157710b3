package crdt

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// ErrRefused marks an op that is well formed and signed but breaks a rule of
// the document. It is refused by every replica and for ever.
var ErrRefused = errors.New("op refused")

// Status says what Apply did with an op.
type Status uint8

const (
	// Applied: the op is part of the document.
	Applied Status = iota + 1
	// Held: the op is known, but its author is not trusted: its edits are not
	// part of the document.
	Held
	// Pending: the op waits for parents.
	Pending
	// Duplicate: the op was applied, or is held or pending, already.
	Duplicate
)

func (s Status) String() string {
	return [...]string{"nothing", "applied", "held", "pending", "duplicate"}[s]
}

// Result is the outcome of an Apply.
type Result struct {
	Status Status
	// Released are the pending ops that this op made applicable, in the order
	// in which they were applied or held.
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
	counts  func(*Op) bool // nil: all do
	trusted func(Author) bool
	ops     table // applied, held or assumed to be applied
	held    ledger
	pending pending
	stories map[string]*DocStory

	list    *List[element]
	waiting map[OpID][]waitingPlace // by the op whose element they follow
	// ghosts are stories that an anchor names and no applied op is about.
	ghosts map[string]*DocStory

	observe func(*Op, *DocStory) // see Observe
}

// NewDoc returns an empty document whose stories have the schema's fields. If
// any authors are given, the edits of all others are left out.
func NewDoc(schema *Schema, trusted ...Author) *Doc {
	d := &Doc{
		schema:  schema,
		ops:     newTable(),
		stories: make(map[string]*DocStory),
		waiting: make(map[OpID][]waitingPlace),
		ghosts:  make(map[string]*DocStory),
	}
	d.list = NewList(compareElements)
	if len(trusted) > 0 {
		list := make(map[Author]struct{}, len(trusted))
		for _, a := range trusted {
			list[a] = struct{}{}
		}
		d.trusted = func(a Author) bool {
			_, ok := list[a]
			return ok
		}
		d.counts = func(op *Op) bool { return d.trusted(op.Author) }
	}
	return d
}

// Judge makes the document hold the ops of which counts says no, in place of those of the authors that NewDoc was
// not given. Ops that wait have room by their author: trusted says that all of its ops count. It is called before
// the first op, and both must always say the same.
func (d *Doc) Judge(counts func(*Op) bool, trusted func(Author) bool) {
	d.counts, d.trusted = counts, trusted
}

// Grow makes room for n more ops, before a replay of so many.
func (d *Doc) Grow(n int) { d.ops.grow(n) }

// Observe makes the document call fn for each op that it is about to merge, also
// one that was pending, with the op's story as it is before; nil ends that. What
// fn keeps of the op it clones.
func (d *Doc) Observe(fn func(*Op, *DocStory)) { d.observe = fn }

func (d *Doc) trusts(op *Op) bool { return d.counts == nil || d.counts(op) }

func (d *Doc) trustsAuthor(op *Op) bool { return d.trusted == nil || d.trusted(op.Author) }

// Apply takes in an op that Sign, Verify or Decode returned. When the op's
// parents are not all here it waits and is taken in by the Apply that brings
// the last of them. A refused op changes nothing.
//
// Nothing of op is kept. The bounds of limits.go on what is pending or held are for [Doc.Admit] to
// keep: an op that was admitted once is never dropped.
func (d *Doc) Apply(op *Op) (Result, error) {
	if d.Knows(op.ID) {
		return Result{Status: Duplicate}, nil
	}
	if err := d.schema.Check(op); err != nil {
		return Result{}, err
	}
	parents, missing := d.parents(op)
	if missing != nil {
		d.pending.add(op.clone(), *missing, d.trustsAuthor(op))
		return Result{Status: Pending}, nil
	}
	if err := d.checkSeq(op, &parents); err != nil {
		return Result{}, err
	}
	res := Result{Status: d.take(op, &parents)}
	d.release(op.ID, &res)
	return res, nil
}

// Admit says what Apply would do with an op, and refuses one that there is no
// room for: with [ErrPendingFull] or [ErrHeldFull] it may be sent again later.
// It changes nothing. It is to be asked before an op from elsewhere is stored.
func (d *Doc) Admit(op *Op) (Status, error) {
	if d.Knows(op.ID) {
		return Duplicate, nil
	}
	if err := d.schema.Check(op); err != nil {
		return 0, err
	}
	status := Applied
	parents, missing := d.parents(op)
	if missing != nil {
		status = Pending
		if err := d.pending.room(op, d.trustsAuthor(op)); err != nil {
			return status, err
		}
	} else if err := d.checkSeq(op, &parents); err != nil {
		return 0, err
	}
	if d.trusts(op) {
		return status, nil
	}
	if status == Applied {
		status = Held
	}
	if d.wanted(op.ID) {
		return status, nil
	}
	// Also for one that is pending: it will be held, and then nobody is asked.
	return status, HeldRoom(op, d.held.authors[op.Author], d.held.total)
}

// wanted reports whether an op of a trusted author waits for the op: then
// strangers who used up the room must not hold it up.
func (d *Doc) wanted(id OpID) bool {
	return slices.ContainsFunc(d.pending.waiting[id], d.trustsAuthor)
}

// AssumeApplied makes the document treat the op id as applied although its
// payload cannot be read: what builds on it goes on, only its own edits are
// missing, until the op itself comes to Apply. It is for damaged rows of a
// log, whose op ID and seq are known.
func (d *Doc) AssumeApplied(id OpID, seq uint64) Result {
	if d.Has(id) {
		return Result{Status: Duplicate}
	}
	d.ops.add(id, seq, Author{}, opAssumed)
	res := Result{Status: Applied}
	d.release(id, &res)
	return res
}

// Knows reports whether the op need not come again: it is applied, held or
// pending.
func (d *Doc) Knows(id OpID) bool {
	ref := d.ops.find(&id)
	return ref != 0 && d.ops.infos[ref].kind != opAssumed || d.pending.has(id)
}

// release takes in the pending ops that waited for id, then those that waited
// for them, and so on: a loop, since chains may be thousands long.
func (d *Doc) release(id OpID, res *Result) {
	for ready := d.pending.take(id); len(ready) > 0; {
		op := ready[0]
		ready = ready[1:]
		parents, missing := d.parents(op)
		if missing != nil {
			d.pending.wait(op, *missing)
			continue
		}
		d.pending.drop(op, d.trustsAuthor(op))
		if d.checkSeq(op, &parents) != nil {
			res.Refused = append(res.Refused, op)
			continue
		}
		d.take(op, &parents)
		res.Released = append(res.Released, op)
		ready = append(ready, d.pending.take(op.ID)...)
	}
}

// parentRefs are an op's parents in the table, in the op's order.
type parentRefs [MaxParents]opRef

// parents looks up the op's parents. Missing points to the first that is not
// here, if any is not.
func (d *Doc) parents(op *Op) (refs parentRefs, missing *OpID) {
	for i := range op.Parents {
		if refs[i] = d.ops.find(&op.Parents[i]); refs[i] == 0 {
			return refs, &op.Parents[i]
		}
	}
	return refs, nil
}

// checkSeq refuses a Lamport time that does not follow from the parents: no
// author can claim a clock ahead of what it saw.
func (d *Doc) checkSeq(op *Op, parents *parentRefs) error {
	var most uint64
	for _, ref := range parents[:len(op.Parents)] {
		most = max(most, d.ops.infos[ref].seq)
	}
	if op.Seq != most+1 {
		return fmt.Errorf("%w: op %s has seq %d, its parents give %d", ErrRefused, op.ID.Short(), op.Seq, most+1)
	}
	return nil
}

// take makes an op whose parents are here part of the document, or holds it.
func (d *Doc) take(op *Op, parents *parentRefs) Status {
	if !d.trusts(op) {
		d.enter(op, opHeld)
		d.held.plus(op)
		return Held
	}
	d.enter(op, opApplied)
	for _, p := range parents[:len(op.Parents)] {
		d.ops.name(p)
	}
	s, ok := d.stories[op.Story]
	if !ok {
		s = d.ghost(op.Story)
		delete(d.ghosts, s.id)
		d.stories[s.id] = s
	}
	if d.observe != nil {
		d.observe(op, s)
	}
	_ = s.Merge(d.schema, op, s) // memory has no errors
	d.settle(s)
	return Applied
}

// enter puts an op into the table; one that was assumed is there already.
func (d *Doc) enter(op *Op, kind opKind) opRef {
	ref := d.ops.find(&op.ID)
	if ref == 0 {
		return d.ops.add(op.ID, op.Seq, op.Author, kind)
	}
	info := &d.ops.infos[ref]
	d.ops.counts[info.kind]--
	d.ops.counts[kind]++
	info.kind, info.author, info.seq = kind, d.ops.authorRef(op.Author), op.Seq
	d.ops.settleHead(ref)
	return ref
}

// ghost returns a story that no applied op is about, a new one if no anchor
// named it before.
func (d *Doc) ghost(id string) *DocStory {
	if s, ok := d.ghosts[id]; ok {
		return s
	}
	return newStory(d, id)
}

// Pending yields the ops that wait for parents, with the parent that each waits for
// now: under one parent in the order of their filing.
func (d *Doc) Pending() iter.Seq2[OpID, *Op] {
	return func(yield func(OpID, *Op) bool) {
		for missing, ops := range d.pending.waiting {
			for _, op := range ops {
				if !yield(missing, op) {
					return
				}
			}
		}
	}
}

// Kind says what became of an op whose parents are here.
func (d *Doc) Kind(id OpID) Status {
	switch ref := d.ops.find(&id); {
	case ref == 0 && d.pending.has(id):
		return Pending
	case ref == 0:
		return 0
	case d.ops.infos[ref].kind == opHeld:
		return Held
	}
	return Applied
}

// HeadStamps yields the heads in no particular order, with their seqs, and whether
// they are assumed.
func (d *Doc) HeadStamps() iter.Seq2[Stamp, bool] {
	return func(yield func(Stamp, bool) bool) {
		for _, ref := range d.ops.heads {
			if !yield(d.ops.stamp(ref), d.ops.infos[ref].kind == opAssumed) {
				return
			}
		}
	}
}

// Next returns the parents and the seq of an op written now: the heads, or the
// [MaxParents] greatest of them by seq, and 1 + the greatest seq among them. Ops
// that are assumed to be applied are not among them.
func (d *Doc) Next() (parents []OpID, seq uint64) {
	for _, ref := range d.ops.greatestHeads(MaxParents) {
		parents = append(parents, d.ops.id(ref))
		seq = max(seq, d.ops.infos[ref].seq)
	}
	SortOpIDs(parents)
	return parents, seq + 1
}

// LastSeq returns the greatest seq of all that is applied or assumed to be.
func (d *Doc) LastSeq() (seq uint64) {
	for _, ref := range d.ops.heads {
		seq = max(seq, d.ops.infos[ref].seq)
	}
	return seq
}

// Heads returns the heads, sorted: the applied ops that no applied op names.
// Together they stand for all that is applied.
func (d *Doc) Heads() []OpID { return d.ops.headIDs() }

// Has reports whether the op is applied, held or assumed to be applied.
func (d *Doc) Has(id OpID) bool { return d.ops.find(&id) != 0 }

// Applied reports whether the op's edits are merged.
func (d *Doc) Applied(id OpID) bool {
	ref := d.ops.find(&id)
	return ref != 0 && d.ops.infos[ref].kind == opApplied
}

// Assumed reports whether the op is taken for applied although its payload is
// missing.
func (d *Doc) Assumed(id OpID) bool {
	return d.ops.infos[d.ops.find(&id)].kind == opAssumed
}

// Len returns the number of ops applied, those included that are assumed so.
func (d *Doc) Len() int { return len(d.ops.infos) - 1 - d.held.total.Count }

// HeldLen returns the number of ops of authors that are not trusted, without
// those that wait for parents.
func (d *Doc) HeldLen() int { return d.held.total.Count }

// AssumedLen returns the number of ops that are taken for applied although
// their payloads are missing.
func (d *Doc) AssumedLen() int { return d.ops.counts[opAssumed] }

// PendingLen returns the number of ops that wait for parents.
func (d *Doc) PendingLen() int { return len(d.pending.ops) }

// PendingTrustedLen returns how many of them are by authors whose edits would count.
func (d *Doc) PendingTrustedLen() int { return d.pending.trusted.total.Count }

// Story returns the story with the given ID, deleted or without a stage as it
// may be, or nil if no applied op names it.
func (d *Doc) Story(id string) *DocStory { return d.stories[id] }

// StoryCount returns the number of stories that applied ops name.
func (d *Doc) StoryCount() int { return len(d.stories) }

// Stories yields every story in no particular order.
func (d *Doc) Stories() iter.Seq[*DocStory] { return maps.Values(d.stories) }

// AppendText appends the whole document as text: every story with every
// register, its value and the op that wrote it, the order of the stories, the
// heads and the pending ops, all in fixed order. Two documents that print the
// same are the same: the heads stand there in full, and their hashes cover
// every op applied.
func (d *Doc) AppendText(b []byte) []byte {
	for _, id := range slices.Sorted(maps.Keys(d.stories)) {
		b = d.stories[id].appendText(b)
	}
	b = append(b, "order"...)
	for s := range d.Placed() {
		b = append(b, " "+s.id...)
	}
	b = append(b, '\n')
	b = appendIDs(b, "heads", d.Heads())
	if d.HeldLen() > 0 {
		b = appendIDs(b, "held", d.ops.idsOf(opHeld))
	}
	return appendIDs(b, "pending", slices.SortedFunc(maps.Keys(d.pending.ops), OpID.Compare))
}

func appendIDs(b []byte, label string, ids []OpID) []byte {
	b = append(b, label...)
	for _, id := range ids {
		b = append(b, " "+id.String()...)
	}
	return append(b, '\n')
}
