package crdt

import (
	"errors"
	"fmt"
	"slices"
)

// pending holds the ops whose parents are not all here. Each waits under one
// missing parent at a time; when that one comes, the op is looked at again.
// The zero value is empty and ready.
type pending struct {
	ops     map[OpID]*Op
	waiting map[OpID][]*Op // by the missing parent
	authors map[Author]usage
	total   usage
}

// usage is what ops take up while they wait.
type usage struct{ count, bytes int }

func (u usage) plus(op *Op) usage  { return usage{u.count + 1, u.bytes + op.size} }
func (u usage) minus(op *Op) usage { return usage{u.count - 1, u.bytes - op.size} }

func (p *pending) has(id OpID) bool { _, ok := p.ops[id]; return ok }

// add takes in an op that waits for missing, if the bounds leave room.
func (p *pending) add(op *Op, missing OpID) error {
	if p.ops == nil {
		p.ops = make(map[OpID]*Op)
		p.waiting = make(map[OpID][]*Op)
		p.authors = make(map[Author]usage)
	}
	author, total := p.authors[op.Author].plus(op), p.total.plus(op)
	if author.count > MaxPendingPerAuthor || author.bytes > MaxPendingBytesPerAuthor {
		return fmt.Errorf("%w: author %s has %d ops waiting", ErrPendingFull, op.Author.Short(), author.count-1)
	}
	if total.count > MaxPending || total.bytes > MaxPendingBytes {
		return fmt.Errorf("%w: %d ops are waiting", ErrPendingFull, total.count-1)
	}
	p.ops[op.ID] = op
	p.authors[op.Author], p.total = author, total
	p.wait(op, missing)
	return nil
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
func (p *pending) drop(op *Op) {
	delete(p.ops, op.ID)
	if u := p.authors[op.Author].minus(op); u.count > 0 {
		p.authors[op.Author] = u
	} else {
		delete(p.authors, op.Author)
	}
	p.total = p.total.minus(op)
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
			if d.Has(op.ID) && !d.isAssumed(op.ID) {
				errs = append(errs, fmt.Errorf("op %s is applied and pending", op.ID.Short()))
			}
			if !slices.Contains(op.Parents, missing) {
				errs = append(errs, fmt.Errorf("op %s waits for op %s, which is not its parent", op.ID.Short(), missing.Short()))
			}
		}
	}
	var sum usage
	for _, u := range p.authors {
		sum.count, sum.bytes = sum.count+u.count, sum.bytes+u.bytes
	}
	if filed != len(p.ops) || p.total.count != len(p.ops) || sum != p.total {
		errs = append(errs, fmt.Errorf("pending ops: %d held, %d filed, %+v counted, %+v by author", len(p.ops), filed, p.total, sum))
	}
	return errors.Join(errs...)
}
