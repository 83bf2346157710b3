package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/replica"
)

const (
	// outboxPage is how many ops are on their way at once.
	outboxPage = 256
	// sendOthersAfter is how long a machine waits, and up to as long again, before it sends a hub that was
	// replaced what others wrote: their authors send it, so all machines need not. It waits on while it has not
	// read what came meanwhile.
	sendOthersAfter = 10 * time.Second
)

// publish sends what is in the outbox, at once and after each change, once the stream was read to its end: by then
// what the hub has already is out of the outbox.
func (s *session) publish(ctx context.Context, caughtUp <-chan struct{}) error {
	select {
	case <-caughtUp:
	case <-ctx.Done():
		return nil
	}
	wait := func() time.Duration { return sendOthersAfter + s.upTo(sendOthersAfter) }
	others := time.NewTimer(wait())
	defer others.Stop()
	for ownOnly := s.replaced; ; {
		if err := s.drain(ctx, ownOnly); err != nil {
			return err
		}
		select {
		case <-s.wake:
		case <-others.C:
			read, err := s.hasRead(ctx)
			if err != nil {
				return err
			}
			if ownOnly = ownOnly && !read; ownOnly {
				others.Reset(wait())
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// hasRead reports whether this machine has read all of the stream, but for what is on its way.
func (s *session) hasRead(ctx context.Context) (bool, error) {
	_, state, err := s.cfg.Replica.Hub(ctx)
	if err != nil {
		return false, err
	}
	last, err := LastMessage(ctx, s.stream, s.hub.Pipeline)
	return err == nil && last <= state.Read.Seq+outboxPage, err
}

// watch wakes the publisher at each change, whichever process makes it.
func (s *session) watch(ctx context.Context) error {
	return s.cfg.Replica.Watch(ctx, func(*replica.View) (done bool, err error) {
		signal(s.wake)
		signal(s.claims)
		return false, nil
	})
}

// signal leaves a word for who listens, unless one is there already.
func signal(to chan<- struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// sendMembers sends the ops about members: others wait for what they say.
func (s *session) sendMembers(ctx context.Context) error {
	for {
		ops, err := s.cfg.Replica.OutboxOfMembers(ctx, outboxPage)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := s.send(ctx, ops); err != nil {
			return err
		}
	}
}

// drain sends until the outbox is empty, or has none of this replica's own ops.
func (s *session) drain(ctx context.Context, own bool) error {
	if err := s.sendMembers(ctx); err != nil {
		return err
	}
	for {
		ops, err := s.cfg.Replica.Outbox(ctx, own, outboxPage)
		if err != nil || len(ops) == 0 {
			return err
		}
		if err := s.send(ctx, ops); err != nil {
			return err
		}
	}
}

// send sends ops and waits until the hub has them on disk. Those that it acknowledged are out of the outbox, whatever
// becomes of the others. No other answer takes an op out of it.
func (s *session) send(ctx context.Context, ops []replica.OutboxOp) error {
	stream := StreamName(s.hub.Pipeline)
	futures := make([]jetstream.PubAckFuture, 0, len(ops))
	var failed error
	for i := range ops {
		future, err := s.js.PublishMsgAsync(NewMessage(s.subjectOf(&ops[i]), stream, &ops[i].Signed))
		if err != nil {
			failed = err
			break
		}
		futures = append(futures, future)
	}
	var sent []int64
	var last replica.HubMark
	for i, future := range futures {
		select {
		case ack := <-future.Ok():
			if ack.Duplicate {
				if err := s.sendAgain(ctx, ack.Sequence, &ops[i]); err != nil {
					failed = errors.Join(failed, err)
					continue
				}
			}
			sent = append(sent, ops[i].Arrival)
			if ack.Sequence > last.Seq && !ack.Duplicate { // a duplicate's number is of an earlier message
				last = replica.HubMark{Epoch: s.epoch, Seq: ack.Sequence, ID: ops[i].Signed.ID}
			}
		case err := <-future.Err():
			failed = errors.Join(failed, err)
		case <-ctx.Done():
			return nil
		}
	}
	if len(sent) > 0 {
		if err := s.cfg.Replica.Sent(ctx, s.hub.Replica, sent, last); err != nil {
			return err
		}
	}
	s.set(func(status *Status) { status.Full = IsFull(failed) })
	if failed != nil {
		return fmt.Errorf("send ops to the hub: %w", failed)
	}
	return nil
}

// subjectOf returns where an op is published.
func (s *session) subjectOf(op *replica.OutboxOp) string {
	if op.OfMembers {
		return MembersSubject(s.hub.Pipeline)
	}
	return s.subject
}

// sendAgain looks at the message for which the hub took an op. If it is another one, which somebody sent under the op's
// ID, the op is sent without an ID.
func (s *session) sendAgain(ctx context.Context, seq uint64, op *replica.OutboxOp) error {
	there, err := s.message(ctx, seq)
	if err == nil && there.ID == op.Signed.ID && there.Signature == op.Signed.Signature {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	msg := NewMessage(s.subjectOf(op), StreamName(s.hub.Pipeline), &op.Signed)
	msg.Header.Del(nats.MsgIdHdr)
	_, err = s.js.PublishMsg(ctx, msg)
	return err
}

// IsFull reports whether the hub refused a message because it has no room.
func IsFull(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == codeMaxBytes || api.ErrorCode == codeNoStorage)
}

// Codes of JetStream's errors (nats-server, server/errors.json).
const (
	codeNoStorage = 10047
	codeMaxBytes  = 10077 // a message could not be stored: the stream is full
)
