package oplog

import "github.com/huskies/huskies-mcp/oplog/dbfile"

// checkWAL says so if the write-ahead log had more than SQLite reads before the rows were verified,
// and has it still. Others may be writing to it: what is gone by now was their work.
func (v *verifier) checkWAL(before dbfile.WALLook) {
	if before.Err != nil || dbfile.LookAtWAL(v.log.file.Path) != before {
		return
	}
	f := Finding{Kind: FoundWAL}
	switch tail := before.Tail; {
	case tail.Header:
		f.Problem = Problem{Code: ProblemWALHeader}
	case tail.Behind > 0:
		f.Problem = Problem{Code: ProblemWALFrame, Have: uint64(tail.Frames) + 1, Want: uint64(tail.Behind)}
	case tail.Torn || tail.Frames > tail.Committed:
		f.Kind, f.Problem = FoundWALEnd, Problem{Code: ProblemWALTail, Have: uint64(tail.Committed) + 1}
	default:
		return
	}
	v.found(f)
}
