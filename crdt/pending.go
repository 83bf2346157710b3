package crdt

import (
	"errors"
	"fmt"
	"slices"
)

var (
	// ErrPendingFull marks an op whose parents are missing and for which there
	// is no room to wait. It may be sent again when the parents have come.
	ErrPendingFull = errors.New("too many ops wait for their parents")
	// ErrHeldFull marks an op of an author who is not trusted and of whom too
	// much is here already. It may be sent again once the author is trusted.
	ErrHeldFull = errors.New("too many ops of authors who are not trusted")
)

// Usage is what ops take up.
type Usage struct {
	Count int
	Bytes int // see [Op.Size]
}

func (u Usage) within(most Usage) bool { return u.Count <= most.Count && u.Bytes <= most.Bytes }

// bounds are what the ops of one author, and of all, may take up.
type bounds struct{ author, total Usage }

var (
	pendingBounds = bounds{Usage{MaxPendingPerAuthor, MaxPendingBytesPerAuthor}, Usage{MaxPending, MaxPendingBytes}}
	heldBounds    = bounds{Usage{MaxHeldPerAuthor, MaxHeldBytesPerAuthor}, Usage{MaxHeld, MaxHeldBytes}}
)

// PendingRoom returns an [ErrPendingFull] unless the bounds on what is pending leave
// room for the op beside what its author has pending, and all authors of its kind
// (trusted or not) have.
func PendingRoom(op *Op, author, total Usage) error {
	return pendingBounds.room(op, ErrPendingFull, author, total)
}

// HeldRoom returns an [ErrHeldFull] unless the bounds on what is held leave room for
// the op beside what is held of its author, and of all.
func HeldRoom(op *Op, author, total Usage) error {
	return heldBounds.room(op, ErrHeldFull, author, total)
}

// room returns full unless the bounds leave room for the op.
func (most *bounds) room(op *Op, full error, author, total Usage) error {
	switch {
	case !(Usage{author.Count + 1, author.Bytes + op.size}).within(most.author):
		return fmt.Errorf("%w: author %s has %d with %d bytes", full, op.Author.Short(), author.Count, author.Bytes)
	case !(Usage{total.Count + 1, total.Bytes + op.size}).within(most.total):
		return fmt.Errorf("%w: there are %d with %d bytes", full, total.Count, total.Bytes)
	}
	return nil
}

// ledger counts what ops take up, by author and in total. The zero value is
// empty and ready.
type ledger struct {
	authors map[Author]Usage
	total   Usage
}

// adds reports whether the authors' usages add up to the total.
func (l *ledger) adds() bool {
	var sum Usage
	for _, u := range l.authors {
		sum.Count, sum.Bytes = sum.Count+u.Count, sum.Bytes+u.Bytes
	}
	return sum == l.total
}

func (l *ledger) plus(op *Op) { l.count(op, 1) }

func (l *ledger) minus(op *Op) { l.count(op, -1) }

func (l *ledger) count(op *Op, n int) {
	if l.authors == nil {
		l.authors = make(map[Author]Usage)
	}
	u := l.authors[op.Author]
	u = Usage{u.Count + n, u.Bytes + n*op.size}
	if l.authors[op.Author] = u; u.Count == 0 {
		delete(l.authors, op.Author)
	}
	l.total = Usage{l.total.Count + n, l.total.Bytes + n*op.size}
}

// pending holds the ops whose parents are not all here. Each waits under one
// missing parent at a time; when that one comes, the op is looked at again.
// The zero value is empty and ready.
type pending struct {
	ops     map[OpID]*Op
	waiting map[OpID][]*Op // by the missing parent
	// Ops of authors who are not trusted are counted apart: they must not take
	// the room of others.
	trusted, others ledger
}

func (p *pending) ledger(trusted bool) *ledger {
	if trusted {
		return &p.trusted
	}
	return &p.others
}

func (p *pending) has(id OpID) bool { _, ok := p.ops[id]; return ok }

func (p *pending) room(op *Op, trusted bool) error {
	l := p.ledger(trusted)
	return PendingRoom(op, l.authors[op.Author], l.total)
}

// add takes in an op that waits for missing.
func (p *pending) add(op *Op, missing OpID, trusted bool) {
	if p.ops == nil {
		p.ops = make(map[OpID]*Op)
		p.waiting = make(map[OpID][]*Op)
	}
	p.ops[op.ID] = op
	p.ledger(trusted).plus(op)
	p.wait(op, missing)
}

// wait files an op under the parent it waits for next.
func (p *pending) wait(op *Op, missing OpID) {
	p.waiting[missing] = append(p.waiting[missing], op)
}

// take removes and returns the ops filed under id. They still count as
// pending until dropped.
func (p *pending) take(id OpID) []*Op {
	ops := p.waiting[id]
	delete(p.waiting, id)
	return ops
}

// drop forgets an op that waits no more.
func (p *pending) drop(op *Op, trusted bool) {
	delete(p.ops, op.ID)
	p.ledger(trusted).minus(op)
}

// check proves the invariants for [Doc.Check].
func (p *pending) check(d *Doc) error {
	var errs []error
	filed := 0
	for missing, ops := range p.waiting {
		if d.Has(missing) {
			errs = append(errs, fmt.Errorf("%d ops wait for op %s, which is applied", len(ops), missing.Short()))
		}
		for _, op := range ops {
			filed++
			if !p.has(op.ID) {
				errs = append(errs, fmt.Errorf("op %s waits but is not pending", op.ID.Short()))
			}
			if d.Has(op.ID) && !d.Assumed(op.ID) {
				errs = append(errs, fmt.Errorf("op %s is applied and pending", op.ID.Short()))
			}
			if !slices.Contains(op.Parents, missing) {
				errs = append(errs, fmt.Errorf("op %s waits for op %s, which is not its parent", op.ID.Short(), missing.Short()))
			}
		}
	}
	counted := p.trusted.total.Count + p.others.total.Count
	if filed != len(p.ops) || counted != len(p.ops) || !p.trusted.adds() || !p.others.adds() {
		errs = append(errs, fmt.Errorf("pending ops: %d held, %d filed, %d counted", len(p.ops), filed, counted))
	}
	return errors.Join(errs...)
}
