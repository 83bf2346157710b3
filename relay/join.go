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
	// Later says that the hub cannot admit anybody now.
	Later bool `json:"later,omitempty"`
	// Waits says that the replica is a member once an admin has accepted it.
	Waits bool `json:"waits,omitempty"`
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
	// Waits, if it is not nil, is told when an admin must accept the replica, whose key is the author. Join goes on
	// when one has.
	Waits func(author crdt.Author)
}

var (
	// ErrOtherHub: the replica is joined to another hub.
	ErrOtherHub = errors.New("joined to another hub")
	// ErrNotInvited: the hub does not know the invitation, or it was used.
	ErrNotInvited = errors.New("the hub does not know the invitation")
	// ErrUnaccepted: the replica waits for an admin to accept it, and none has. An admin may still do so.
	ErrUnaccepted = errors.New("no admin has accepted this machine yet")
	// ErrApart: the hub's pipeline and the one here have no op in common.
	ErrApart = errors.New("the hub has another pipeline")
)

// Joined says what a replica joined.
type Joined struct {
	// Again: it was joined to this hub already.
	Again bool
	// Admitted: the hub has made the replica a member, by the invitation, which is used now. It stays so if the join fails
	// afterwards.
	Admitted bool
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
		var waits bool
		if waits, err = j.ask(ctx, in, key); err == nil {
			conn, err = dialAdmitted(ctx, key, in, waits)
			joined.Admitted = err == nil || !waits
		}
	}
	if err != nil {
		return joined, err
	}
	defer conn.Close()
	stream, err := openStream(ctx, conn, in.Pipeline)
	if err != nil {
		return joined, err
	}
	if joined.Messages, err = j.compare(ctx, stream, in.Pipeline); err != nil {
		return joined, err
	}
	if err := j.meetMembers(ctx, stream, in.Pipeline); err != nil {
		return joined, err
	}
	if present != nil && hasAddresses(present.Address, in.Address) && present.CA == in.CA {
		joined.Again, joined.Ops = true, state.Outbox
		return joined, nil
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

const (
	// admittedTimeout is how long one of several hubs may take to hear from another whom it has admitted.
	admittedTimeout = 10 * time.Second
	// acceptInterval is how often a replica that waits for an admin tries to connect.
	acceptInterval = time.Second
)

// dialAdmitted connects as a member that one of the hubs has just admitted, or that waits for an admin, however long that
// takes.
func dialAdmitted(ctx context.Context, key transportKey, in *Invitation, waits bool) (conn *nats.Conn, err error) {
	interval := acceptInterval
	if !waits {
		interval = minBackoff
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, admittedTimeout)
		defer cancel()
	}
	for {
		conn, err = dialAs(key, in.Address, in.CA)
		if !isRefused(err) {
			return conn, err
		}
		if sleep(ctx, interval) {
			continue
		}
		if waits {
			err = ErrUnaccepted
		}
		return nil, err
	}
}

// meetMembers takes in what the hub says of members, so that they are known when the replica joins.
func (j *Joining) meetMembers(ctx context.Context, stream jetstream.Stream, pipeline string) error {
	ops, err := ReadMembers(ctx, stream, pipeline, 0)
	if err != nil || len(ops) == 0 {
		return err
	}
	signed := make([]crdt.SignedOp, len(ops))
	for i := range ops {
		signed[i] = ops[i].Signed
	}
	_, err = j.Replica.Admit(ctx, signed)
	return err
}

func (j *Joining) key(ctx context.Context) (transportKey, error) {
	seed, err := j.Replica.TransportSeed(ctx)
	if err != nil {
		return transportKey{}, err
	}
	return newTransportKey(seed)
}

// ask shows the invitation to the hub. It reports whether an admin must accept the replica.
func (j *Joining) ask(ctx context.Context, in *Invitation, key transportKey) (waits bool, err error) {
	author, _, err := j.Replica.Author(ctx)
	if err != nil {
		return false, err
	}
	signature, err := j.Replica.SignMembership(ctx, in.Pipeline, key.public)
	if err != nil {
		return false, err
	}
	request, err := json.Marshal(JoinRequest{in.Token, in.Secret, author.String(), key.public, signature, j.Name})
	if err != nil {
		return false, err
	}
	conn, err := dial(in.Address, in.CA, nats.UserInfo(in.Token, in.Secret), nats.CustomInboxPrefix(InboxPrefix(in.Token)))
	if isRefused(err) {
		return false, ErrNotInvited
	}
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	reply, err := conn.RequestWithContext(ctx, JoinSubject(in.Pipeline), request)
	if err != nil {
		return false, fmt.Errorf("ask to join: %w", err)
	}
	var answer JoinAnswer
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return false, fmt.Errorf("ask to join: the hub's answer cannot be read: %w", err)
	}
	if answer.Waits {
		if j.Waits != nil {
			j.Waits(author)
		}
		return true, nil
	}
	if answer.Later {
		return false, fmt.Errorf("ask to join: %.200s", answer.Problem)
	}
	if answer.Problem != "" {
		return false, fmt.Errorf("%w: %.200s", ErrNotInvited, answer.Problem)
	}
	return false, nil
}

func openStream(ctx context.Context, conn *nats.Conn, pipeline string) (jetstream.Stream, error) {
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(connectTimeout))
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, StreamName(pipeline))
	if err != nil {
		return nil, fmt.Errorf("look at the hub's stream: %w", err)
	}
	return stream, nil
}

// compare returns how many messages the hub has. Unless one of them is here too, or one of the two pipelines is
// empty, or they may be merged, the error is ErrApart.
func (j *Joining) compare(ctx context.Context, stream jetstream.Stream, pipeline string) (messages uint64, err error) {
	state := stream.CachedInfo().State
	ops, _, err := j.Replica.OpsAfter(ctx, 0, 1)
	if err != nil || len(ops) == 0 || j.Merge {
		return state.Msgs, err
	}
	last, err := stream.GetLastMsgForSubject(ctx, OpSubjects(pipeline))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return state.Msgs, nil // it knows members at most
	}
	if err != nil {
		return 0, fmt.Errorf("look at the hub's stream: %w", err)
	}
	common, err := j.hasCommon(ctx, stream, last.Sequence)
	if err == nil && !common {
		err = ErrApart
	}
	return state.Msgs, err
}

// hasCommon reports whether an op of the stream is here. It reads to the first that is.
func (j *Joining) hasCommon(ctx context.Context, stream jetstream.Stream, last uint64) (bool, error) {
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{MaxResetAttempts: 1}) // else it goes on for ever
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
		if op, err := ReadMessage(msg.Data()); err == nil {
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
