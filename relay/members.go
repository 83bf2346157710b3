package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/replica"
)

// Waiting is a machine that was invited and waits for an admin to accept it.
type Waiting struct {
	// Author is the key that signs its ops, in hex, Transport the public nkey with which it connects.
	Author    string    `json:"author"`
	Transport string    `json:"transport"`
	Name      string    `json:"name"`
	Since     time.Time `json:"since"`
}

// ReadMembers returns the ops about members behind a message of the stream. Read before all others, they let no op of
// a member wait for the one that admits the member.
func ReadMembers(ctx context.Context, stream jetstream.Stream, pipeline string, after uint64) (ops []replica.HubOp, err error) {
	last, err := stream.GetLastMsgForSubject(ctx, MembersSubject(pipeline))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	if last.Sequence <= after {
		return nil, nil
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{MembersSubject(pipeline)}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1,
		MaxResetAttempts: 1, // else it goes on for ever when the connection is lost
	})
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("read the members: %w", err)
	}
	defer messages.Stop()
	for seq := uint64(0); seq < last.Sequence; {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("read the members: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return nil, fmt.Errorf("read the members: %w", err)
		}
		seq = meta.Sequence.Stream
		if op, err := ReadMessage(msg.Data()); err == nil {
			ops = append(ops, replica.HubOp{Seq: seq, Signed: op})
		}
	}
	return ops, nil
}

// meetMembers admits what the hub says of members behind what was read, and lets them decide whose ops count.
func (s *session) meetMembers(ctx context.Context, read replica.HubMark) error {
	ops, err := ReadMembers(ctx, s.stream, s.hub.Pipeline, read.Seq)
	if err != nil {
		return err
	}
	for len(ops) > 0 {
		n := min(len(ops), batchOps)
		if _, err := s.cfg.Replica.AdmitFromHub(ctx, s.hub.Replica, ops[:n], read); err != nil {
			return err
		}
		ops = ops[n:]
	}
	return s.cfg.Replica.FollowHub(ctx, s.hub.Replica, s.hub.Root)
}

// Desk is a connection of a command to the hub that the replica is joined to.
type Desk struct {
	s   *session
	end context.CancelFunc
}

// ErrNotJoined: the replica is joined to no hub.
var ErrNotJoined = errors.New("joined to no hub")

// OpenDesk connects to the hub. The error is ErrUnreachable if that cannot be done now.
func OpenDesk(ctx context.Context, cfg Config) (*Desk, error) {
	hub, _, err := cfg.Replica.Hub(ctx)
	if err != nil {
		return nil, err
	}
	if hub == nil {
		return nil, ErrNotJoined
	}
	key, author, err := memberOf(ctx, cfg.Replica)
	if err != nil {
		return nil, err
	}
	conn, err := dialHub(key, hub, nats.Timeout(askTimeout))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	s := &session{Relay: New(cfg), hub: hub, author: author, conn: conn, subject: OpSubject(hub.Pipeline, author, hub.Replica), quiet: true}
	s.js, err = jetstream.New(conn, jetstream.WithDefaultTimeout(connectTimeout), jetstream.WithPublishAsyncTimeout(connectTimeout))
	if err == nil {
		s.stream, err = s.js.Stream(ctx, StreamName(hub.Pipeline))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	s.epoch = s.stream.CachedInfo().Created.UnixNano()
	return &Desk{s: s, end: conn.Close}, nil
}

// Close ends the connection.
func (d *Desk) Close() { d.end() }

// SendMembers sends the ops about members that the hub is not known to have.
func (d *Desk) SendMembers(ctx context.Context) error { return d.s.sendMembers(ctx) }

// MeetMembers takes in what the hub has of ops about members.
func (d *Desk) MeetMembers(ctx context.Context) error {
	_, state, err := d.s.cfg.Replica.Hub(ctx)
	if err != nil {
		return err
	}
	return d.s.meetMembers(ctx, state.Read)
}

// Waiting returns the machines that wait to be accepted.
func (d *Desk) Waiting(ctx context.Context) (waiting []Waiting, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	reply, err := d.s.conn.RequestWithContext(ctx, WaitingSubject(d.s.hub.Pipeline), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the hub who waits: %w", err)
	}
	if err := json.Unmarshal(reply.Data, &waiting); err != nil {
		return nil, fmt.Errorf("ask the hub who waits: its answer cannot be read: %w", err)
	}
	return waiting, nil
}
