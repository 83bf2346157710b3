package crdt

// Every bound of the format stands here with its reason. A bound marked
// "admission" is part of the format: all replicas refuse the same ops. A bound
// marked "writer" is kept only by the one that writes, because refusing a
// merge by it would make the outcome depend on the order of arrival.
const (
	// MaxPayload bounds the payload of an op, in bytes (admission). It holds a
	// note of several pages and still lets one replica keep thousands of
	// pending ops of a stranger in memory.
	MaxPayload = 64 << 10

	// MaxParents bounds the heads one op names (admission). An author with
	// more heads names the greatest by seq; the others stay heads and are
	// named by the ops that follow.
	MaxParents = 16

	// MaxEdits bounds the edits of one op (admission): replacing 64
	// dependencies by 64 others is 128 edits, all fields together are under 20.
	MaxEdits = 256

	// maxPairs bounds a map, and MaxEdits an array, also under unknown keys
	// (admission): several times what any map of the format has.
	maxPairs = 64

	// maxNesting bounds the depth of arrays and maps, the payload's own map
	// counted (admission): the known keys need 3, and 8 cost no stack.
	maxNesting = 8

	// MaxStoryID bounds a story ID, in bytes (admission). Story IDs become
	// file names in outlets; 128 leaves room for suffixes under the usual 255.
	MaxStoryID = 128

	// MaxFieldName bounds a field's name, in bytes (admission).
	MaxFieldName = 64

	// MaxNote bounds a note, in bytes (admission): several pages, and a
	// description of 32 KiB goes into the same op.
	MaxNote = 16 << 10

	// MaxAgent bounds an agent's name, in bytes (admission).
	MaxAgent = 128

	// MaxSeq bounds seq, at and every integer value (admission): 2^53 - 1, the
	// greatest integer that every JSON reader keeps exactly, which also fits
	// SQLite's signed 64-bit integers.
	MaxSeq = 1<<53 - 1

	// MaxIncrement bounds one inc (admission): with it, 2^31 ops cannot
	// overflow a counter.
	MaxIncrement = 1 << 20

	// MaxPendingPerAuthor and MaxPending bound the ops that wait for parents,
	// in count, and the Bytes variants in bytes of memory, payload and decoded
	// edits (per replica, not part of the format: an op refused by them may be
	// sent again). A week offline of one busy author delivered in reverse fits
	// the first; a hundred authors cannot pass the total, which trusted authors
	// have for themselves and all others for themselves.
	MaxPendingPerAuthor      = 1 << 15
	MaxPending               = 1 << 17
	MaxPendingBytesPerAuthor = 32 << 20
	MaxPendingBytes          = 128 << 20

	// MaxHeldPerAuthor and MaxHeld bound the ops kept of authors who are not on
	// a list of trusted ones (per replica, not part of the format). They are
	// kept because ops of trusted authors may name them as parents; the same
	// figures as for pending ops leave room for all that an honest author can
	// have said before being put on the list. Who has no room here has none
	// among the pending ops, so what waits can pass these bounds once, by as much
	// as may wait.
	MaxHeldPerAuthor      = MaxPendingPerAuthor
	MaxHeld               = MaxPending
	MaxHeldBytesPerAuthor = MaxPendingBytesPerAuthor
	MaxHeldBytes          = MaxPendingBytes

	// MaxStories bounds the stories of one pipeline, deleted ones included
	// (writer). Lists and boards stay usable far below it.
	MaxStories = 1_000_000

	// MaxDependencies bounds the dependencies of one story (writer). Two
	// replicas that each add 64 merge to 128 and both stay.
	MaxDependencies = 64
)
