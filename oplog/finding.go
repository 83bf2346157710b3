package oplog

import "github.com/huskies/huskies-mcp/crdt"

// FindingKind says what sort of thing [Verify] found.
type FindingKind string

const (
	// FoundHash: payload and ID do not belong together.
	FoundHash FindingKind = "hash"
	// FoundShape: what has the right hash is no op.
	FoundShape FindingKind = "shape"
	// FoundVersion: an op of a version that this build does not read.
	FoundVersion FindingKind = "version"
	// FoundSignature: the author did not sign the op.
	FoundSignature FindingKind = "signature"
	// FoundColumn: a column says something else than the payload.
	FoundColumn FindingKind = "column"
	// FoundSeq: the seq does not follow from the parents.
	FoundSeq FindingKind = "seq"
	// FoundRule: every document refuses the op for what is in it.
	FoundRule FindingKind = "rule"
	// FoundTwice: two rows hold one op.
	FoundTwice FindingKind = "twice"
	// FoundEquivocation: one author signed two ops at one seq.
	FoundEquivocation FindingKind = "equivocation"
	// FoundArrival: rows are missing between others, or have numbers that none gets.
	FoundArrival FindingKind = "arrival"
	// FoundUnreadable: SQLite cannot read the rows.
	FoundUnreadable FindingKind = "unreadable"
	// FoundLost: an op of this replica itself builds on one that is not here, though
	// no row is missing between others.
	FoundLost FindingKind = "lost"
	// FoundSQLite: SQLite's own check found the file damaged.
	FoundSQLite FindingKind = "sqlite"
	// FoundIdentity: the replica's key is missing or damaged.
	FoundIdentity FindingKind = "identity"
	// FoundTrust: something is wrong with the decisions whom to trust.
	FoundTrust FindingKind = "trust"
	// FoundRepair: something is wrong with the list of repaired rows.
	FoundRepair FindingKind = "repair"
	// FoundSchema: the database has an object that huskies-mcp did not make.
	FoundSchema FindingKind = "schema"
	// FoundLeases: the table of leases is missing.
	FoundLeases FindingKind = "leases"
	// FoundWAL: the write-ahead log has a damaged part before its end.
	FoundWAL FindingKind = "wal"
	// FoundWALEnd: the write-ahead log ends in the middle of a write. It is no fault: a
	// process that is killed leaves it so.
	FoundWALEnd FindingKind = "wal_end"
	// FoundState: the tables of the state are not what the ops give.
	FoundState FindingKind = "state"
	// FoundWaiting: an op builds on others that are not here. It is no fault: a
	// bundle may have brought a part before the rest.
	FoundWaiting FindingKind = "waiting"
)

// Finding is one thing that [Verify] found.
type Finding struct {
	Kind FindingKind
	// Arrival is the row, 0 if the finding is about none. Last is the last of
	// several rows in a run, else 0.
	Arrival, Last int64
	// ID names the op as far as it is known, else it is zero.
	ID crdt.OpID
	Problem
	// Held says that the op's author is not trusted, so that nothing here is made of the op.
	Held bool
}

// Fault reports whether something is wrong, as opposed to worth knowing. What an author who is not
// trusted did wrong, with a good signature, is worth knowing: nobody here could put it right.
func (f Finding) Fault() bool {
	switch f.Kind {
	case FoundWaiting, FoundWALEnd:
		return false
	case FoundSeq, FoundRule, FoundEquivocation:
		return !f.Held
	}
	return true
}

// Damage reports whether something is not as it was written, so that an earlier copy is
// better. Ops that are signed and refused, or wait, are as they were, and so are those
// that build on what a salvaged database has lost. The state is made of the ops.
func (f Finding) Damage() bool {
	switch f.Kind {
	case FoundVersion, FoundSeq, FoundRule, FoundEquivocation, FoundLost, FoundState, FoundWaiting, FoundWALEnd:
		return false
	}
	return true
}
