package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

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
	// askTimeout bounds the connecting to the hub, and the question: a call waits for both.
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

	mu      sync.Mutex // held while the hub is asked: one question after the other
	desk    *desk
	dialing *dialing
}

// NewClaims returns a Claims.
func NewClaims(cfg Config) *Claims { return &Claims{cfg: cfg} }

// Close ends the connection.
func (c *Claims) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
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

// numberTimeout bounds the connecting for a number, and the question: without an answer a story gets one as apart.
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

// ask asks the hub that the replica is joined to. It waits so long for a connection, and as long for an answer.
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
	if err = c.connect(ctx, hub, patience); err == nil {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		err = question(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
}

// reserve makes or renews a reservation. It returns its fence, or the agent of another machine that has the story.
// Holds says that a claim of this machine lasts, which the hub may have forgotten.
//
// The epoch of a fence is when the hub began last: a store that was put back to an earlier state gives out its numbers again.
func (d *desk) reserve(ctx context.Context, story, agent string, holds bool) (fence crdt.Fence, by string, err error) {
	for {
		have, now, began, err := d.look(ctx, ClaimSubject(d.hub.Pipeline, story))
		switch {
		case err != nil:
			return fence, "", err
		case d.has(&have.reservation):
		case have.lasts(now):
			return fence, have.Agent, nil
		case !holds && now.Sub(began) < settleTime:
			return fence, "", errSettling
		}
		next := reservation{Author: d.author, Replica: d.hub.Replica, Agent: agent, At: now.UnixMilli(), Until: now.Add(reservationLife).UnixMilli()}
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

// ended returns those of the stories whose reservations of other machines have run out.
func (d *desk) ended(ctx context.Context, stories []string) (ended []string, err error) {
	var now, began time.Time
	entries := make([]entry, len(stories))
	questions := []func() error{func() (err error) { now, began, err = d.times(ctx); return err }}
	for i, story := range stories {
		questions = append(questions, func() (err error) {
			entries[i], err = lastEntry(ctx, d.stream, ClaimSubject(d.hub.Pipeline, story))
			return err
		})
	}
	if err = all(questions...); err == nil && now.Sub(began) < settleTime {
		err = errSettling
	}
	if err != nil {
		return nil, err
	}
	for i := range entries {
		if have := &entries[i]; have.Author != "" && !d.has(&have.reservation) && !have.lasts(now) {
			ended = append(ended, stories[i])
		}
	}
	return ended, nil
}

// has reports whether a reservation is of this machine.
func (d *desk) has(r *reservation) bool { return r.Author == d.author && r.Replica == d.hub.Replica }

// lasts reports whether nobody else may have the story.
func (r *reservation) lasts(now time.Time) bool {
	return r.Author != "" && now.Before(time.UnixMilli(r.Until).Add(takeOverAfter))
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
