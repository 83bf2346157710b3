package phrase

import (
	"fmt"
	"strings"

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
	return strings.Join(where, ", ") + ": " + f.Problem
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
