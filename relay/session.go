package relay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/replica"
)

// session is one connection to a hub.
type session struct {
	*Relay
	hub     *replica.Hub
	author  string // of this replica
	subject string // to publish to
	conn    *nats.Conn
	js      jetstream.JetStream
	stream  jetstream.Stream
	epoch   int64 // of the stream
	end     context.CancelCauseFunc
	wake    chan struct{} // there may be something to send
	claims  chan struct{} // claims may have ended
	quiet   bool          // it is not the machine's relay, and says nothing of itself
	// replaced: the hub is another, or was put back to an earlier state.
	replaced bool

	mu     sync.Mutex
	status Status
}

var (
	errClosed   = errors.New("the connection was closed")
	errReplaced = errors.New("the hub's stream was replaced or put back")
)

// checkInterval is how soon a store that was replaced under a living hub is noticed.
const checkInterval = 5 * time.Second

// connect exchanges ops over one connection until it ends. The error says why it did, or why there was
// none.
func (r *Relay) connect(ctx context.Context, hub *replica.Hub) (connected bool, err error) {
	key, author, err := memberOf(ctx, r.cfg.Replica)
	if err != nil {
		return false, err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	conn, err := dialHub(key, hub, nats.ClosedHandler(func(conn *nats.Conn) { end(errors.Join(errClosed, conn.LastError())) }))
	if is, said := r.cfg.refusalOf(hub, err); said {
		r.refusal = is
	}
	if err != nil {
		return false, err
	}
	defer conn.Close()
	s := &session{Relay: r, hub: hub, author: author, conn: conn, end: end, wake: make(chan struct{}, 1), claims: make(chan struct{}, 1)}
	return true, s.run(ctx)
}

func (s *session) run(ctx context.Context) (err error) {
	if err := s.learnAddresses(ctx); err != nil {
		return err
	}
	s.js, err = jetstream.New(s.conn, jetstream.WithDefaultTimeout(connectTimeout), jetstream.WithPublishAsyncMaxPending(outboxPage),
		jetstream.WithPublishAsyncTimeout(connectTimeout))
	if err != nil {
		return err
	}
	asked := s.cfg.Now()
	if s.stream, err = s.js.Stream(ctx, StreamName(s.hub.Pipeline)); err != nil {
		return fmt.Errorf("look at the hub's stream: %w", err)
	}
	info := s.stream.CachedInfo()
	ahead := s.clockAhead(asked, info)
	s.epoch = info.Created.UnixNano()
	read, err := s.compare(ctx, info)
	if err != nil {
		return err
	}
	s.subject = OpSubject(s.hub.Pipeline, s.author, s.hub.Replica)
	last, err := LastMessage(ctx, s.stream, s.hub.Pipeline)
	if err != nil {
		return err
	}
	behind := max(last, read.Seq) - read.Seq
	if err := s.meetMembers(ctx, read); err != nil {
		return err
	}
	s.set(func(status *Status) {
		status.ConnectedSince, status.Behind, status.ClockAhead = s.cfg.Now().UnixMilli(), behind, ahead
	})
	if ahead, off := s.status.ClockOff(); off {
		s.cfg.Logger.Warn("the hub's clock and this machine's differ: claims end by the hub's", "hub_ahead", ahead)
	}
	s.cfg.Logger.Info("connected to the hub", "address", s.hub.Address, "behind", behind)
	if err := s.listenForWants(ctx); err != nil {
		return err
	}
	caughtUp := make(chan struct{})
	var all sync.WaitGroup
	for _, part := range []func(context.Context) error{
		func(ctx context.Context) error { return s.follow(ctx, read, last, caughtUp) },
		func(ctx context.Context) error { return s.publish(ctx, caughtUp) },
		s.watch,
		s.check,
		s.keepClaims,
		func(ctx context.Context) error { return s.fillGaps(ctx, caughtUp) },
	} {
		all.Go(func() {
			if err := part(ctx); err != nil {
				s.end(err)
			}
		})
	}
	<-ctx.Done()
	s.conn.Close()
	all.Wait()
	return context.Cause(ctx)
}

// learnAddresses notes where else the hub says that it is reached.
func (s *session) learnAddresses(ctx context.Context) error {
	known := withDiscovered(s.hub.Address, s.conn.DiscoveredServers())
	if known == s.hub.Address || IsOwn(s.hub.Address) { // the URL of one's own has what its owner gave
		return nil
	}
	if err := s.cfg.Replica.MoveHub(ctx, s.hub.Replica, known); err != nil {
		return err
	}
	s.hub.Address = known
	return nil
}

// clockAhead returns how far the hub's clock is ahead, in ms, by an answer to what was asked then.
func (s *session) clockAhead(asked time.Time, info *jetstream.StreamInfo) int64 {
	now := s.cfg.Now()
	return info.TimeStamp.Sub(now.Add(-now.Sub(asked) / 2)).Milliseconds()
}

// set changes the status, for other processes.
func (s *session) set(change func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status
	if change(&s.status); s.status != before && !s.quiet {
		s.tell(s.status)
	}
}

// compare finds out whether the hub is as it was left, and returns from where to read. If it is another, or was put
// back to what it was before, all is read and sent anew.
func (s *session) compare(ctx context.Context, info *jetstream.StreamInfo) (read replica.HubMark, err error) {
	_, state, err := s.cfg.Replica.Hub(ctx)
	if err != nil {
		return read, err
	}
	same, err := s.isSame(ctx, info, state)
	if err != nil {
		return read, err
	}
	known, err := s.knowsItsLast(ctx)
	if err != nil {
		return read, err
	}
	name := ""
	if !known { // what was sent from here need not be here, so it is read, too
		s.cfg.Logger.Warn("this database was put back to an earlier state: all is read from the hub", "address", s.hub.Address)
		if name, err = newReplicaName(s.cfg.Rand); err != nil {
			return read, err
		}
		s.hub.Replica = name
	}
	if !same {
		s.cfg.Logger.Warn("the hub is another, or was put back to an earlier state: all ops are read and sent again", "address", s.hub.Address)
		s.replaced = true
	}
	if !same || !known {
		return replica.HubMark{}, s.cfg.Replica.Resend(ctx, !same, name)
	}
	if read = state.Read; read.Seq == 0 {
		return read, nil
	}
	if info.State.FirstSeq > read.Seq+1 {
		s.cfg.Logger.Error("the hub has lost messages that were not read: import a bundle of another machine", "from", read.Seq+1, "to", info.State.FirstSeq-1)
	}
	return read, s.retrySkipped(ctx)
}

// isSame reports whether the marks are still where they were put.
func (s *session) isSame(ctx context.Context, info *jetstream.StreamInfo, state replica.HubState) (bool, error) {
	for _, mark := range []replica.HubMark{state.Read, state.Acked} {
		if mark.Seq == 0 {
			continue
		}
		if mark.Epoch != s.epoch || mark.Seq > info.State.LastSeq {
			return false, nil
		}
		if mark.Seq < info.State.FirstSeq {
			continue // it was removed, not replaced
		}
		op, err := s.message(ctx, mark.Seq)
		switch {
		case errors.Is(err, jetstream.ErrMsgNotFound):
			return false, nil
		case err != nil:
			return false, err
		case op.ID != mark.ID:
			return false, nil
		}
	}
	return true, nil
}

// message returns the op of a message.
func (s *session) message(ctx context.Context, seq uint64) (crdt.SignedOp, error) {
	msg, err := s.stream.GetMsg(ctx, seq)
	if err != nil {
		return crdt.SignedOp{}, err
	}
	op, _ := ReadMessage(msg.Data) // a short message is an op that nobody has
	return op, nil
}

// knowsItsLast reports whether the last op that was sent from this database is in it.
func (s *session) knowsItsLast(ctx context.Context) (bool, error) {
	msg, err := s.stream.GetLastMsgForSubject(ctx, OpSubject(s.hub.Pipeline, s.author, s.hub.Replica))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	op, err := ReadMessage(msg.Data)
	if err != nil {
		return true, nil // not from here
	}
	return s.cfg.Replica.HasAny(ctx, []crdt.OpID{op.ID})
}

// check ends the session when the hub's store was replaced, or the replica has left.
func (s *session) check(ctx context.Context) error {
	for sleep(ctx, checkInterval) {
		s.mu.Lock()
		s.tell(s.status) // as long as it says so, it lives
		s.mu.Unlock()
		hub, state, err := s.cfg.Replica.Hub(ctx)
		switch {
		case err != nil:
			return err
		case hub == nil || *hub != *s.hub:
			return errLeft
		}
		asked := s.cfg.Now()
		info, err := s.stream.Info(ctx)
		if err != nil {
			return fmt.Errorf("look at the hub's stream: %w", err)
		}
		s.set(func(status *Status) { status.ClockAhead = s.clockAhead(asked, info) })
		if info.Created.UnixNano() != s.epoch || info.State.LastSeq < state.Read.Seq {
			return errReplaced
		}
	}
	return nil
}
