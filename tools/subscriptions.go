package tools

import (
	"context"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// subscriptions are the resources that clients want to hear of: asked for one by
// one with resources/subscribe, until 2025-11-25, or as part of a
// subscriptions/listen stream, since 2026-07-28. While there are none nothing runs.
type subscriptions struct {
	s *service

	mu   sync.Mutex // guards all below
	open map[subscription]*watch
}

// subscription is one resource that one session has subscribed to.
type subscription struct{ session, uri string }

// watch looks after one subscription.
type watch struct {
	streams int  // that have it
	single  bool // resources/subscribe has it
	stop    context.CancelFunc
}

// maxSubscriptions bounds the resources that are watched at once; what is asked
// for beyond it brings no notifications. Each is looked at after each change.
const maxSubscriptions = 256

func (s *service) addSubscriptions(hooks *server.Hooks) {
	subs := &subscriptions{s: s, open: make(map[subscription]*watch)}
	// The hooks before, not after: what changes once the client has the answer must
	// not be missed.
	hooks.AddBeforeSubscribe(func(ctx context.Context, _ any, req *mcp.SubscribeRequest) {
		subs.add(ctx, req.Params.URI, func(w *watch) { w.single = true })
	})
	hooks.AddAfterUnsubscribe(func(ctx context.Context, _ any, req *mcp.UnsubscribeRequest, _ *mcp.EmptyResult) {
		subs.remove(ctx, req.Params.URI, func(w *watch) { w.single = false })
	})
	hooks.AddBeforeSubscriptionsListen(func(ctx context.Context, _ any, req *mcp.SubscriptionsListenRequest) {
		for _, uri := range req.Params.Notifications.ResourceSubscriptions {
			if subs.add(ctx, uri, func(w *watch) { w.streams++ }) {
				context.AfterFunc(ctx, func() { // the stream has ended
					subs.remove(ctx, uri, func(w *watch) { w.streams-- })
				})
			}
		}
	})
	hooks.AddOnUnregisterSession(func(_ context.Context, session server.ClientSession) { subs.end(session.SessionID()) })
}

// add begins to watch a resource for the client of ctx, or counts one more who
// does, and reports whether it did.
func (subs *subscriptions) add(ctx context.Context, uri string, count func(*watch)) bool {
	session := server.ClientSessionFromContext(ctx)
	if session == nil || !isResource(uri) {
		return false
	}
	key := subscription{session.SessionID(), uri}
	var first state
	if subs.hasRoom(key) { // to look costs more than to ask
		first = subs.s.look(ctx, uri)
	}
	subs.mu.Lock()
	defer subs.mu.Unlock()
	if !subs.hasRoomLocked(key) {
		subs.s.logger.Warn("too many subscriptions; this one brings nothing", "uri", uri)
		return false
	}
	w := subs.open[key]
	if w == nil {
		watching, stop := context.WithCancel(context.WithoutCancel(ctx))
		w = &watch{stop: stop}
		subs.open[key] = w
		go subs.run(watching, session.NotificationChannel(), uri, first)
	}
	count(w)
	return true
}

func (subs *subscriptions) hasRoom(key subscription) bool {
	subs.mu.Lock()
	defer subs.mu.Unlock()
	return subs.hasRoomLocked(key)
}

func (subs *subscriptions) hasRoomLocked(key subscription) bool {
	return subs.open[key] != nil || len(subs.open) < maxSubscriptions
}

func (subs *subscriptions) remove(ctx context.Context, uri string, count func(*watch)) {
	session := server.ClientSessionFromContext(ctx)
	if session == nil {
		return
	}
	key := subscription{session.SessionID(), uri}
	subs.mu.Lock()
	defer subs.mu.Unlock()
	w := subs.open[key]
	if w == nil {
		return
	}
	if count(w); !w.single && w.streams == 0 {
		w.stop()
		delete(subs.open, key)
	}
}

// end ends all that a session subscribed to.
func (subs *subscriptions) end(session string) {
	subs.mu.Lock()
	defer subs.mu.Unlock()
	for key, w := range subs.open {
		if key.session == session {
			w.stop()
			delete(subs.open, key)
		}
	}
}

// state is what a subscriber has been told of: the resource's text, or why it
// cannot be read.
type state struct{ text, problem string }

func (s *service) look(ctx context.Context, uri string) (now state) {
	err := s.view(ctx, func(p *replica.View) error { now = s.stateOf(p.State, uri); return nil })
	if err != nil {
		now = state{problem: err.Error()}
	}
	return now
}

func (s *service) stateOf(p *pipeline.State, uri string) state {
	text, err := s.resource(p, uri)
	if err != nil {
		return state{problem: err.Error()}
	}
	return state{text: text}
}

const (
	// watchAgain is how long a subscription waits after an error of the storage.
	watchAgain = time.Second
	// tellAgain is how long it waits after it has told the client, so that what
	// changes together is told together.
	tellAgain = 100 * time.Millisecond
)

// run tells the client each time the resource is not as it was told last, until
// ctx ends.
func (subs *subscriptions) run(ctx context.Context, client chan<- mcp.JSONRPCNotification, uri string, told state) {
	updated := mcp.JSONRPCNotification{
		JSONRPC: mcp.JSONRPC_VERSION,
		Notification: mcp.Notification{
			Method: mcp.MethodNotificationResourceUpdated,
			Params: mcp.NotificationParams{AdditionalFields: map[string]any{"uri": uri}},
		},
	}
	for ctx.Err() == nil {
		now := told
		err := subs.s.replica.Watch(ctx, func(p *replica.View) (bool, error) {
			now = subs.s.stateOf(p.State, uri)
			return now != told, nil
		})
		if err != nil {
			now = state{problem: err.Error()}
		}
		if now != told && ctx.Err() == nil {
			select {
			case client <- updated:
				told = now
			case <-ctx.Done():
			}
		}
		if err != nil {
			pause(ctx, watchAgain)
		} else {
			pause(ctx, tellAgain)
		}
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
