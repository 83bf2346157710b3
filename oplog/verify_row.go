package oplog

import (
	"crypto/sha256"
	"errors"
	"fmt"

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
	f := Finding{Kind: FoundUnreadable, Arrival: r.arrival, Problem: fmt.Sprintf("cannot be read: %v", r.err)}
	switch {
	case r.last == maxArrival:
		f.Problem = fmt.Sprintf("cannot be read, nor what is behind it: %v", r.err)
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

func (r *storedRow) fault(kind FindingKind, format string, args ...any) {
	r.found = append(r.found, Finding{Kind: kind, Arrival: r.arrival, ID: r.name, Problem: fmt.Sprintf(format, args...)})
}

// verify checks what the row says by itself.
func (r *storedRow) verify(check func(*crdt.Op) error) {
	named := len(r.id) == len(r.name)
	if named {
		copy(r.name[:], r.id)
	} else {
		r.fault(FoundColumn, "the column op_id has %d bytes, want %d", len(r.id), len(r.name))
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
		r.fault(FoundVersion, "not verified: %v", err)
		return
	case err != nil && hashed:
		r.fault(FoundShape, "the payload has the hash that names it, but is no op: %v", err)
		return
	case hashed && !r.signed:
		r.fault(FoundSignature, "the signature is not valid: author %s did not sign this op", op.Author.Short())
	case hashed:
	case r.signed && !named: // all but the ID is sound
	case r.signed:
		r.fault(FoundColumn, "the column op_id is not the hash of the payload, which is op %s with a valid signature", op.ID.Short())
	default:
		r.fault(FoundHash, "the payload does not have the hash that names it")
		return
	}
	r.op = op
	r.columns()
	if err := check(op); err != nil {
		r.fault(FoundRule, "%v", err)
	}
}

// columns compares what stands beside the payload with it.
func (r *storedRow) columns() {
	if string(r.author) != string(r.op.Author[:]) {
		r.fault(FoundColumn, "the column author is not the author in the payload, %s", r.op.Author.Short())
	}
	if seq, ok := r.seq.(int64); !ok || uint64(seq) != r.op.Seq {
		r.fault(FoundColumn, "the column seq is not the seq in the payload, %d", r.op.Seq)
	}
}
