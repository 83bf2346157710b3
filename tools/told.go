package tools

import (
	"context"
	"sync"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// told is up to where wait_for_change has told a session what changed. A call that gives no since goes
// on from there.
type told struct {
	mu    sync.Mutex // guards all below
	begun bool
	start replica.Position // before the session's first call
	count int              // of the answers
	last  map[waitFilter]toldUntil
}

// waitFilter is what a call of wait_for_change asks for.
type waitFilter struct {
	story string
	stage pipeline.Stage
}

// toldUntil is where the last answer to one filter ended, and which answer of the session that was.
type toldUntil struct {
	position replica.Position
	answer   int
}

// maxFilters bounds the filters that are remembered: agents wait for a few things again and again.
const maxFilters = 100

// begin notes where the log ends before the session's first call. A pipeline that cannot be read is
// asked again with the next call; that call says what is wrong.
func (t *told) begin(ctx context.Context, s *service) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun {
		return
	}
	err := s.replica.ViewAfter(ctx, s.replica.LastWrite(), func(p *replica.View) error {
		t.start = p.Position()
		return nil
	})
	t.begun = err == nil
}

// since returns from where a call that asks for f goes on. An answer to a call that asked for
// everything told what f asks for, too.
func (t *told) since(f waitFilter) replica.Position {
	t.mu.Lock()
	defer t.mu.Unlock()
	own, ok := t.last[f]
	all, okAll := t.last[waitFilter{}]
	switch {
	case !ok && !okAll:
		return t.start
	case !ok || okAll && all.isBehind(own):
		return all.position
	}
	return own.position
}

// isBehind reports whether u comes later in the log than other. Positions of two states cannot be
// compared; then the later answer counts.
func (u toldUntil) isBehind(other toldUntil) bool {
	if u.position.State != other.position.State {
		return u.answer > other.answer
	}
	return u.position.Arrival > other.position.Arrival
}

// until notes that the session was told all that f asks for up to a position.
func (t *told) until(f waitFilter, position replica.Position) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = make(map[waitFilter]toldUntil)
	}
	t.count++
	t.last[f] = toldUntil{position, t.count}
	for len(t.last) > maxFilters {
		oldest, first := waitFilter{}, t.count
		for f, u := range t.last {
			if u.answer < first {
				oldest, first = f, u.answer
			}
		}
		delete(t.last, oldest)
	}
}
