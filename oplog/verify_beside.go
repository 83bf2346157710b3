package oplog

import (
	"context"
	"database/sql"
	"strings"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// besideSchema is the version of the schema from which on there are tables of
// decisions and repairs.
const besideSchema = 2

// beside is what stands beside the ops. It is read before the last arrival number,
// so that each repair is of a row that is looked at.
type beside struct {
	repairs []db.RepairsRow
}

// readBeside says which tables are missing, reads and checks the decisions whom to
// trust, and reads the repairs.
func (v *verifier) readBeside(ctx context.Context) {
	if v.log.version < besideSchema {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for _, table := range v.lost {
		v.found(missingTable(table))
	}
	if v.has(TrustTable) {
		v.readTrust(ctx)
	}
	v.trust = v.readMembers(ctx)
	var err error
	if !v.has(tableRepairs) {
		return
	}
	if v.beside.repairs, err = v.queries.Repairs(ctx); err != nil {
		v.found(Finding{Kind: kindOf(err, FoundRepair), Problem: Problem{Code: ProblemRepairs, Err: err}})
	}
}

// kindOf tells pages that cannot be read from what is wrong in a table.
func kindOf(err error, other FindingKind) FindingKind {
	if unreadable(err) {
		return FoundUnreadable
	}
	return other
}

func missingTable(table string) Finding {
	kind, named := lostTables[table]
	if !named {
		kind = FoundSchema
	}
	return Finding{Kind: kind, Problem: Problem{Code: ProblemTable, Name: table}}
}

// lostTables says what a missing table is a finding of.
var lostTables = map[string]FindingKind{
	tableOps:        FoundUnreadable,
	tableIdentities: FoundIdentity,
	TrustTable:      FoundTrust,
	RootsTable:      FoundTrust,
	tableRepairs:    FoundRepair,
	LeasesTable:     FoundLeases,
}

// readTrust reads and checks the decisions whom to trust.
func (v *verifier) readTrust(ctx context.Context) {
	decisions, err := v.queries.TrustDecisions(ctx)
	if err != nil {
		v.found(Finding{Kind: kindOf(err, FoundTrust), Problem: Problem{Code: ProblemDecisions, Err: err}})
	}
	for i, d := range decisions {
		fault := func(code ProblemCode) {
			v.found(Finding{Kind: FoundTrust, Problem: Problem{Code: code, Have: uint64(d.ID)}})
		}
		var author crdt.Author
		copy(author[:], d.Author)
		if previous := int64(i); d.ID != previous+1 && (i == 0 || d.ID != decisions[i-1].ID+1) {
			fault(ProblemDecisionGap)
		}
		if len(d.Author) != len(author) || !author.Valid() {
			fault(ProblemDecisionKey)
		}
		if len(d.Name) > MaxAuthorName || !utf8.ValidString(d.Name) {
			fault(ProblemDecisionName)
		}
	}
}

// readMembers reads whose ops count, and checks the decisions on the root.
func (v *verifier) readMembers(ctx context.Context) *trust {
	all := &trust{}
	if !v.has(TrustTable) || !v.has(tableIdentities) || !v.has(RootsTable) {
		return all
	}
	if v.log.version < membersSchema {
		if listed, err := readListed(ctx, v.queries); err == nil {
			return listed
		}
		return all // readTrust says so
	}
	rows, err := v.queries.Roots(ctx)
	if err != nil {
		v.found(Finding{Kind: kindOf(err, FoundTrust), Problem: Problem{Code: ProblemDecisions, Err: err}})
		return all
	}
	for i, row := range rows {
		fault := func(code ProblemCode) {
			v.found(Finding{Kind: FoundTrust, Problem: Problem{Code: code, Have: uint64(row.ID)}})
		}
		if row.ID != int64(i)+1 && (i == 0 || row.ID != rows[i-1].ID+1) {
			fault(ProblemDecisionGap)
		}
		if root := author(row.Root); len(row.Root) > 0 && !root.Valid() {
			fault(ProblemDecisionKey)
		}
	}
	by, err := logTrust(ctx, v.queries)
	if err != nil {
		return all // the rows say so
	}
	return by
}

// checkBeside checks the repairs: each is of an op that is here.
func (v *verifier) checkBeside() {
	for i, r := range v.beside.repairs {
		var id crdt.OpID
		copy(id[:], r.OpID)
		if r.ID != int64(i)+1 && (i == 0 || r.ID != v.beside.repairs[i-1].ID+1) {
			v.found(Finding{Kind: FoundRepair, ID: id, Problem: Problem{Code: ProblemRepairGap, Have: uint64(r.ID)}})
		}
		if _, here := v.known[id]; !here && !v.holes {
			v.found(Finding{Kind: FoundRepair, ID: id, Problem: Problem{Code: ProblemRepairOf, Have: uint64(r.ID)}})
		}
	}
}

// complaints calls fault with each line that one of SQLite's checks has to say.
func (l *Log) complaints(ctx context.Context, conn *sql.Conn, check string, fault func(line string)) error {
	rows, err := conn.QueryContext(ctx, "PRAGMA "+check)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line != "" && line != "ok" && !strings.HasPrefix(line, "*** in database") {
				fault(line)
			}
		}
	}
	return rows.Err()
}
