package oplog

import "github.com/huskies/huskies-mcp/crdt"

// ProblemCode says what exactly is wrong, and which values of a [Problem] are set.
type ProblemCode string

const (
	// ProblemUnread: the rows cannot be read: Err. ProblemUnreadBehind: nor what stands behind them.
	ProblemUnread       ProblemCode = "unread"
	ProblemUnreadBehind ProblemCode = "unread_behind"
	// ProblemLength: the column op_id has Have bytes and not Want.
	ProblemLength ProblemCode = "length"
	// ProblemVersion: the op is of a version that this build does not know: Err.
	ProblemVersion ProblemCode = "version"
	// ProblemNoOp: the payload has the right hash and is no op: Err.
	ProblemNoOp ProblemCode = "no_op"
	// ProblemSignature: Author did not sign the op.
	ProblemSignature ProblemCode = "signature"
	// ProblemOtherOp: the payload is Op, with a valid signature. ProblemHash: it is nothing that is known.
	ProblemOtherOp ProblemCode = "other_op"
	ProblemHash    ProblemCode = "hash"
	// ProblemAuthor: the column is not Author, as in the payload. ProblemSeq: not the seq Want.
	ProblemAuthor ProblemCode = "author"
	ProblemSeq    ProblemCode = "seq"
	// ProblemRule: the schema of the ops refuses it: Err.
	ProblemRule ProblemCode = "rule"
	// ProblemParents: the op's seq is Have, and its parents give Want.
	ProblemParents ProblemCode = "parents"
	// ProblemSameOp: the row Row holds the same op.
	ProblemSameOp ProblemCode = "same_op"
	// ProblemSameSeq: Author signed this op and Op, in row Row, at the seq Have.
	ProblemSameSeq ProblemCode = "same_seq"
	// ProblemNeeds: the op builds on Ops, which are not here. ProblemHad: its author is this replica, which had them.
	ProblemNeeds ProblemCode = "needs"
	ProblemHad   ProblemCode = "had"
	// ProblemMissing: the rows are missing. ProblemOrder: the row stands behind rows that arrived later.
	ProblemMissing ProblemCode = "missing"
	ProblemOrder   ProblemCode = "order"
	// ProblemGreatest: the arrival is the greatest there is. ProblemBelow: it is below 1.
	ProblemGreatest ProblemCode = "greatest"
	ProblemBelow    ProblemCode = "below"
	// ProblemKey: the replica's identity is damaged: Err.
	ProblemKey ProblemCode = "key"
	// ProblemTable: the table Name is missing. ProblemForeign: somebody else made the object Name.
	ProblemTable   ProblemCode = "table"
	ProblemForeign ProblemCode = "foreign"
	// ProblemRepairs: the repairs cannot be read: Err. ProblemRepairGap: those before number Have are
	// missing. ProblemRepairOf: number Have is of an op that is not here.
	ProblemRepairs   ProblemCode = "repairs"
	ProblemRepairGap ProblemCode = "repair_gap"
	ProblemRepairOf  ProblemCode = "repair_of"
	// ProblemDecisions: the decisions whom to trust cannot be read: Err. ProblemDecisionGap: those before
	// number Have are missing. ProblemDecisionKey: its author is no key. ProblemDecisionName: its name is none.
	ProblemDecisions    ProblemCode = "decisions"
	ProblemDecisionGap  ProblemCode = "decision_gap"
	ProblemDecisionKey  ProblemCode = "decision_key"
	ProblemDecisionName ProblemCode = "decision_name"
	// ProblemPages: SQLite's check says Name. ProblemPagesUnchecked: it ended early: Err.
	ProblemPages          ProblemCode = "pages"
	ProblemPagesUnchecked ProblemCode = "pages_unchecked"
	// ProblemOpening: others cannot open the file: Err.
	ProblemOpening ProblemCode = "opening"
	// ProblemWALHeader: the header of the write-ahead log is damaged. ProblemWALFrame: frame Have is, and
	// Want more behind it are not read. ProblemWALTail: it ends within a write, at frame Have.
	ProblemWALHeader ProblemCode = "wal_header"
	ProblemWALFrame  ProblemCode = "wal_frame"
	ProblemWALTail   ProblemCode = "wal_tail"
	// ProblemStateUnread: the state cannot be compared: Err. ProblemStateOther: it is not that of the log's
	// last row. ProblemStateRows: its rows of the kind Name are not what the ops give.
	ProblemStateUnread ProblemCode = "state_unread"
	ProblemStateOther  ProblemCode = "state_other"
	ProblemStateRows   ProblemCode = "state_rows"
)

// Problem is what is wrong, as a code and the values that it has.
type Problem struct {
	Code       ProblemCode
	Have, Want uint64
	Row        int64 // another one than the finding is about
	Author     crdt.Author
	Op         crdt.OpID
	Ops        []crdt.OpID
	Name       string // somebody else's text
	Err        error
}
