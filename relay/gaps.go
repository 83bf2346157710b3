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

// fillGaps sees to ops that others build on and that do not come: it asks those who are connected.
func (s *session) fillGaps(ctx context.Context, caughtUp <-chan struct{}) error {
	select {
	case <-caughtUp:
	case <-ctx.Done():
		return nil
	}
	var before []crdt.OpID
	for sleep(ctx, cmp.Or(s.cfg.GapAge, gapAge)) {
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
			err = s.conn.Publish(WantSubject(s.hub.Pipeline, s.author), request)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errReread ends a connection: the next one reads the stream from its beginning.
var errReread = errors.New("the stream is read again")
