package oplog

import "github.com/huskies/huskies-mcp/oplog/dbfile"

// checkWAL says so if the write-ahead log had more than SQLite reads before the rows were verified,
// and has it still. Others may be writing to it: what is gone by now was their work.
func (v *verifier) checkWAL(before dbfile.WALLook) {
	problem, fault := before.Problem()
	if problem == "" || before.Err != nil || dbfile.LookAtWAL(v.log.file.Path) != before {
		return
	}
	kind := FoundWALEnd
	if fault {
		kind = FoundWAL
	}
	v.found(Finding{Kind: kind, Problem: problem})
}
