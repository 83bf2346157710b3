package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/replica"
)

const (
	// batchOps is how many ops are admitted at once.
	batchOps = 1000
	// pullBytes bounds what is on its way here, in bytes.
	pullBytes = 8 << 20
	// ownDelay is how late it is noted that own messages came back: nothing depends on it, and each note is a
	// commit.
	ownDelay = time.Second
)

// follower reads the stream.
type follower struct {
	*session
	messages chan jetstream.Msg
	read     replica.HubMark // what is admitted
	noted    uint64          // what the database knows of it
	batch    []replica.HubOp
	// ofMembers: the batch has ops about members, so what was passed over may have room now.
	ofMembers bool
}

// LastMessage returns the number of the last message in a pipeline's stream of ops, 0 if there is none. The stream may have lost
// messages behind it, whose numbers its state still counts.
func LastMessage(ctx context.Context, stream jetstream.Stream, pipeline string) (uint64, error) {
	msg, err := stream.GetLastMsgForSubject(ctx, allSubjects(pipeline))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the hub's stream: %w", err)
	}
	return msg.Sequence, nil
}

// follow reads the stream behind read, admits what comes, and closes caughtUp at message last.
func (s *session) follow(ctx context.Context, read replica.HubMark, last uint64, caughtUp chan struct{}) error {
	consumer, err := s.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: read.Seq + 1,
	})
	if err != nil {
		return fmt.Errorf("follow the hub's stream: %w", err)
	}
	f := &follower{session: s, messages: make(chan jetstream.Msg, batchOps), read: read, noted: read.Seq}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		select {
		case f.messages <- msg:
		case <-ctx.Done():
		}
	}, jetstream.PullMaxBytes(pullBytes), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		s.end(fmt.Errorf("follow the hub's stream: %w", err))
	}))
	if err != nil {
		return fmt.Errorf("follow the hub's stream: %w", err)
	}
	defer consuming.Stop()
	return f.run(ctx, last, caughtUp)
}

func (f *follower) run(ctx context.Context, last uint64, caughtUp chan struct{}) error {
	for caught := false; ; {
		if !caught && f.read.Seq >= last {
			caught = true
			close(caughtUp)
			f.cfg.Logger.Info("caught up with the hub", "messages", last)
			f.set(func(status *Status) { status.Behind = 0 })
		}
		if err := f.next(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		if err := f.admit(ctx); err != nil {
			return err
		}
	}
}

// next waits for messages and takes those that are there. When none comes for a while it notes how far the
// stream was read.
func (f *follower) next(ctx context.Context) error {
	var late <-chan time.Time
	if f.read.Seq > f.noted {
		timer := time.NewTimer(ownDelay)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case msg := <-f.messages:
		if err := f.take(msg); err != nil {
			return err
		}
	case <-late:
		return f.note(ctx)
	case <-ctx.Done():
		return nil
	}
	for len(f.batch) < batchOps {
		select {
		case msg := <-f.messages:
			if err := f.take(msg); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

// take puts a message into the batch. What was sent from here is here.
func (f *follower) take(msg jetstream.Msg) error {
	meta, err := msg.Metadata()
	if err != nil {
		return fmt.Errorf("read a message of the hub: %w", err)
	}
	seq := meta.Sequence.Stream
	if f.read.Seq > 0 && seq > f.read.Seq+1 {
		f.cfg.Logger.Warn("messages of the hub are gone: what they had is asked for if something depends on it", "from", f.read.Seq+1, "to", seq-1)
	}
	op, err := ReadMessage(msg.Data())
	f.read = replica.HubMark{Epoch: f.epoch, Seq: seq, ID: op.ID}
	switch {
	case err != nil:
		f.cfg.Logger.Warn("a message of the hub is no op, and is passed over", "seq", seq, "subject", msg.Subject())
	case msg.Subject() != f.subject:
		f.ofMembers = f.ofMembers || msg.Subject() == MembersSubject(f.hub.Pipeline)
		f.batch = append(f.batch, replica.HubOp{Seq: seq, Signed: op})
	}
	return nil
}

// admit admits the batch, and notes how far the stream was read.
func (f *follower) admit(ctx context.Context) error {
	if len(f.batch) == 0 {
		return nil
	}
	report, err := f.cfg.Replica.AdmitFromHub(ctx, f.hub.Replica, f.batch, f.read)
	if err != nil {
		return err
	}
	f.noted, f.batch = f.read.Seq, f.batch[:0]
	if f.ofMembers {
		f.ofMembers = false
		if err := f.cfg.Replica.FollowHub(ctx, f.hub.Replica, f.hub.Root); err != nil {
			return err
		}
		if err := f.retrySkipped(ctx); err != nil {
			return err
		}
	}
	if forged := report.Refused - report.Skipped; forged > 0 {
		f.cfg.Logger.Warn("the hub has messages that are no ops of their authors, or break a rule", "messages", forged, "first", report.Refusals[0].Err)
	}
	return nil
}

// note notes how far the stream was read.
func (f *follower) note(ctx context.Context) error {
	f.noted = f.read.Seq
	_, err := f.cfg.Replica.AdmitFromHub(ctx, f.hub.Replica, nil, f.read)
	return err
}

// retrySkipped reads the messages again that were passed over: there may be room now, or this is a newer build. It ends where it
// could take none of a thousand. A message that the hub has lost counts as no op.
func (s *session) retrySkipped(ctx context.Context) error {
	for after, took := uint64(0), true; took; {
		seqs, err := s.cfg.Replica.SkippedMessages(ctx, after, batchOps)
		if err != nil {
			return err
		}
		took = false
		for _, seq := range seqs {
			op, err := s.message(ctx, seq)
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return err
			}
			done, err := s.cfg.Replica.AdmitSkipped(ctx, s.hub.Replica, replica.HubOp{Seq: seq, Signed: op})
			if err != nil {
				return err
			}
			after, took = seq, took || done
		}
	}
	return nil
}
