package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// askTimeout bounds the wait for a connection to the hub, and that for an answer: a call waits for both.
	askTimeout = 2 * time.Second
	// claimTime is how long after its question a claim may be made. Later the reservation may be given back.
	claimTime = 5 * time.Second
)

// ErrUnreachable: the hub cannot be asked now whether another machine has a story.
var ErrUnreachable = errors.New("the hub cannot be asked")

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

// Reserve reserves a story for this machine, on behalf of an agent. It returns what the claim may follow,
// or the agent of another machine that has the story. The error is ErrUnreachable if the hub cannot be asked. If to ask
// again does not help, the error is one of package pipeline, too: [pipeline.NoMember] or [pipeline.NotLetIn]. A reservation
// for which no claim follows ends by itself.
func (c *Claims) Reserve(ctx context.Context, story, agent string) (r pipeline.Reservation, by string, err error) {
	r.Story = story
	err = c.ask(ctx, askTimeout, func(ctx context.Context) error {
		r.Until = c.cfg.Now().Add(claimTime)
		r.Fence, by, err = c.desk.reserve(ctx, story, agent, false)
		return err
	})
	switch {
	case errors.Is(err, errLeft):
		err = nil
	case errors.Is(err, ErrUnreachable):
		err = c.orRefusal(ctx, story, err)
	}
	return r, by, err
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

// numberTimeout is askTimeout for a number: without an answer a story gets one as apart.
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

// ask asks the hub that the replica is joined to. It waits up to patience for a connection, and as long again for an answer.
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
		if err = question(ctx); err != nil && !errors.Is(err, errSettling) {
			c.drop() // of several hubs another one may answer
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil
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
