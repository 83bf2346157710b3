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

const (
	nextImport  = "import a bundle that has the op (export it without --since on a replica that does), or restore a backup"
	nextRestore = "restore a backup"
	nextSalvage = "end all servers of the project; move the database to pipeline.db.old, and its -wal file, if there is one, to pipeline.db.old-wal; " +
		"huskies-mcp export --salvage --db pipeline.db.old all.bundle; huskies-mcp import --create --keys-from pipeline.db.old all.bundle; " +
		"when huskies-mcp verify finds no fault, remove pipeline.db.old and all.bundle"
)

// next says for each kind what a person can do.
var next = map[FindingKind]string{
	FoundHash:      nextImport,
	FoundShape:     "the database was written by another program: restore a backup from before",
	FoundVersion:   "install a newer huskies-mcp and verify again: this one cannot tell whether the op is sound",
	FoundSignature: nextImport,
	FoundColumn:    nextSalvage + ". The pipeline is read from the payload, so what it shows is right",
	FoundSeq:       "nothing: every replica refuses the op and what builds on it; ask the author's owner how it came about",
	FoundRule:      "nothing: every replica refuses the op and what builds on it; ask the author's owner how it came about",
	FoundTwice:     nextSalvage,
	FoundEquivocation: "find out where the author's key is in use: two copies of one database wrote, or one went on after a backup was put back or while a row " +
		"was damaged, or somebody has the key. Nothing is to be mended: all replicas agree what both ops give. huskies-mcp trust says whose ops are applied",
	FoundArrival: "rows were taken out or put in by another program: import a bundle of all ops from another replica. When all is here that " +
		"can be had, the numbers still show the gap: " + nextSalvage,
	FoundUnreadable: "keep a copy of the database with its -wal file, check the disk, and restore a backup; if there is none: " + nextSalvage,
	FoundLost:       "rows were taken out, or an older backup was put back: import a bundle of all ops from another replica, or restore a newer backup",
	FoundSQLite:     "keep a copy of the database with its -wal file, check the disk, and restore a backup; if there is none: " + nextSalvage,
	FoundIdentity: nextRestore + "; a new key is never made in place of a damaged one. If there is no backup, the ops are saved as a bundle, of which a pipeline with a fresh key " +
		"and without a list of trusted authors is made: move the database away with its -wal file, then huskies-mcp export --salvage --db WHERE-IT-IS all.bundle; huskies-mcp import --create all.bundle",
	FoundTrust:  "look whether huskies-mcp trust list says what you decided, and decide anew or restore a backup; then, if decisions or their table are missing: " + nextSalvage,
	FoundRepair: nextSalvage,
	FoundSchema: nextSalvage + ". If the database came from somebody else, leave out --keys-from. If our own tables were changed: restore a backup, or import a bundle of all ops into a new database",
	FoundWAL: "end all servers of the project, and keep a copy of the database with its -wal file before anything is written. If something is missing that was acknowledged, " +
		"import a bundle that has it, or restore a backup. Then go on: the next write overwrites the damaged part",
	FoundWALEnd:  "nothing, if a process was killed or the power failed; else keep a copy of the database with its -wal file, and look whether the last change is there",
	FoundLeases:  nextSalvage + ". The claims' leases are lost: agents claim their stories again",
	FoundState:   "huskies-mcp rebuild makes the state anew from the ops, and loses nothing",
	FoundWaiting: "import a bundle that has what they build on; if rows of the database were lost, restore a backup",
}

// Finding is one thing that [Verify] found.
type Finding struct {
	Kind FindingKind
	// Arrival is the row, 0 if the finding is about none. Last is the last of
	// several rows in a run, else 0.
	Arrival, Last int64
	// ID names the op as far as it is known, else it is zero.
	ID crdt.OpID
	// Problem says in plain words what is wrong.
	Problem string
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

// Next says in plain words what a person can do about findings of this kind.
func (f Finding) Next() string { return next[f.Kind] }
