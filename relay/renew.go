package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// looksPerLease is how often in a lease the reservations of this machine are looked at when nothing changes: by
	// default every 15 s.
	looksPerLease = 20
	// giveBackAfter is how long a reservation is kept without a claim. A claim that may still be made is stored by then,
	// even if the hub's clock gains on ours.
	giveBackAfter = 2 * claimTime
)

// keeper keeps the reservations of this machine: it renews those whose claims last, and gives back the others.
type keeper struct {
	*session
	desk  *desk
	ahead time.Duration // how far the hub's clock is ahead of ours
	// held are the last reservations of this machine, by story. One whose number is 0 the hub was not heard to have.
	held map[string]entry
	// soon comes when claims that are on the way must have come.
	soon *time.Timer
	// epoch is that of the fences that the hub gives out.
	epoch uint64
	// settled is when all claims are here that were on the way when the connection began.
	settled time.Time
}

// keepClaims follows the reservations, and looks after those of this machine at each change.
func (s *session) keepClaims(ctx context.Context) error {
	desk, err := newDesk(ctx, s.conn, s.js, s.hub, s.author, s.cfg.lease())
	if err != nil {
		return err
	}
	k := &keeper{session: s, desk: desk, ahead: desk.stream.CachedInfo().TimeStamp.Sub(s.cfg.Now()), held: make(map[string]entry)}
	began, err := desk.began(ctx)
	if err != nil {
		return err
	}
	k.epoch, k.settled = uint64(began.UnixMilli()), s.cfg.Now().Add(giveBackAfter)
	consumer, err := desk.stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy})
	if err != nil {
		return fmt.Errorf("follow the hub's reservations: %w", err)
	}
	messages := make(chan jetstream.Msg, batchOps)
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		select {
		case messages <- msg:
		case <-ctx.Done():
		}
	}, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		s.end(fmt.Errorf("follow the hub's reservations: %w", err))
	}))
	if err != nil {
		return fmt.Errorf("follow the hub's reservations: %w", err)
	}
	defer consuming.Stop()
	ticker := time.NewTicker(desk.lease / looksPerLease)
	defer ticker.Stop()
	k.soon = time.NewTimer(giveBackAfter)
	defer k.soon.Stop()
	signal(s.claims)
	for {
		select {
		case msg := <-messages:
			k.take(msg)
			continue
		case <-s.claims:
		case <-k.soon.C:
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if err := k.keep(ctx); err != nil {
			return err
		}
	}
}

// remember notes the claims that last here as ones of which the hub may know nothing: it may have lost its store, and
// claims are made before a machine joins, or while it is offline. A claim whose reservation is older than the
// connection may come a moment after its beginning.
func (k *keeper) remember(ctx context.Context) error {
	return k.cfg.Replica.View(ctx, func(v *replica.View) error {
		for story, claim := range v.LiveClaims() {
			if _, known := k.held[story]; !known && !claim.Foreign {
				k.held[story] = entry{reservation: reservation{Author: k.author, Replica: k.desk.hub.Replica, Agent: claim.Agent}}
			}
		}
		return v.Err()
	})
}

// take notes a reservation.
func (k *keeper) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	story, ok := storyOf(k.hub.Pipeline, msg.Subject())
	if err != nil || !ok {
		return
	}
	e := entry{seq: meta.Sequence.Stream}
	if err := json.Unmarshal(msg.Data(), &e.reservation); err != nil || !k.desk.has(&e.reservation) {
		if k.held[story].seq > 0 { // else renew finds out
			delete(k.held, story)
		}
		return
	}
	k.held[story] = e
}

// keep renews the reservations of this machine whose claims last, and gives back the others.
func (k *keeper) keep(ctx context.Context) error {
	if k.cfg.Now().Before(k.settled) {
		if err := k.remember(ctx); err != nil {
			return err
		}
	}
	if len(k.held) == 0 {
		return nil
	}
	claims, made := make(map[string]bool, len(k.held)), make(map[string]bool, len(k.held))
	err := k.cfg.Replica.View(ctx, func(v *replica.View) error {
		for id, e := range k.held {
			st, err := v.Story(id)
			made[id] = v.Fence(id) == crdt.Fence{Epoch: k.epoch, Revision: e.seq} // so no other claim follows it
			claims[id] = err == nil && st.Claim.Live(k.cfg.Now()) && !st.Claim.Foreign
		}
		return v.Err()
	})
	if err != nil {
		return err
	}
	now := k.cfg.Now().Add(k.ahead)
	for id, e := range k.held {
		switch {
		case claims[id] && (e.seq == 0 || time.UnixMilli(e.Until).Sub(now) < k.desk.lease/2):
			err = k.renew(ctx, id, e.Agent)
		case claims[id]:
		case e.seq == 0:
			delete(k.held, id) // it ended meanwhile; if the hub has it, it says so
		case !made[id] && now.Sub(time.UnixMilli(e.At)) < giveBackAfter:
			k.soon.Reset(giveBackAfter) // its claim may be on the way
		default:
			err = k.giveBack(ctx, id, e)
		}
		if err != nil {
			return fmt.Errorf("keep a reservation: %w", err)
		}
	}
	return nil
}

// renew renews the reservation of a story whose claim lasts here.
func (k *keeper) renew(ctx context.Context, story, agent string) error {
	_, by, err := k.desk.reserve(ctx, story, agent, true)
	if err == nil && by != "" {
		delete(k.held, story)
		k.cfg.Logger.Warn("another machine has a story that is claimed here: this machine was away for longer than a reservation lasts", "story", story, "agent", by)
	}
	return err
}

// giveBack gives back the reservation of a story that is claimed here no more.
func (k *keeper) giveBack(ctx context.Context, story string, e entry) error {
	err := k.desk.giveBack(ctx, story, &e)
	if err == nil {
		delete(k.held, story)
	}
	return err
}
