package relay

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
)

// A machine names ops that it misses to the hub, which passes the question on to all. A question costs the machine that
// asks nothing, and all others something. So the hub passes few questions on, and a machine answers few of those.

const (
	// maxWant bounds the ops that one question asks for: so many IDs are a message.
	maxWant = 1000
	// maxAnswer bounds the ops that are sent for one question. With those that are asked for go the ones that they build
	// on: where one is missing, others are, too, and whoever asks does not know their IDs.
	maxAnswer = 1000
	// wantDelay is up to how long who has what somebody misses waits, so that not all send it at once.
	wantDelay = 300 * time.Millisecond
	// wantInterval is the least time between two questions of all machines that are passed on, or answered.
	wantInterval = time.Second
	// askInterval is the least time between two questions of one machine that are heard, and between two answers with one
	// op. A machine asks every [gapAge].
	askInterval = time.Minute
	// Bounds of what waits unread. Others are dropped; who asked asks again.
	maxWaiting     = 4
	maxUnread      = 1000
	maxUnreadBytes = 8 << 20
)

// Wants are questions for ops, as they come over a connection.
type Wants struct {
	// Conn is of the hub, or of a machine.
	Conn *nats.Conn
	// Subjects are those of all who ask. Their last parts say who does, which the hub makes sure of.
	Subjects string
	// Queue, if it is not empty, is what one of several hubs hears a question for.
	Queue string
	Now   func() time.Time
}

// Hear calls heed with questions until ctx ends, one at a time, no more than one a second, and of one sender no more than
// one a minute. All others are dropped, unread.
func (w Wants) Hear(ctx context.Context, heed func(msg *nats.Msg, ids []crdt.OpID)) error {
	waiting := make(chan *nats.Msg, maxWaiting)
	heard := make(map[string]time.Time) // when a sender was heard last
	take := func(msg *nats.Msg) {
		now := w.Now()
		sender := msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:]
		if last, ok := heard[sender]; ok && now.Sub(last) < askInterval || len(waiting) == maxWaiting {
			return
		}
		maps.DeleteFunc(heard, func(_ string, last time.Time) bool { return now.Sub(last) >= askInterval })
		heard[sender] = now
		waiting <- msg // nobody else fills it
	}
	sub, err := w.Conn.QueueSubscribe(w.Subjects, w.Queue, take) // an empty queue is none
	if err == nil {
		err = sub.SetPendingLimits(maxUnread, maxUnreadBytes)
	}
	if err != nil {
		return err
	}
	go func() {
		defer sub.Unsubscribe()
		for {
			select {
			case msg := <-waiting:
				if ids, ok := readWant(msg.Data); ok {
					heed(msg, ids)
				}
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

// readWant returns the ops that a question asks for. It reports false if the message is no question.
func readWant(data []byte) (ids []crdt.OpID, ok bool) {
	err := json.Unmarshal(data, &ids)
	return ids, err == nil && len(ids) > 0 && len(ids) <= maxWant
}

// listenForWants sends again what others miss and is here, until ctx ends. The hub drops what came within its last minutes.
func (s *session) listenForWants(ctx context.Context) error {
	wants := Wants{Conn: s.conn, Subjects: PassedWantSubject(s.hub.Pipeline, "*"), Now: s.cfg.Now}
	if IsOwn(s.hub.Address) { // nobody passes anything on there
		wants.Subjects = WantSubject(s.hub.Pipeline, "*")
	}
	answered := make(map[crdt.OpID]time.Time) // when an op was asked for or sent again last, for a minute
	return wants.Hear(ctx, func(_ *nats.Msg, ids []crdt.OpID) { s.answerWant(ctx, ids, answered) })
}

func (s *session) answerWant(ctx context.Context, ids []crdt.OpID, answered map[crdt.OpID]time.Time) {
	if !sleep(ctx, s.upTo(wantDelay)) {
		return
	}
	now := s.cfg.Now()
	maps.DeleteFunc(answered, func(_ crdt.OpID, last time.Time) bool { return now.Sub(last) >= askInterval })
	isAnswered := func(id crdt.OpID) bool { _, ok := answered[id]; return ok }
	ids = slices.DeleteFunc(ids, isAnswered)
	var sent []crdt.OpID
	if has, err := s.cfg.Replica.HasAny(ctx, ids); err == nil && has {
		if sent, err = s.cfg.Replica.Requeue(ctx, ids, maxAnswer, isAnswered); err != nil {
			s.end(err)
			return
		}
		s.cfg.Logger.Info("another machine misses ops that are here: sending them again", "ops", len(sent))
		signal(s.wake)
	}
	for _, id := range slices.Concat(ids, sent) {
		answered[id] = now
	}
}
