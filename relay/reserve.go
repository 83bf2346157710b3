package relay

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
)

// A reservation says on the hub which machine may claim a story. It is one message a story, written by compare and
// set on its number in the stream. It is good for a time by the hub's clock. The claim itself is an op, which a machine
// makes after the reservation. So of two machines that are connected one claims a story.

const (
	// reservationLife is how long a reservation is good. The machine's relay renews it while the claim lasts.
	reservationLife = 5 * time.Minute
	// takeOverAfter is how long after its end others wait, in proportion to its life: who renews it may be slow.
	takeOverAfter = 10 * time.Second
	// settleTime is how long after the start of the hub nobody new reserves a story. The hub's store may have been lost
	// or put back to an earlier state, so machines first enter what they hold.
	settleTime = 5 * time.Second
)

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

// lasts reports whether nobody else may have the story.
func (r *reservation) lasts(now time.Time, lease time.Duration) bool {
	return r.Author != "" && now.Before(time.UnixMilli(r.Until).Add(lease/(reservationLife/takeOverAfter)))
}

// entry is a reservation with its number in the stream, 0 if there is none.
type entry struct {
	reservation
	seq uint64
}

// shelf is where reservations stand: at a hub, or in a simulation.
type shelf interface {
	// look returns the reservation of a story, the hub's time, and when the hub began last.
	look(ctx context.Context, story string) (have entry, now, began time.Time, err error)
	// began returns when the hub began last, by its clock.
	began(ctx context.Context) (time.Time, error)
	// put makes a reservation the last one of its story, if that has the given number, and returns the number of the new
	// one. If another one came first, the error is one that isOvertaken knows.
	put(ctx context.Context, story string, last uint64, next reservation) (seq uint64, err error)
}

// claimant is a machine that reserves stories.
type claimant struct {
	at      shelf
	author  string // the machine's key
	replica string // its name at the hub
	lease   time.Duration
}

// has reports whether a reservation is of this machine.
func (c *claimant) has(r *reservation) bool { return r.Author == c.author && r.Replica == c.replica }

// reserve makes or renews a reservation. It returns its fence, or the agent of another machine that has the story.
// Holds says that a claim of this machine lasts, which the hub may have forgotten.
//
// The epoch of a fence is when the hub began last: a store that was put back to an earlier state gives out its numbers again.
func (c *claimant) reserve(ctx context.Context, story, agent string, holds bool) (fence crdt.Fence, by string, err error) {
	for {
		have, now, began, err := c.at.look(ctx, story)
		switch {
		case err != nil:
			return fence, "", err
		case c.has(&have.reservation):
		case have.lasts(now, c.lease):
			return fence, have.Agent, nil
		case !holds && now.Sub(began) < settleTime:
			return fence, "", errSettling
		}
		next := reservation{Author: c.author, Replica: c.replica, Agent: agent, At: now.UnixMilli(), Until: now.Add(c.lease).UnixMilli()}
		revision, err := c.at.put(ctx, story, have.seq, next)
		if err == nil {
			began, err := c.at.began(ctx) // anew: who was given the story before has seen no later beginning
			return crdt.Fence{Epoch: uint64(began.UnixMilli()), Revision: revision}, "", err
		}
		if !isOvertaken(err) {
			return fence, "", err
		}
		// Somebody was faster: look who it was.
	}
}

// giveBack makes a story free, unless the entry is not its last one any more.
func (c *claimant) giveBack(ctx context.Context, story string, e *entry) error {
	_, err := c.at.put(ctx, story, e.seq, reservation{})
	if isOvertaken(err) { // the message that came first is on its way here
		return nil
	}
	return err
}

// isOvertaken reports whether another message of the story came first.
func isOvertaken(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}
