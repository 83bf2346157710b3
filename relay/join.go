package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/replica"
)

// JoinRequest is what somebody who was invited sends to the hub, as JSON.
type JoinRequest struct {
	// Token and Secret are the invitation's.
	Token  string `json:"token"`
	Secret string `json:"secret"`
	// Author is the key that signs the replica's ops, in hex.
	Author string `json:"author"`
	// Transport is the public nkey with which the replica connects.
	Transport string `json:"transport"`
	// Signature, made with the author's key, says that the two are one, see [replica.MembershipText].
	Signature []byte `json:"signature"`
	// Name is what people call the machine.
	Name string `json:"name"`
}

// JoinAnswer is what the hub answers.
type JoinAnswer struct {
	// Problem is why the replica is no member now; empty if it is one.
	Problem string `json:"problem,omitempty"`
}

// Joining is how a replica becomes a member of a hub.
type Joining struct {
	Replica *replica.Replica
	Rand    io.Reader
	Now     func() time.Time
	// Name is what people call this machine.
	Name string
	// Merge allows to make one pipeline of two that have nothing in common.
	Merge bool
}

var (
	// ErrOtherHub: the replica is joined to another hub.
	ErrOtherHub = errors.New("joined to another hub")
	// ErrNotInvited: the hub does not know the invitation, or it was used.
	ErrNotInvited = errors.New("the hub does not know the invitation")
	// ErrApart: the hub's pipeline and the one here have no op in common.
	ErrApart = errors.New("the hub has another pipeline")
)

// Joined says what a replica joined.
type Joined struct {
	// Again: it was joined to this hub already.
	Again bool
	// Ops are here, and are to be sent; Messages are on the hub, to be read.
	Ops int64
	// Messages of the stream.
	Messages uint64
}

// Join asks the hub of the invitation to admit the replica, and makes the hub the replica's. What is
// exchanged then is for a [Relay]. An invitation that was used by this replica is good again.
func (j *Joining) Join(ctx context.Context, in *Invitation) (joined Joined, err error) {
	present, state, err := j.Replica.Hub(ctx)
	if err != nil {
		return joined, err
	}
	if present != nil && (present.Pipeline != in.Pipeline || present.Root != in.Root) {
		return joined, fmt.Errorf("%w: %s", ErrOtherHub, present.Address)
	}
	key, err := j.key(ctx)
	if err != nil {
		return joined, err
	}
	conn, err := dialAs(key, in.Address, in.CA)
	if isRefused(err) && !IsOwn(in.Address) {
		if err = j.ask(ctx, in, key); err == nil {
			conn, err = dialAdmitted(ctx, key, in)
		}
	}
	if err != nil {
		return joined, err
	}
	defer conn.Close()
	if joined.Messages, err = j.compare(ctx, conn, in.Pipeline); err != nil {
		return joined, err
	}
	if present != nil && hasAddresses(present.Address, in.Address) && present.CA == in.CA {
		return Joined{Again: true, Ops: state.Outbox, Messages: joined.Messages}, nil
	}
	name, err := newReplicaName(j.Rand)
	if err != nil {
		return joined, err
	}
	err = j.Replica.JoinHub(ctx, replica.Hub{
		Address: in.Address, Pipeline: in.Pipeline, CA: in.CA, Root: in.Root, Replica: name, JoinedAt: j.Now().UnixMilli(),
	})
	if err == nil {
		_, state, err = j.Replica.Hub(ctx)
	}
	joined.Ops = state.Outbox
	return joined, err
}

// admittedTimeout is how long one of several hubs may take to hear from another whom it has admitted.
const admittedTimeout = 10 * time.Second

// dialAdmitted connects as a member that one of the hubs has just admitted.
func dialAdmitted(ctx context.Context, key transportKey, in *Invitation) (conn *nats.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, admittedTimeout)
	defer cancel()
	for {
		conn, err = dialAs(key, in.Address, in.CA)
		if !isRefused(err) || !sleep(ctx, minBackoff) {
			return conn, err
		}
	}
}

func (j *Joining) key(ctx context.Context) (transportKey, error) {
	seed, err := j.Replica.TransportSeed(ctx)
	if err != nil {
		return transportKey{}, err
	}
	return newTransportKey(seed)
}

// ask shows the invitation to the hub.
func (j *Joining) ask(ctx context.Context, in *Invitation, key transportKey) error {
	author, _, err := j.Replica.Author(ctx)
	if err != nil {
		return err
	}
	signature, err := j.Replica.SignMembership(ctx, in.Pipeline, key.public)
	if err != nil {
		return err
	}
	request, err := json.Marshal(JoinRequest{in.Token, in.Secret, author.String(), key.public, signature, j.Name})
	if err != nil {
		return err
	}
	conn, err := dial(in.Address, in.CA, nats.UserInfo(in.Token, in.Secret), nats.CustomInboxPrefix(InboxPrefix(in.Token)))
	if isRefused(err) {
		return ErrNotInvited
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	reply, err := conn.RequestWithContext(ctx, JoinSubject(in.Pipeline), request)
	if err != nil {
		return fmt.Errorf("ask to join: %w", err)
	}
	var answer JoinAnswer
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return fmt.Errorf("ask to join: the hub's answer cannot be read: %w", err)
	}
	if answer.Problem != "" {
		return fmt.Errorf("%w: %.200s", ErrNotInvited, answer.Problem)
	}
	return nil
}

// compare returns how many messages the hub has. Unless one of them is here too, or one of the two pipelines is
// empty, or they may be merged, the error is ErrApart.
func (j *Joining) compare(ctx context.Context, conn *nats.Conn, pipeline string) (messages uint64, err error) {
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(connectTimeout))
	if err != nil {
		return 0, err
	}
	stream, err := js.Stream(ctx, StreamName(pipeline))
	if err != nil {
		return 0, fmt.Errorf("look at the hub's stream: %w", err)
	}
	state := stream.CachedInfo().State
	ops, _, err := j.Replica.OpsAfter(ctx, 0, 1)
	if err != nil || state.Msgs == 0 || len(ops) == 0 || j.Merge {
		return state.Msgs, err
	}
	common, err := j.hasCommon(ctx, stream, state.LastSeq)
	if err == nil && !common {
		err = ErrApart
	}
	return state.Msgs, err
}

// hasCommon reports whether an op of the stream is here. It reads to the first that is.
func (j *Joining) hasCommon(ctx context.Context, stream jetstream.Stream, last uint64) (bool, error) {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return false, err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return false, err
	}
	defer messages.Stop()
	var ids []crdt.OpID
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return false, fmt.Errorf("read the hub's stream: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return false, err
		}
		if op, err := readMessage(msg.Data()); err == nil {
			ids = append(ids, op.ID)
		}
		end := meta.Sequence.Stream >= last
		if len(ids) < batchOps && !end {
			continue
		}
		has, err := j.Replica.HasAny(ctx, ids)
		if err != nil || has || end {
			return has, err
		}
		ids = ids[:0]
	}
}
