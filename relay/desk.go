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

	"github.com/huskies/huskies-mcp/replica"
)

// desk is where reservations are made, over one connection.
type desk struct {
	claimant
	conn   *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	hub    replica.Hub
}

func newDesk(ctx context.Context, conn *nats.Conn, js jetstream.JetStream, hub *replica.Hub, author string, lease time.Duration) (*desk, error) {
	stream, err := js.Stream(ctx, ClaimStreamName(hub.Pipeline))
	if err != nil {
		return nil, fmt.Errorf("look at the hub's reservations: %w", err)
	}
	d := &desk{conn: conn, js: js, stream: stream, hub: *hub}
	d.claimant = claimant{d, author, hub.Replica, lease}
	return d, nil
}

// dialing is a connection that is being made. It goes on when nobody waits for it any more: a hub that is far away is
// reached by the next question.
type dialing struct {
	hub  replica.Hub
	stop context.CancelFunc
	done chan struct{} // closed when desk and err are there
	desk *desk
	err  error
}

// dialDesk begins to connect.
func dialDesk(hub *replica.Hub, key transportKey, author string, lease time.Duration) *dialing {
	ctx, stop := context.WithCancel(context.Background())
	d := &dialing{hub: *hub, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.desk, d.err = openDesk(ctx, hub, key, author, lease)
	}()
	return d
}

func openDesk(ctx context.Context, hub *replica.Hub, key transportKey, author string, lease time.Duration) (*desk, error) {
	conn, err := dialHub(key, hub, nats.Timeout(askTimeout))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(askTimeout))
	if err == nil {
		var d *desk
		if d, err = newDesk(ctx, conn, js, hub, author, lease); err == nil {
			return d, nil
		}
	}
	conn.Close()
	return nil, err
}

// connect connects to the hub unless it is connected. It waits up to patience.
func (c *Claims) connect(ctx context.Context, hub *replica.Hub, patience time.Duration) error {
	if c.desk != nil && c.desk.conn.IsConnected() && c.desk.hub == *hub {
		return nil
	}
	if c.dialing == nil || c.dialing.hub != *hub {
		c.drop()
		key, author, err := memberOf(ctx, c.cfg.Replica)
		if err != nil {
			return err
		}
		c.dialing = dialDesk(hub, key, author, c.cfg.lease())
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-c.dialing.done:
	case <-ctx.Done():
		return fmt.Errorf("connect to the hub: %w", ctx.Err())
	}
	done := c.dialing
	c.dialing = nil
	done.stop()
	c.desk = done.desk
	c.cfg.keepRefusal(hub, done.err)
	return done.err
}

// drop closes the connection, or the one that is being made.
func (c *Claims) drop() {
	if c.desk != nil {
		c.desk.conn.Close()
		c.desk = nil
	}
	if c.dialing != nil {
		d := c.dialing
		c.dialing = nil
		d.stop()
		go func() { // it may be made all the same
			if <-d.done; d.err == nil {
				d.desk.conn.Close()
			}
		}()
	}
}

// all does several things at once, each a question to the hub: from far away the way there takes the most time.
func all(questions ...func() error) error {
	errs := make([]error, len(questions))
	var wait sync.WaitGroup
	for i, question := range questions {
		wait.Go(func() { errs[i] = question() })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// look implements shelf.
func (d *desk) look(ctx context.Context, story string) (have entry, now, began time.Time, err error) {
	err = all(
		func() (err error) { have, err = d.entry(ctx, story); return err },
		func() (err error) { now, began, err = d.times(ctx); return err },
	)
	return have, now, began, err
}

// times returns the hub's time, and when the hub began last.
func (d *desk) times(ctx context.Context) (now, began time.Time, err error) {
	err = all(
		func() error {
			info, err := d.stream.Info(ctx)
			if err != nil {
				return fmt.Errorf("look at the hub's reservations: %w", err)
			}
			now = info.TimeStamp
			return nil
		},
		func() (err error) { began, err = d.began(ctx); return err },
	)
	return now, began, err
}

// began implements shelf.
func (d *desk) began(ctx context.Context) (time.Time, error) {
	start, err := d.stream.GetLastMsgForSubject(ctx, StartSubject(d.hub.Pipeline))
	if err != nil {
		return time.Time{}, fmt.Errorf("look when the hub began: %w", err)
	}
	return start.Time, nil
}

// put implements shelf.
func (d *desk) put(ctx context.Context, story string, last uint64, next reservation) (seq uint64, err error) {
	return d.putNext(ctx, ClaimSubject(d.hub.Pipeline, story), last, next)
}

// putNext puts a message into the stream if the last one of its subject has the given number, 0 for none.
func (d *desk) putNext(ctx context.Context, subject string, last uint64, next any) (seq uint64, err error) {
	b, err := json.Marshal(next)
	if err != nil {
		return 0, err
	}
	ack, err := d.js.Publish(ctx, subject, b,
		jetstream.WithExpectStream(ClaimStreamName(d.hub.Pipeline)), jetstream.WithExpectLastSequencePerSubject(last))
	if err != nil {
		return 0, err
	}
	return ack.Sequence, nil
}

// ended returns those of the stories whose reservations of other machines have run out.
func (d *desk) ended(ctx context.Context, stories []string) (ended []string, err error) {
	var now, began time.Time
	entries := make([]entry, len(stories))
	questions := []func() error{func() (err error) { now, began, err = d.times(ctx); return err }}
	for i, story := range stories {
		questions = append(questions, func() (err error) {
			entries[i], err = d.entry(ctx, story)
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
		if have := &entries[i]; have.Author != "" && !d.has(&have.reservation) && !have.lasts(now, d.lease) {
			ended = append(ended, stories[i])
		}
	}
	return ended, nil
}

// entry returns the reservation of a story.
func (d *desk) entry(ctx context.Context, story string) (e entry, err error) {
	msg, err := d.stream.GetLastMsgForSubject(ctx, ClaimSubject(d.hub.Pipeline, story))
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
	e.Until = min(e.Until, msg.Time.Add(d.lease).UnixMilli()) // nor does what ends later than a lease
	return e, nil
}
