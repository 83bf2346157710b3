package oplog

import (
	"crypto/sha256"
	"errors"

	"github.com/huskies/huskies-mcp/crdt"
)

// storedRow is a row as it stands in the file, where a column may hold anything,
// and then what is to be said of it alone.
type storedRow struct {
	arrival                        int64
	id, author, payload, signature []byte
	seq                            any
	// last and err are set if the rows from arrival to last cannot be read. Ops are
	// the IDs of those that the index knows.
	last int64
	err  error
	ops  []crdt.OpID

	// op is what the payload holds, if it is an op and has the hash that names it,
	// or is signed by its author. Name is what the row calls it.
	op     *crdt.Op
	name   crdt.OpID
	signed bool
	found  []Finding
}

// unreadable is what is to be said of rows that cannot be read.
func (r *storedRow) unreadable() Finding {
	f := Finding{Kind: FoundUnreadable, Arrival: r.arrival, Problem: Problem{Code: ProblemUnread, Err: r.err}}
	switch {
	case r.last == maxArrival:
		f.Code = ProblemUnreadBehind
	case r.last > r.arrival:
		f.Last = r.last
	case len(r.ops) == 1:
		f.ID = r.ops[0]
	}
	return f
}

// batch is rows on their way from the file to their place in the log.
type batch struct {
	rows []storedRow
	end  int64 // the arrival number at which to read on
	// done gets a value when all that can be said of each row alone has been.
	done chan struct{}
}

func (b *batch) verify(check func(*crdt.Op) error) {
	for i := range b.rows {
		if b.rows[i].err == nil {
			b.rows[i].verify(check)
		}
	}
}

func (r *storedRow) fault(kind FindingKind, p Problem) {
	r.found = append(r.found, Finding{Kind: kind, Arrival: r.arrival, ID: r.name, Problem: p})
}

// verify checks what the row says by itself.
func (r *storedRow) verify(check func(*crdt.Op) error) {
	named := len(r.id) == len(r.name)
	if named {
		copy(r.name[:], r.id)
	} else {
		r.fault(FoundColumn, Problem{Code: ProblemLength, Have: uint64(len(r.id)), Want: uint64(len(r.name))})
	}
	var signature crdt.Signature
	if len(r.signature) == len(signature) {
		copy(signature[:], r.signature)
	}
	op, err := crdt.Verify(r.payload, signature)
	r.signed = err == nil
	if errors.Is(err, crdt.ErrSignature) {
		op, err = crdt.Decode(r.payload)
	}
	switch hashed := sha256.Sum256(r.payload) == r.name; {
	case err != nil && hashed && errors.Is(err, crdt.ErrVersion):
		r.fault(FoundVersion, Problem{Code: ProblemVersion, Err: err})
		return
	case err != nil && hashed:
		r.fault(FoundShape, Problem{Code: ProblemNoOp, Err: err})
		return
	case hashed && !r.signed:
		r.fault(FoundSignature, Problem{Code: ProblemSignature, Author: op.Author})
	case hashed:
	case r.signed && !named: // all but the ID is sound
	case r.signed:
		r.fault(FoundColumn, Problem{Code: ProblemOtherOp, Op: op.ID})
	default:
		r.fault(FoundHash, Problem{Code: ProblemHash})
		return
	}
	r.op = op
	r.columns()
	if err := check(op); err != nil {
		r.fault(FoundRule, Problem{Code: ProblemRule, Err: err})
	}
}

// columns compares what stands beside the payload with it.
func (r *storedRow) columns() {
	if string(r.author) != string(r.op.Author[:]) {
		r.fault(FoundColumn, Problem{Code: ProblemAuthor, Author: r.op.Author})
	}
	if seq, ok := r.seq.(int64); !ok || uint64(seq) != r.op.Seq {
		r.fault(FoundColumn, Problem{Code: ProblemSeq, Want: r.op.Seq})
	}
}
