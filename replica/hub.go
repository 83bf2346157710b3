package replica

import (
	"context"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/oplog"
)

// Hub is the hub that a replica is joined to.
type Hub = oplog.Hub

// HubMark names a message of the hub's stream.
type HubMark = oplog.HubMark

// HubState says how far a replica and its hub know each other.
type HubState = oplog.HubState

// HubOp is an op as the hub's stream has it.
type HubOp struct {
	Seq    uint64 // of the message
	Signed crdt.SignedOp
}

// OutboxOp is an op to send to the hub.
type OutboxOp struct {
	Arrival int64
	Signed  crdt.SignedOp
	// OfMembers says that the op is about members.
	OfMembers bool
}

// HubReport says what became of ops from the hub.
type HubReport struct {
	ImportReport
	// Skipped were passed over, and are to be read again later.
	Skipped int
}

// Hub returns the hub that the replica is joined to, nil if it is joined to none, and how far the two
// know each other.
func (r *Replica) Hub(ctx context.Context) (hub *Hub, state HubState, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		hub, state = nil, HubState{}
		if hub, err = snap.Hub(); hub != nil && err == nil {
			state, err = snap.HubState()
		}
		return err
	})
	return hub, state, err
}

// JoinHub makes the hub this replica's: from now on the ops of the log are to be sent there. The database
// is made if there is none. The members decide whose ops count from then on, if the hub has said who they are.
func (r *Replica) JoinHub(ctx context.Context, hub Hub) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	if err := oplog.CreateFolder(r.cfg.Path); err != nil {
		return err
	}
	return r.locked(ctx, func(log *oplog.Log) error {
		return log.Write(ctx, func(tx *oplog.Tx) error {
			if err := tx.Join(hub); err != nil {
				return err
			}
			return r.follow(log, tx, hub.Root)
		})
	})
}

// MoveHub changes where the hub is that the replica is joined to under a name.
func (r *Replica) MoveHub(ctx context.Context, name, address string) error {
	return r.decideByHub(ctx, name, func(tx *oplog.Tx) error { return tx.MoveHub(address) })
}

// LeaveHub forgets the hub. All ops stay.
func (r *Replica) LeaveHub(ctx context.Context) error {
	return r.decide(ctx, (*oplog.Tx).Leave)
}

// Outbox returns up to most ops that are not known to be on the hub, in order of arrival: this replica's own,
// or all.
func (r *Replica) Outbox(ctx context.Context, own bool, most int) (ops []OutboxOp, err error) {
	return r.outbox(ctx, func(snap *oplog.Snapshot) ([]oplog.SignedRow, error) { return snap.Outbox(own, most) })
}

// OutboxOfMembers is Outbox for the ops about members alone, which are sent first.
func (r *Replica) OutboxOfMembers(ctx context.Context, most int) (ops []OutboxOp, err error) {
	return r.outbox(ctx, func(snap *oplog.Snapshot) ([]oplog.SignedRow, error) { return snap.OutboxOfMembers(most) })
}

func (r *Replica) outbox(ctx context.Context, read func(*oplog.Snapshot) ([]oplog.SignedRow, error)) (ops []OutboxOp, err error) {
	var damaged []int64
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		ops, damaged = nil, nil
		rows, err := read(snap)
		for _, row := range rows {
			if row.Op == nil || row.Op.ID != row.ID {
				damaged = append(damaged, row.Arrival)
				continue
			}
			ops = append(ops, OutboxOp{row.Arrival, crdt.SignedOp{ID: row.ID, Payload: row.Payload, Signature: row.Signature}, row.Op.Story == members.Story})
		}
		return err
	})
	if err == nil && len(damaged) > 0 { // they are queued again when they are repaired
		err = r.decide(ctx, func(tx *oplog.Tx) error { return tx.Sent(damaged, HubMark{}) })
	}
	return ops, err
}

// Sent notes that a hub has ops of the outbox: the one that the replica is joined to under the name. Last is the last
// message that the hub acknowledged, the zero mark if there is none.
func (r *Replica) Sent(ctx context.Context, name string, arrivals []int64, last HubMark) error {
	return r.decideByHub(ctx, name, func(tx *oplog.Tx) error { return tx.Sent(arrivals, last) })
}

// Resend begins anew with the hub: the stream is read from its beginning, and the replica's own ops, or all
// of the log, are sent again. Name, if it is not empty, is the last part of the subject from now on.
func (r *Replica) Resend(ctx context.Context, all bool, name string) error {
	return r.decide(ctx, func(tx *oplog.Tx) error { return tx.Resend(all, name) })
}

// AdmitFromHub is Admit for messages of the stream of the hub that the replica is joined to under a name, and notes that
// it was read up to the mark. An op for which there is no room now, or that a newer build wrote, is noted as skipped. A
// message that is no op of its author is refused, and nothing else waits for it.
func (r *Replica) AdmitFromHub(ctx context.Context, name string, ops []HubOp, to HubMark) (report HubReport, err error) {
	im := newImporter(r, nil)
	im.fromHub = name
	signed := make([]crdt.SignedOp, len(ops))
	for i := range ops {
		signed[i] = ops[i].Signed
	}
	err = im.admit(ctx, signed)
	if report.ImportReport = im.report; err != nil {
		return report, err
	}
	err = r.decideByHub(ctx, name, func(tx *oplog.Tx) error {
		report.Skipped = 0
		for _, id := range im.known {
			if err := tx.OnHub(id); err != nil {
				return err
			}
		}
		for _, refusal := range im.report.Refusals {
			if !isForNow(refusal.Err) || refusal.Line == 0 {
				continue
			}
			report.Skipped++
			if err := tx.Skip(ops[refusal.Line-1].Seq, refusal.Err.Error()); err != nil {
				return err
			}
		}
		return tx.ReadTo(to)
	})
	return report, err
}

// decideByHub is decide for what came from the hub that the replica is joined to under a name. It is an error if the
// replica has left that hub.
func (r *Replica) decideByHub(ctx context.Context, name string, fn func(*oplog.Tx) error) error {
	return r.decide(ctx, func(tx *oplog.Tx) error {
		if err := tx.FromHub(name); err != nil {
			return err
		}
		return fn(tx)
	})
}

// isForNow reports whether an op that was refused may be taken later.
func isForNow(err error) bool {
	var full *oplog.NoRoom
	return errors.As(err, &full) || errors.Is(err, crdt.ErrVersion)
}

// transportInfo separates the key for the hub's transport from the key that signs ops: a false hub may ask
// for a signature of anything that it sends.
const transportInfo = "huskies/nats-nkey/v1"

// TransportSeed returns the Ed25519 seed of 32 bytes with which the replica shows a hub who it is. It is derived
// from the replica's key (HKDF-SHA256, RFC 5869), and no signature made with it is one of an op.
func (r *Replica) TransportSeed(ctx context.Context) (seed []byte, err error) {
	err = r.withKey(ctx, func(key ed25519.PrivateKey) error {
		seed, err = hkdf.Key(sha256.New, key.Seed(), nil, transportInfo, ed25519.SeedSize)
		return err
	})
	return seed, err
}

// SignMembership signs, with the key that signs ops, that the replica is who uses a transport key at a
// pipeline's hub. What is signed begins as no op does, see [MembershipText].
func (r *Replica) SignMembership(ctx context.Context, pipeline, transport string) (signature []byte, err error) {
	err = r.withKey(ctx, func(key ed25519.PrivateKey) error {
		signature = ed25519.Sign(key, MembershipText(pipeline, transport))
		return nil
	})
	return signature, err
}

// MembershipText is what SignMembership signs.
func MembershipText(pipeline, transport string) []byte {
	return fmt.Appendf(nil, "huskies-member-v1\n%s\n%s", pipeline, transport)
}

// withKey calls fn with the key that the replica signs with. A database that was copied here gets its key first,
// and one is made where there is none.
func (r *Replica) withKey(ctx context.Context, fn func(ed25519.PrivateKey) error) error {
	if err := oplog.CreateFolder(r.cfg.Path); err != nil {
		return err
	}
	return r.locked(ctx, func(log *oplog.Log) error { return fn(log.Key()) })
}

// HasAny reports whether one of the ops is in the log.
func (r *Replica) HasAny(ctx context.Context, ids []crdt.OpID) (has bool, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		has = false
		for _, id := range ids {
			_, _, there, err := snap.KindOf(id)
			if err != nil || there {
				has = there
				return err
			}
		}
		return nil
	})
	return has, err
}

// Requeue enters ops that are here as ones to send, since somebody misses them on the hub. The ops that they build on
// follow, the nearest first, up to most in all. Requeue leaves out ops of which skip is true, with those that they build
// on. It returns the ops that it entered.
func (r *Replica) Requeue(ctx context.Context, ids []crdt.OpID, most int, skip func(crdt.OpID) bool) (entered []crdt.OpID, err error) {
	err = r.decide(ctx, func(tx *oplog.Tx) (err error) {
		entered, err = tx.Requeue(ids, most, skip)
		return err
	})
	return entered, err
}

// ElectRelay makes this process the one of the machine that exchanges ops with the hub, if there is none. It is
// until release is called, or the process ends.
func (r *Replica) ElectRelay() (release func(), ok bool, err error) {
	return oplog.ElectRelay(r.cfg.Path)
}

// PutRelayStatus keeps what the relay says of itself, for other processes.
func (r *Replica) PutRelayStatus(status []byte) error {
	return oplog.PutRelayStatus(r.cfg.Path, status)
}

// RelayStatus returns what a relay said of itself last, nil if none did.
func (r *Replica) RelayStatus() ([]byte, error) { return oplog.RelayStatus(r.cfg.Path) }

// SkippedMessages returns up to most sequence numbers, above after, of messages that were passed over.
func (r *Replica) SkippedMessages(ctx context.Context, after uint64, most int) (seqs []uint64, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		seqs, err = snap.Skipped(after, most)
		return err
	})
	return seqs, err
}

// AdmitSkipped is AdmitFromHub for a message that was passed over. It is no longer one, unless it must be passed over again: then
// AdmitSkipped reports false.
func (r *Replica) AdmitSkipped(ctx context.Context, name string, op HubOp) (done bool, err error) {
	im := newImporter(r, nil)
	im.fromHub = name
	if err := im.admit(ctx, []crdt.SignedOp{op.Signed}); err != nil {
		return false, err
	}
	if len(im.report.Refusals) > 0 && isForNow(im.report.Refusals[0].Err) {
		return false, nil
	}
	err = r.decideByHub(ctx, name, func(tx *oplog.Tx) error { return tx.Unskip(op.Seq) })
	return err == nil, err
}

// Reread forgets how far the hub's stream was read.
func (r *Replica) Reread(ctx context.Context) error { return r.decide(ctx, (*oplog.Tx).Reread) }
