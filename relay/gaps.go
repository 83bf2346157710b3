package relay

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
)

const (
	// gapAge is how long a parent may be missing before something is done about it: most come with the next
	// batch.
	gapAge = 2 * time.Minute
	// rereadInterval is how often the whole stream is read again for what is missing.
	rereadInterval = time.Hour
	// maxWant bounds the ops that one message asks for.
	maxWant = 1000
	// wantDelay is up to how long who has what somebody misses waits, so that not all send it at once.
	wantDelay = 300 * time.Millisecond
	// wantInterval is the least time between two answers: others may ask as they like.
	wantInterval = time.Second
)

// fillGaps sees to ops that others build on and that do not come: it asks those who are connected.
func (s *session) fillGaps(ctx context.Context, caughtUp <-chan struct{}) error {
	select {
	case <-caughtUp:
	case <-ctx.Done():
		return nil
	}
	var before []crdt.OpID
	for sleep(ctx, gapAge) {
		missing, err := s.cfg.Replica.Missing(ctx, crdt.OpID{}, maxWant)
		if err != nil {
			return err
		}
		still := slices.DeleteFunc(slices.Clone(missing), func(id crdt.OpID) bool { return !slices.Contains(before, id) })
		if before = missing; len(still) == 0 {
			continue
		}
		if now := s.cfg.Now(); now.Sub(s.reread) >= rereadInterval {
			s.reread = now
			s.cfg.Logger.Warn("ops are missing that others build on: reading the hub's stream again", "ops", len(still))
			if err := s.cfg.Replica.Reread(ctx); err != nil {
				return err
			}
			return errReread
		}
		s.cfg.Logger.Warn("ops are missing that others build on: asking the other machines", "ops", len(still))
		request, err := json.Marshal(still)
		if err == nil {
			err = s.conn.Publish(WantSubject(s.hub.Pipeline), request)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errReread ends a connection: the next one reads the stream from its beginning.
var errReread = errors.New("the stream is read again")

// listenForWants sends again what others miss and is here. The hub drops what it has already.
func (s *session) listenForWants(ctx context.Context) error {
	wants := make(chan *nats.Msg, 1)
	sub, err := s.conn.Subscribe(WantSubject(s.hub.Pipeline), func(msg *nats.Msg) {
		select {
		case wants <- msg:
		default: // one is being answered; who asked asks again
		}
	})
	if err != nil {
		return err
	}
	go func() {
		defer sub.Unsubscribe()
		for {
			select {
			case msg := <-wants:
				s.answerWant(ctx, msg.Data)
			case <-ctx.Done():
				return
			}
			if !sleep(ctx, wantInterval) {
				return
			}
		}
	}()
	return nil
}

func (s *session) answerWant(ctx context.Context, request []byte) {
	var ids []crdt.OpID
	if err := json.Unmarshal(request, &ids); err != nil || len(ids) > maxWant || !sleep(ctx, s.upTo(wantDelay)) {
		return
	}
	has, err := s.cfg.Replica.HasAny(ctx, ids)
	if err != nil || !has {
		return
	}
	n, err := s.cfg.Replica.Requeue(ctx, ids)
	if err != nil {
		s.end(err)
		return
	}
	s.cfg.Logger.Info("another machine misses ops that are here: sending them again", "ops", n)
	signal(s.wake)
}
