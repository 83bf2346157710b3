package relay

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

const (
	// gapAge is how long a parent may be missing before something is done about it: most come with the next
	// batch.
	gapAge = 2 * time.Minute
	// rereadInterval is how often the whole stream is read again for what is missing.
	rereadInterval = time.Hour
)

// fillGaps sees to ops that others build on and that do not come: it asks those who are connected. A question holds maxWant ops,
// and the next one begins behind them: so nobody who invents parents keeps what is really missing from being asked for.
func (s *session) fillGaps(ctx context.Context, caughtUp <-chan struct{}) error {
	select {
	case <-caughtUp:
	case <-ctx.Done():
		return nil
	}
	var after crdt.OpID
	for ctx.Err() == nil {
		before, err := s.cfg.Replica.Missing(ctx, after, maxWant)
		if err != nil || !sleep(ctx, cmp.Or(s.cfg.GapAge, gapAge)) {
			return err
		}
		missing, err := s.cfg.Replica.Missing(ctx, after, maxWant)
		if err != nil {
			return err
		}
		if after = (crdt.OpID{}); len(missing) == maxWant {
			after = missing[maxWant-1]
		}
		still := slices.DeleteFunc(missing, func(id crdt.OpID) bool { return !slices.Contains(before, id) })
		if err := s.fillGap(ctx, still); err != nil {
			return err
		}
	}
	return nil
}

// fillGap reads the whole stream again for ops that are missing, or asks those who are connected if that was done.
func (s *session) fillGap(ctx context.Context, missing []crdt.OpID) error {
	if len(missing) == 0 {
		return nil
	}
	if now := s.cfg.Now(); now.Sub(s.reread) >= rereadInterval {
		s.reread = now
		s.cfg.Logger.Warn("ops are missing that others build on: reading the hub's stream again", "ops", len(missing))
		if err := s.cfg.Replica.Reread(ctx); err != nil {
			return err
		}
		return errReread
	}
	s.cfg.Logger.Warn("ops are missing that others build on: asking the other machines", "ops", len(missing))
	question, err := json.Marshal(missing)
	if err != nil {
		return err
	}
	return s.conn.Publish(WantSubject(s.hub.Pipeline, s.author), question)
}

// errReread ends a connection: the next one reads the stream from its beginning.
var errReread = errors.New("the stream is read again")
