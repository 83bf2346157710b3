package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/replica"
)

// A reservation says on the hub which machine may claim a story: one message a story, written by compare and
// set on its number in the stream, and good for a time by the hub's clock. The claim itself is an op, made here
// after the reservation. So of two machines that are connected one claims a story.

const (
	// reservationLife is how long a reservation is good. The machine's relay renews it while the claim lasts.
	reservationLife = 5 * time.Minute
	// takeOverAfter is how long after its end others wait: who renews it may be slow.
	takeOverAfter = 10 * time.Second
	// settleTime is how long after the start of the hub nobody new reserves a story: its store may have been lost, or
	// put back to an earlier state, and machines enter what they hold first.
	settleTime = 5 * time.Second
	// askTimeout bounds the question to the hub: a call waits for it.
	askTimeout = 2 * time.Second
)

// ErrUnreachable: the hub cannot be asked now whether another machine has a story.
var ErrUnreachable = errors.New("the hub cannot be asked")

// errSettling: the hub cannot say yet what machines hold.
var errSettling = errors.New("the hub began a moment ago, and machines tell it what they hold")

// reservation is a message of the stream, as JSON. The zero one says that the story is free.
type reservation struct {
	// Author is the key of the machine that has the story.
	Author string `json:"author,omitempty"`
	// Replica is the machine's name at the hub: several machines may sign with one key.
	Replica string `json:"replica,omitempty"`
	// Agent is who claims it there.
	Agent string `json:"agent,omitempty"`
	// At is when it was made or renewed, Until when it ends, in ms since 1970 UTC by the hub's clock.
	At    int64 `json:"at,omitempty"`
	Until int64 `json:"until,omitempty"`
}

// entry is a reservation with its number in the stream, 0 if there is none.
type entry struct {
	reservation
	seq uint64
}

// Claims asks the hub before this process makes a claim. It connects when it is first asked.
type Claims struct {
	cfg Config

	mu   sync.Mutex // held while the hub is asked: one question after the other
	hub  replica.Hub
	conn *nats.Conn
	desk *desk
}

// NewClaims returns a Claims.
func NewClaims(cfg Config) *Claims { return &Claims{cfg: cfg} }

// Close ends the connection.
func (c *Claims) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Joined reports whether there is a hub to ask. A database that was moved here gets its key first: without one it
// is joined to nothing.
func (c *Claims) Joined(ctx context.Context) (bool, error) {
	if _, _, err := c.cfg.Replica.Author(ctx); err != nil {
		return false, err
	}
	hub, _, err := c.cfg.Replica.Hub(ctx)
	return hub != nil, err
}

// Reserve reserves a story for this machine, on behalf of an agent. It returns the fence of the claim that may follow,
// or the agent of another machine that has the story. The error is ErrUnreachable if the hub cannot be asked. A
// reservation for which no claim follows ends by itself.
func (c *Claims) Reserve(ctx context.Context, story, agent string) (fence crdt.Fence, by string, err error) {
	err = c.ask(ctx, askTimeout, func(ctx context.Context) error {
		fence, by, err = c.desk.reserve(ctx, story, agent, false)
		return err
	})
	if errors.Is(err, errLeft) {
		err = nil
	}
	return fence, by, err
}

// Ended returns those of the stories that the hub kept for another machine and does not any more: that machine has
// renewed none of them for as long as a reservation lasts.
func (c *Claims) Ended(ctx context.Context, stories []string) (ended []string, err error) {
	err = c.ask(ctx, askTimeout, func(ctx context.Context) error {
		ended, err = c.desk.ended(ctx, stories)
		return err
	})
	return ended, err
}

// numberTimeout bounds the question for a number: without an answer a story gets one as apart.
const numberTimeout = time.Second

// Number keeps a number for a new story of this machine, above all that the hub gave out and all that are known here. It
// returns 0 without a hub, and if the hub does not answer: then the story gets a number as on machines that are apart.
func (c *Claims) Number(ctx context.Context) (n uint32, err error) {
	if joined, err := c.Joined(ctx); err != nil || !joined {
		return 0, err
	}
	var known uint32
	err = c.cfg.Replica.View(ctx, func(v *replica.View) error {
		known = v.GreatestNumber()
		return v.Err()
	})
	if err != nil {
		return 0, err
	}
	err = c.ask(ctx, numberTimeout, func(ctx context.Context) error {
		n, err = c.desk.number(ctx, known)
		return err
	})
	if err != nil {
		c.cfg.Logger.Debug("the hub was not asked for the number of a story", "error", err)
		return 0, nil
	}
	return n, nil
}

// ask asks the hub that the replica is joined to.
func (c *Claims) ask(ctx context.Context, patience time.Duration, question func(context.Context) error) error {
	hub, _, err := c.cfg.Replica.Hub(ctx)
	if err == nil && hub == nil {
		err = errLeft
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err = c.connect(ctx, hub); err == nil {
		err = question(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
}

// connect connects to the hub unless it is connected.
func (c *Claims) connect(ctx context.Context, hub *replica.Hub) error {
	if c.conn != nil && c.conn.IsConnected() && c.hub == *hub {
		return nil
	}
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
	key, author, err := memberOf(ctx, c.cfg.Replica)
	if err != nil {
		return err
	}
	conn, err := dialWithin(ctx, func() (*nats.Conn, error) { return dialAs(key, hub.Address, hub.CA, nats.Timeout(askTimeout)) })
	if err != nil {
		return err
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(askTimeout))
	if err != nil {
		conn.Close()
		return err
	}
	desk, err := newDesk(ctx, js, hub, author)
	if err != nil {
		conn.Close()
		return err
	}
	c.conn, c.hub, c.desk = conn, *hub, desk
	return nil
}

// desk is where reservations are made, over one connection.
type desk struct {
	js       jetstream.JetStream
	stream   jetstream.Stream
	pipeline string
	author   string // of this replica
	replica  string // its name at the hub
}

func newDesk(ctx context.Context, js jetstream.JetStream, hub *replica.Hub, author string) (*desk, error) {
	stream, err := js.Stream(ctx, ClaimStreamName(hub.Pipeline))
	if err != nil {
		return nil, fmt.Errorf("look at the hub's reservations: %w", err)
	}
	return &desk{js, stream, hub.Pipeline, author, hub.Replica}, nil
}

// reserve makes or renews a reservation. It returns its fence, or the agent of another machine that has the story.
// Holds says that a claim of this machine lasts, which the hub may have forgotten.
//
// The epoch of a fence is when the hub began last: a store that was put back to an earlier state gives out its numbers again.
func (d *desk) reserve(ctx context.Context, story, agent string, holds bool) (fence crdt.Fence, by string, err error) {
	now, began, err := d.times(ctx)
	if err != nil {
		return fence, "", err
	}
	for {
		have, err := lastEntry(ctx, d.stream, ClaimSubject(d.pipeline, story))
		switch {
		case err != nil:
			return fence, "", err
		case d.has(&have.reservation):
		case have.lasts(now):
			return fence, have.Agent, nil
		case !holds && now.Sub(began) < settleTime:
			return fence, "", errSettling
		}
		next := reservation{Author: d.author, Replica: d.replica, Agent: agent, At: now.UnixMilli(), Until: now.Add(reservationLife).UnixMilli()}
		revision, err := d.put(ctx, story, &have, next)
		if err == nil {
			began, err := d.began(ctx) // anew: who was given the story before has seen no later beginning
			return crdt.Fence{Epoch: uint64(began.UnixMilli()), Revision: revision}, "", err
		}
		if !isOvertaken(err) {
			return fence, "", err
		}
		// Somebody was faster: look who it was.
	}
}

// times returns the hub's time, and when the hub began last.
func (d *desk) times(ctx context.Context) (now, began time.Time, err error) {
	info, err := d.stream.Info(ctx)
	if err != nil {
		return now, began, fmt.Errorf("look at the hub's reservations: %w", err)
	}
	began, err = d.began(ctx)
	return info.TimeStamp, began, err
}

// began returns when the hub began last, by its clock.
func (d *desk) began(ctx context.Context) (time.Time, error) {
	start, err := d.stream.GetLastMsgForSubject(ctx, StartSubject(d.pipeline))
	if err != nil {
		return time.Time{}, fmt.Errorf("look when the hub began: %w", err)
	}
	return start.Time, nil
}

// ended returns those of the stories whose reservations of other machines have run out.
func (d *desk) ended(ctx context.Context, stories []string) (ended []string, err error) {
	now, began, err := d.times(ctx)
	if err == nil && now.Sub(began) < settleTime {
		err = errSettling
	}
	if err != nil {
		return nil, err
	}
	for _, story := range stories {
		have, err := lastEntry(ctx, d.stream, ClaimSubject(d.pipeline, story))
		if err != nil {
			return nil, err
		}
		if have.Author != "" && !d.has(&have.reservation) && !have.lasts(now) {
			ended = append(ended, story)
		}
	}
	return ended, nil
}

// has reports whether a reservation is of this machine.
func (d *desk) has(r *reservation) bool { return r.Author == d.author && r.Replica == d.replica }

// lasts reports whether nobody else may have the story.
func (r *reservation) lasts(now time.Time) bool {
	return r.Author != "" && now.Before(time.UnixMilli(r.Until).Add(takeOverAfter))
}

// put replaces an entry, if it is still the last of its story, and returns the number of the new one.
func (d *desk) put(ctx context.Context, story string, have *entry, next reservation) (seq uint64, err error) {
	return d.putNext(ctx, ClaimSubject(d.pipeline, story), have.seq, next)
}

// putNext puts a message into the stream if the last one of its subject has the given number, 0 for none.
func (d *desk) putNext(ctx context.Context, subject string, last uint64, next any) (seq uint64, err error) {
	b, err := json.Marshal(next)
	if err != nil {
		return 0, err
	}
	ack, err := d.js.Publish(ctx, subject, b,
		jetstream.WithExpectStream(ClaimStreamName(d.pipeline)), jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// lastEntry returns the reservation of a story.
func lastEntry(ctx context.Context, stream jetstream.Stream, subject string) (e entry, err error) {
	msg, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return e, nil
	}
	if err != nil {
		return e, fmt.Errorf("read a reservation: %w", err)
	}
	e.seq = msg.Sequence
	if json.Unmarshal(msg.Data, &e.reservation) != nil {
		e.reservation = reservation{} // what no build of ours wrote holds nobody up
	}
	return e, nil
}

// isOvertaken reports whether another message of the story came first.
func isOvertaken(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// memberOf returns the key with which the replica connects, and its author.
func memberOf(ctx context.Context, r *replica.Replica) (key transportKey, author string, err error) {
	seed, err := r.TransportSeed(ctx)
	if err != nil {
		return key, "", err
	}
	if key, err = newTransportKey(seed); err != nil {
		return key, "", err
	}
	a, _, err := r.Author(ctx)
	return key, a.String(), err
}
