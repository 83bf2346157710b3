package oplog

import (
	"errors"
	"fmt"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// Hub is the hub that this replica is joined to.
type Hub struct {
	// Address is host:port, or several parted by commas.
	Address string
	// Pipeline is the pipeline's ID there.
	Pipeline string
	// CA is the SHA-256 of the certificate that signs the hub's certificates.
	CA [32]byte
	// Root is the public key of the pipeline's owner.
	Root crdt.Author
	// Replica is the last part of the subject that this database publishes to.
	Replica string
	// JoinedAt is in ms since 1970 UTC, by this replica's clock.
	JoinedAt int64
}

// HubMark names a message of the hub's stream, and the op that it carries.
type HubMark struct {
	// Epoch tells one stream from another: when it was made, in ns since 1970 UTC.
	Epoch int64
	// Seq is the message's sequence number in the stream, from 1.
	Seq uint64
	ID  crdt.OpID
}

// HubState says how far this replica and its hub know each other.
type HubState struct {
	// Read is how far the stream was read, Acked the last message that the hub acknowledged.
	Read, Acked HubMark
	// Outbox counts the ops that are not known to be on the hub. Since is when the first of
	// them arrived here, in ms since 1970 UTC; 0 if there is none.
	Outbox, Since int64
	// Skipped counts the messages that were passed over.
	Skipped int64
}

// Kinds of marks.
const (
	markRead  = 1
	markAcked = 2
)

// Hub returns the hub that this replica is joined to, nil if it is joined to none. A file that
// was copied here is not joined, whatever stands in it: its key is another one.
func (s *Snapshot) Hub() (*Hub, error) {
	row, err := s.q.GetHub(s.ctx)
	if err != nil {
		return nil, s.log.fail("read hub", none(err))
	}
	if me := s.log.Author(); me == (crdt.Author{}) || author(row.Author) != me {
		return nil, nil
	}
	hub := &Hub{Address: row.Address, Pipeline: row.Pipeline, Root: author(row.Root), Replica: row.Replica, JoinedAt: row.JoinedAt}
	copy(hub.CA[:], row.Ca)
	return hub, nil
}

// HubState returns how far this replica and its hub know each other.
func (s *Snapshot) HubState() (h HubState, err error) {
	rows, err := s.q.HubMarks(s.ctx)
	for _, row := range rows {
		mark := HubMark{Epoch: row.Epoch, Seq: uint64(row.Seq)}
		copy(mark.ID[:], row.OpID)
		if row.Kind == markRead {
			h.Read = mark
		} else {
			h.Acked = mark
		}
	}
	if err == nil {
		var size db.OutboxSizeRow
		size, err = s.q.OutboxSize(s.ctx)
		h.Outbox, h.Since = size.Ops, size.Since
	}
	if err == nil {
		h.Skipped, err = s.q.CountSkipped(s.ctx)
	}
	return h, s.log.fail("read hub", err)
}

// Outbox returns up to most ops that are not known to be on the hub, in order of arrival: this replica's
// own, or all. Damaged rows are among them, without an op.
func (s *Snapshot) Outbox(own bool, most int) ([]SignedRow, error) {
	me, whole := s.log.Author(), int64(1)
	if own {
		whole = 0
	}
	rows, err := s.q.Outbox(s.ctx, db.OutboxParams{Whole: whole, Author: me[:], Most: int64(most)})
	return s.outbox(rows), s.log.fail("read outbox", err)
}

// OutboxOfMembers is Outbox for the ops about members alone.
func (s *Snapshot) OutboxOfMembers(most int) ([]SignedRow, error) {
	rows, err := s.q.OutboxOfMembers(s.ctx, int64(most))
	same := make([]db.OutboxRow, len(rows))
	for i, row := range rows {
		same[i] = db.OutboxRow(row)
	}
	return s.outbox(same), s.log.fail("read outbox", err)
}

func (s *Snapshot) outbox(rows []db.OutboxRow) []SignedRow {
	out := make([]SignedRow, len(rows))
	for i, row := range rows {
		out[i] = s.log.signedRow(&db.SignedOpsAfterRow{Arrival: row.Arrival, OpID: row.OpID, Seq: row.Seq, Payload: row.Payload, Signature: row.Signature, ReceivedAt: row.ReceivedAt})
	}
	return out
}

// Skipped returns up to most sequence numbers of messages that were passed over, above after.
func (s *Snapshot) Skipped(after uint64, most int) (seqs []uint64, err error) {
	rows, err := s.q.SkippedMessages(s.ctx, db.SkippedMessagesParams{Seq: int64(after), Limit: int64(most)})
	for _, row := range rows {
		seqs = append(seqs, uint64(row.Seq))
	}
	return seqs, s.log.fail("read skipped messages", err)
}

// Join makes the hub this replica's. All ops of the log are to be sent there.
func (tx *Tx) Join(h Hub) error {
	me := tx.log.Author()
	err := tx.forgetHub()
	if err == nil {
		err = tx.log.queries.PutHub(tx.ctx, db.PutHubParams{
			Author: me[:], Address: h.Address, Pipeline: h.Pipeline, Ca: h.CA[:], Root: h.Root[:], Replica: h.Replica, JoinedAt: h.JoinedAt,
		})
	}
	if err == nil {
		err = tx.log.queries.QueueAllOps(tx.ctx)
	}
	tx.joined = nil
	return tx.changed("join hub", err)
}

// MoveHub changes where the hub is.
func (tx *Tx) MoveHub(address string) error {
	return tx.changed("move hub", tx.log.queries.SetHubAddress(tx.ctx, address))
}

// Leave forgets the hub, and what was to be sent there.
func (tx *Tx) Leave() error {
	tx.joined = nil
	return tx.changed("leave hub", tx.forgetHub())
}

func (tx *Tx) forgetHub() error {
	q := tx.log.queries
	for _, drop := range []func() error{
		func() error { return q.DropHub(tx.ctx) },
		func() error { return q.DropOutbox(tx.ctx) },
		func() error { return q.DropHubMarks(tx.ctx) },
		func() error { return q.DropSkipped(tx.ctx) },
	} {
		if err := drop(); err != nil {
			return err
		}
	}
	return nil
}

// isJoined reports whether ops of this replica are to be sent to a hub.
func (tx *Tx) isJoined() (bool, error) {
	if tx.joined == nil {
		authors, err := tx.log.queries.HubAuthor(tx.ctx)
		if err != nil {
			return false, err
		}
		joined := len(authors) == 1 && author(authors[0]) == tx.log.Author()
		tx.joined = &joined
	}
	return *tx.joined, nil
}

// queue enters a row that was appended as one to send, unless it came from the hub.
func (tx *Tx) queue(arrival int64) error {
	if tx.fromHub {
		return nil
	}
	joined, err := tx.isJoined()
	if err != nil || !joined {
		return err
	}
	return tx.log.queries.QueueOp(tx.ctx, arrival)
}

// queueAgain enters an op as one to send whose row was damaged until now.
func (tx *Tx) queueAgain(id crdt.OpID) error {
	found, err := findOp(tx.ctx, tx.log.queries, id)
	if err != nil || found == nil {
		return err
	}
	return tx.queue(found.Arrival)
}

// FromHub notes that what the transaction appends came from the hub that this replica is joined to under a name. It is an error if
// the replica has left that hub: what one hub has is not known to be on the next one.
func (tx *Tx) FromHub(name string) error {
	tx.fromHub = true
	return tx.AtHub(name)
}

// AtHub returns an error if this replica has left the hub that it was joined to under a name, or begins anew with it.
func (tx *Tx) AtHub(name string) error {
	row, err := tx.log.queries.GetHub(tx.ctx)
	if err = none(err); err == nil && row.Replica != name {
		return errors.New("the replica has left the hub")
	}
	return tx.log.fail("read hub", err)
}

// OnHub notes that an op which was here already is on the hub.
func (tx *Tx) OnHub(id crdt.OpID) error {
	found, err := findOp(tx.ctx, tx.log.queries, id)
	if err == nil && found != nil {
		err = tx.log.queries.UnqueueOp(tx.ctx, found.Arrival)
	}
	return tx.changed("clear outbox", err)
}

// Sent notes that the hub acknowledged rows of the outbox, and the last of its messages.
func (tx *Tx) Sent(arrivals []int64, last HubMark) error {
	for _, arrival := range arrivals {
		if err := tx.log.queries.UnqueueOp(tx.ctx, arrival); err != nil {
			return tx.changed("clear outbox", err)
		}
	}
	if last.Seq == 0 {
		return tx.changed("clear outbox", nil)
	}
	return tx.putMark(markAcked, last)
}

// ReadTo notes how far the hub's stream was read.
func (tx *Tx) ReadTo(mark HubMark) error { return tx.putMark(markRead, mark) }

func (tx *Tx) putMark(kind int64, mark HubMark) error {
	return tx.changed("store hub mark", tx.log.queries.PutHubMark(tx.ctx, db.PutHubMarkParams{
		Kind: kind, Epoch: mark.Epoch, Seq: int64(mark.Seq), OpID: mark.ID[:],
	}))
}

// maxSkippedWhy bounds the reason that is kept of a message, in bytes: it may repeat what stood there.
const maxSkippedWhy = 300

// Skip notes a message that was passed over, and why.
func (tx *Tx) Skip(seq uint64, why string) error {
	return tx.changed("note skipped message", tx.log.queries.SkipMessage(tx.ctx, db.SkipMessageParams{Seq: int64(seq), Why: fmt.Sprintf("%.*s", maxSkippedWhy, why)}))
}

// Unskip forgets a message that was passed over.
func (tx *Tx) Unskip(seq uint64) error {
	return tx.changed("forget skipped message", tx.log.queries.UnskipMessage(tx.ctx, int64(seq)))
}

// Resend forgets how far the stream was read and enters the ops of the log as ones to send: those of
// the replica's own key, or all. Replica, if it is not empty, is the last part of the subject from now on.
func (tx *Tx) Resend(all bool, replica string) error {
	q := tx.log.queries
	err := q.DropHubMarks(tx.ctx)
	if err == nil {
		err = q.DropSkipped(tx.ctx)
	}
	if err == nil && all {
		err = q.QueueAllOps(tx.ctx)
	} else if err == nil {
		me := tx.log.Author()
		err = q.QueueOpsOf(tx.ctx, me[:])
	}
	if err == nil && replica != "" {
		err = q.SetHubReplica(tx.ctx, replica)
	}
	return tx.changed("queue ops again", err)
}

// Requeue enters ops of the log as ones to send, and then the ops that they build on, the nearest first, up to most in all.
// It leaves out ops of which skip is true, with those that they build on. It returns the ops that it entered.
func (tx *Tx) Requeue(ids []crdt.OpID, most int, skip func(crdt.OpID) bool) (entered []crdt.OpID, err error) {
	seen := make(map[crdt.OpID]bool)
	for ids = slices.Clone(ids); len(ids) > 0 && len(entered) < most; ids = ids[1:] {
		id := ids[0]
		if seen[id] || skip(id) {
			continue
		}
		seen[id] = true
		found, parents, err := tx.requeue(id)
		if err != nil {
			return nil, tx.changed("queue ops again", err)
		}
		if found {
			entered = append(entered, id)
			ids = append(ids, parents...)
		}
	}
	return entered, tx.changed("queue ops again", nil)
}

// requeue enters an op as one to send, if it is in the log, and returns its parents.
func (tx *Tx) requeue(id crdt.OpID) (found bool, parents []crdt.OpID, err error) {
	row, err := findOp(tx.ctx, tx.log.queries, id)
	if err != nil || row == nil {
		return false, nil, err
	}
	signed, err := tx.log.queries.SignedOpAt(tx.ctx, row.Arrival)
	if err != nil {
		return false, nil, err
	}
	if op, err := crdt.Decode(signed.Payload); err == nil { // what cannot be read is sent as it is
		parents = op.Parents
	}
	return true, parents, tx.log.queries.QueueOp(tx.ctx, row.Arrival)
}

// Reread forgets how far the hub's stream was read.
func (tx *Tx) Reread() error {
	return tx.changed("forget hub mark", tx.log.queries.DropHubMark(tx.ctx, markRead))
}
