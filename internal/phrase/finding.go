package phrase

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// Finding says where a finding is, and what it is.
func Finding(f oplog.Finding) string {
	var where []string
	switch {
	case f.Last != 0:
		where = append(where, fmt.Sprintf("rows %d to %d", f.Arrival, f.Last))
	case f.Arrival != 0:
		where = append(where, fmt.Sprintf("row %d", f.Arrival))
	}
	if !f.ID.IsZero() {
		where = append(where, "op "+f.ID.Short())
	}
	if len(where) == 0 {
		where = []string{string(f.Kind)}
	}
	return strings.Join(where, ", ") + ": " + Problem(f)
}

// Problem says what a finding is.
func Problem(f oplog.Finding) string {
	said := problems[f.Code]
	if said == nil {
		return string(f.Code)
	}
	return said(f)
}

type finding = oplog.Finding

// problems are the words of each code.
var problems = map[oplog.ProblemCode]func(f finding) string{
	oplog.ProblemUnread:       func(f finding) string { return fmt.Sprintf("cannot be read: %v", f.Err) },
	oplog.ProblemUnreadBehind: func(f finding) string { return fmt.Sprintf("cannot be read, nor what is behind it: %v", f.Err) },
	oplog.ProblemLength:       func(f finding) string { return fmt.Sprintf("the column op_id has %d bytes, want %d", f.Have, f.Want) },
	oplog.ProblemVersion:      func(f finding) string { return fmt.Sprintf("not verified: %v", f.Err) },
	oplog.ProblemNoOp: func(f finding) string {
		return fmt.Sprintf("the payload has the hash that names it, but is no op: %v", f.Err)
	},
	oplog.ProblemSignature: func(f finding) string {
		return fmt.Sprintf("the signature is not valid: author %s did not sign this op", f.Author.Short())
	},
	oplog.ProblemOtherOp: func(f finding) string {
		return fmt.Sprintf("the column op_id is not the hash of the payload, which is op %s with a valid signature", f.Op.Short())
	},
	oplog.ProblemHash: func(finding) string { return "the payload does not have the hash that names it" },
	oplog.ProblemAuthor: func(f finding) string {
		return fmt.Sprintf("the column author is not the author in the payload, %s", f.Author.Short())
	},
	oplog.ProblemSeq: func(f finding) string {
		return fmt.Sprintf("the column seq is not the seq in the payload, %d", f.Want)
	},
	oplog.ProblemRule:    func(f finding) string { return f.Err.Error() },
	oplog.ProblemParents: func(f finding) string { return fmt.Sprintf("its seq is %d, its parents give %d", f.Have, f.Want) },
	oplog.ProblemSameOp:  func(f finding) string { return fmt.Sprintf("row %d holds the same op", f.Row) },
	oplog.ProblemSameSeq: func(f finding) string {
		return fmt.Sprintf("author %s signed two ops at seq %d: this one and op %s in row %d", f.Author.Short(), f.Have, f.Op.Short(), f.Row)
	},
	oplog.ProblemNeeds: func(f finding) string { return "waits for " + notHere(f.Ops) },
	oplog.ProblemHad: func(f finding) string {
		return "this replica wrote it and then had what it builds on: " + notHere(f.Ops)
	},
	oplog.ProblemMissing: func(f finding) string {
		if f.Last != 0 {
			return "are missing"
		}
		return "is missing"
	},
	oplog.ProblemOrder: func(finding) string { return "stands behind rows that arrived later" },
	oplog.ProblemGreatest: func(finding) string {
		return "its arrival number is the greatest there is, behind which nothing can be written; it was not verified"
	},
	oplog.ProblemBelow:     func(finding) string { return "its arrival number is below 1, where nothing is read" },
	oplog.ProblemKey:       func(f finding) string { return fmt.Sprintf("this replica's identity is damaged: %v", f.Err) },
	oplog.ProblemTable:     func(f finding) string { return "the table " + f.Name + " is missing: another program took it out" },
	oplog.ProblemForeign:   func(f finding) string { return "the database was changed by somebody else: " + f.Name },
	oplog.ProblemRepairs:   func(f finding) string { return fmt.Sprintf("the list of repaired rows cannot be read: %v", f.Err) },
	oplog.ProblemRepairGap: func(f finding) string { return fmt.Sprintf("repair %d: those before it are missing", int64(f.Have)) },
	oplog.ProblemRepairOf:  func(f finding) string { return fmt.Sprintf("repair %d is of an op that is not here", int64(f.Have)) },
	oplog.ProblemDecisions: func(f finding) string {
		return fmt.Sprintf("the decisions whom to trust cannot be read: %v", f.Err)
	},
	oplog.ProblemDecisionGap: func(f finding) string {
		return fmt.Sprintf("decision %d whom to trust: those before it are missing", int64(f.Have))
	},
	oplog.ProblemDecisionKey: func(f finding) string {
		return fmt.Sprintf("decision %d whom to trust: the author is no valid key", int64(f.Have))
	},
	oplog.ProblemDecisionName: func(f finding) string {
		return fmt.Sprintf("decision %d whom to trust: the name is no text of a name's length", int64(f.Have))
	},
	oplog.ProblemPages:          func(f finding) string { return f.Name },
	oplog.ProblemPagesUnchecked: func(f finding) string { return fmt.Sprintf("the check of the file ended early: %v", f.Err) },
	oplog.ProblemOpening: func(f finding) string {
		return fmt.Sprintf("all that is stored is sound, but the file cannot be opened: %v", f.Err)
	},
	oplog.ProblemWALHeader: func(finding) string {
		return "the header of the -wal file is damaged, so nothing in that file is read: what was acknowledged since the last checkpoint and stands there alone is not shown, " +
			"and the next write overwrites it"
	},
	oplog.ProblemWALFrame: func(f finding) string {
		return fmt.Sprintf("the -wal file ends early: frame %d is damaged, and with it %d more that stand behind it are not read. If the power failed during a write, that write was never acknowledged. "+
			"Otherwise changes that were acknowledged are not shown, and the next write overwrites them", f.Have, f.Want)
	},
	oplog.ProblemWALTail: func(f finding) string {
		return fmt.Sprintf("the -wal file ends in the middle of a write, at frame %d, so that write is not shown. It was never acknowledged if its process was killed or the power failed. "+
			"Otherwise the end of the file is damaged, and the last change is lost", f.Have)
	},
	oplog.ProblemStateUnread: func(f finding) string { return fmt.Sprintf("the state cannot be compared with the ops: %v", f.Err) },
	oplog.ProblemStateOther: func(finding) string {
		return "the state is not that of the last row of the log, or of the last decision whom to trust"
	},
	oplog.ProblemStateRows: func(f finding) string {
		return "what the state has as " + f.Name + " is not what the ops give"
	},
}

// notHere names ops that are not here, of many the first.
func notHere(ops []crdt.OpID) string {
	const few = 3
	var ids []string
	for _, id := range ops[:min(len(ops), few)] {
		ids = append(ids, id.Short())
	}
	switch n := len(ops); {
	case n == 1:
		return "op " + ids[0] + ", which is not here"
	case n > few:
		return fmt.Sprintf("%d ops (%s, ...), which are not here", n, strings.Join(ids, ", "))
	default:
		return fmt.Sprintf("%d ops (%s), which are not here", n, strings.Join(ids, ", "))
	}
}

// FindingRemedy says what a person can do about findings of a kind.
func FindingRemedy(kind oplog.FindingKind) string { return findingRemedies[kind] }

const (
	nextImport  = "import a bundle that has the op (export it without --since on a replica that does), or restore a backup"
	nextNothing = "nothing: every replica refuses the op and what builds on it; ask the author's owner how it came about"
	nextSalvage = "end all servers of the project; move the database to pipeline.db.old, and its -wal file, if there is one, to pipeline.db.old-wal; " +
		"huskies-mcp export --salvage --db pipeline.db.old all.bundle; huskies-mcp import --create --keys-from pipeline.db.old all.bundle; " +
		"when huskies-mcp verify finds no fault, remove pipeline.db.old and all.bundle"
)

// findingRemedies say for each kind of finding what a person can do.
var findingRemedies = map[oplog.FindingKind]string{
	oplog.FoundHash:      nextImport,
	oplog.FoundShape:     "the database was written by another program: restore a backup from before",
	oplog.FoundVersion:   "install a newer huskies-mcp and verify again: this one cannot tell whether the op is sound",
	oplog.FoundSignature: nextImport,
	oplog.FoundColumn:    nextSalvage + ". The pipeline is read from the payload, so what it shows is right",
	oplog.FoundSeq:       nextNothing,
	oplog.FoundRule:      nextNothing,
	oplog.FoundTwice:     nextSalvage,
	oplog.FoundEquivocation: "find out where the author's key is in use: two copies of one database wrote, or one went on after a backup was put back or while a row " +
		"was damaged, or somebody has the key. Nothing is to be mended: all replicas agree what both ops give. huskies-mcp trust says whose ops are applied",
	oplog.FoundArrival: "rows were taken out or put in by another program: import a bundle of all ops from another replica. When all is here that " +
		"can be had, the numbers still show the gap: " + nextSalvage,
	oplog.FoundUnreadable: keepACopy + "if there is none: " + nextSalvage,
	oplog.FoundLost:       "rows were taken out, or an older backup was put back: import a bundle of all ops from another replica, or restore a newer backup",
	oplog.FoundSQLite:     keepACopy + "if there is none: " + nextSalvage,
	oplog.FoundIdentity: "restore a backup; a new key is never made in place of a damaged one. If there is no backup, the ops are saved as a bundle, of which a pipeline with a fresh key " +
		"and without a list of trusted authors is made: move the database away with its -wal file, then huskies-mcp export --salvage --db WHERE-IT-IS all.bundle; huskies-mcp import --create all.bundle",
	oplog.FoundTrust:  "look whether huskies-mcp trust list says what you decided, and decide anew or restore a backup; then, if decisions or their table are missing: " + nextSalvage,
	oplog.FoundRepair: nextSalvage,
	oplog.FoundSchema: nextSalvage + ". If the database came from somebody else, leave out --keys-from. If our own tables were changed: restore a backup, or import a bundle of all ops into a new database",
	oplog.FoundWAL: "end all servers of the project, and keep a copy of the database with its -wal file before anything is written. If something is missing that was acknowledged, " +
		"import a bundle that has it, or restore a backup. Then go on: the next write overwrites the damaged part",
	oplog.FoundWALEnd:  "nothing, if a process was killed or the power failed; else keep a copy of the database with its -wal file, and look whether the last change is there",
	oplog.FoundLeases:  nextSalvage + ". The claims' leases are lost: agents claim their stories again",
	oplog.FoundState:   "huskies-mcp rebuild makes the state anew from the ops, and loses nothing",
	oplog.FoundWaiting: "import a bundle that has what they build on; if rows of the database were lost, restore a backup",
}
