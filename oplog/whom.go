package oplog

import (
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
)

// trust says whose ops count. The zero trust says that all do.
type trust struct {
	// members decide alone if they are not nil. But an own key that they do not know counts: nobody has
	// decided about it.
	members *members.Members
	// listed are the authors of whom people here decided that they count; nil: all do.
	listed map[crdt.Author]bool
	own    map[crdt.Author]bool
	// left are the ops of removed members that count. Only a replay knows them: an op that comes later is none
	// of them, since their heads are here.
	left map[crdt.OpID]bool
}

// counts reports whether all ops of an author count.
func (t *trust) counts(a crdt.Author) bool {
	switch {
	case t.members != nil:
		return t.members.Counts(a) || t.own[a] && t.members.Of(a) == nil
	case t.listed == nil:
		return true
	}
	return t.listed[a] || t.own[a]
}

// countsOp reports whether an op counts.
func (t *trust) countsOp(op *crdt.Op) bool { return t.counts(op.Author) || t.left[op.ID] }

// sameFor reports whether the same ops of an author count by both.
func (t *trust) sameFor(a crdt.Author, other *trust) bool {
	if t.counts(a) != other.counts(a) || t.counts(a) {
		return t.counts(a) == other.counts(a)
	}
	if t.members == nil || other.members == nil {
		return t.members == other.members
	}
	return t.members.SameFor(a, other.members)
}

// knownTrust keeps whose ops count, as committed transactions left it, since to read all ops about members takes
// milliseconds where there are thousands.
type knownTrust struct {
	mu    sync.Mutex
	mark  trustMark
	trust *trust
}

// trustMark tells what a trust was read of from anything else.
type trustMark struct {
	state, decision, key int64
	members              db.MemberOpsMarkRow
}

func author(b []byte) (a crdt.Author) {
	copy(a[:], b)
	return a
}
