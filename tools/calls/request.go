package calls

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/mark3labs/mcp-go/mcp"
)

// errCancelled is the cause of a context that ended because the client sent
// notifications/cancelled. The cause tells such a request, which is not answered, from a request that
// the end of the session cut short.
var errCancelled = errors.New("cancelled by the client")

// request is a call or a stream: a request that can be cancelled.
type request struct {
	message
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// cancelled reports whether the client has cancelled the request.
func (r *request) cancelled() bool {
	return errors.Is(context.Cause(r.ctx), errCancelled)
}

// accept makes m a request that can be cancelled until finish is called.
func (s *session) accept(parent context.Context, m message) *request {
	r := &request{message: m}
	r.ctx, r.cancel = context.WithCancelCause(parent)
	s.inFlight.add(m.raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open[r] = struct{}{}
	return r
}

func (s *session) finish(r *request) {
	r.cancel(nil)
	s.inFlight.remove(r.raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, r)
}

// cancel ends what notifications/cancelled names: every open request with that id, should a client use
// one twice. Ids that are unknown, answered already or malformed are ignored, as the specification
// asks. Initialize is never found, because the loop runs it before the next message is taken.
func (s *session) cancel(m message) {
	id, ok := cancelledID(m)
	if !ok {
		return
	}
	s.queue = slices.DeleteFunc(s.queue, func(r *request) bool {
		if r.id == id {
			s.finish(r)
		}
		return r.id == id
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.open {
		if r.id == id {
			r.cancel(errCancelled)
		}
	}
}

// listen starts a stream, which lasts until the client cancels it or the session ends.
func (s *session) listen(m message) {
	if len(m.raw) > maxLastingBytes {
		s.refuse(m.id, mcp.INVALID_PARAMS, fmt.Sprintf("a subscription may have at most %d bytes; ask for less at a time", maxLastingBytes))
		return
	}
	select {
	case s.streamSlots <- struct{}{}:
	default:
		s.refuse(m.id, codeTooManyStreams, fmt.Sprintf("%d subscriptions are open already; cancel one first", maxStreams))
		return
	}
	st := &stream{peer: s.peer, id: m.id}
	r := s.accept(s.srv.WithContext(s.listening, st), m)
	s.streams.Go(func() {
		s.answer(r.ctx, r)
		<-s.streamSlots
	})
}

// answer runs r under ctx, which is made of the request's own context, and writes the answer, unless
// the client has cancelled the request.
func (s *session) answer(ctx context.Context, r *request) {
	defer s.finish(r)
	if r.cancelled() {
		return
	}
	if reply := s.run(ctx, r.message); !r.cancelled() {
		s.writer.reply(reply)
	}
}

// run hands m to the server and returns the message to answer with, which means nothing if m is a
// notification.
func (s *session) run(ctx context.Context, m message) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("handler panicked", "id", m.id, "method", m.method, "panic", p, "stack", string(debug.Stack()))
			reply = internalError(m.id)
		}
	}()
	var failed failure
	answer := s.srv.HandleMessage(context.WithValue(ctx, failureKey{}, &failed), m.raw)
	if m.id.IsNil() {
		return nil
	}
	reply, err := encode(withID(failed.in(answer), m.id))
	if err != nil {
		s.log.Error("answer cannot be encoded", "id", m.id, "method", m.method, "err", err)
		return internalError(m.id)
	}
	return reply
}

// internalError returns an answer that says no more than its name. What went wrong is in the log.
func internalError(id mcp.RequestId) []byte {
	return mustEncode(refuse(id, mcp.INTERNAL_ERROR, "internal error; the server's log has the details"))
}
