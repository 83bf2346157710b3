package calls

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// Message is one message from the client, or the reason why there is none.
type Message struct {
	Text    []byte // one JSON-RPC message
	TooLong bool   // The message was over MaxMessageBytes and the transport has skipped it.
	// First and Last are the first and the last EndBytes of a message that is TooLong. Without them its
	// ID is not known.
	First, Last []byte
	Err         error // Reading failed. Nothing comes after this message.
}

// session is one client's, from the start of Serve to its end.
type session struct {
	srv  *server.MCPServer
	log  *slog.Logger
	peer *peer

	// Serve sets these once.
	handlers  context.Context // the parent of every call's context
	listening context.Context // the parent of every stream's context
	writer    *writer

	slots    *slots
	inFlight *inFlight

	// Only the loop touches these.
	queue   []*request // calls that wait to be started, oldest first
	replies []reply    // what the loop itself answers and is not written yet, oldest first

	streams     sync.WaitGroup
	streamSlots chan struct{} // holds one element for each open stream

	mu   sync.Mutex
	open map[*request]struct{} // guarded by mu: the calls and streams accepted and not finished
}

// Serve serves srv to one client. Serve takes the client's messages from in, and hands answers and
// notifications to send, one at a time. The package comment says what the client can rely on.
//
// The session ends when in is closed, when ctx is done or when send fails. Serve returns nil at the
// end of in and when ctx is done, and otherwise the error of the failed read or send. The transport
// must not wait for in to be received from once Serve has returned.
func Serve(ctx context.Context, srv *server.MCPServer, in <-chan Message, send func(message []byte) error, log *slog.Logger) error {
	p := newPeer()
	handlers, cancelHandlers := Outlive(srv.WithContext(ctx, p), drainTime)
	defer cancelHandlers()
	listening, endStreams := context.WithCancel(handlers)
	defer endStreams()
	s := &session{
		srv:         srv,
		log:         log,
		peer:        p,
		handlers:    handlers,
		listening:   listening,
		writer:      newWriter(send, p, log, cancelHandlers),
		slots:       newSlots(),
		inFlight:    newInFlight(),
		streamSlots: make(chan struct{}, maxStreams),
		open:        make(map[*request]struct{}),
	}
	if err := srv.RegisterSession(handlers, p); err != nil {
		return fmt.Errorf("register session %s: %w", p.id, err)
	}
	log.Info("session started", "session", p.id)
	var writing sync.WaitGroup
	writing.Go(s.writer.run)

	readErr := s.loop(ctx, in)

	// Each step ends what the next step relies on.
	s.slots.wait()
	endStreams()
	s.streams.Wait()
	srv.UnregisterSession(handlers, p.id)
	close(s.writer.replies)
	writing.Wait()

	log.Info("session ended", "session", p.id)
	if s.writer.err != nil {
		return fmt.Errorf("write message: %w", s.writer.err)
	}
	return readErr
}

// loop takes messages and starts calls, until nothing is left to do of either. Calls start in order,
// each when the call before has handed over or is done. loop returns the error of reading.
func (s *session) loop(ctx context.Context, in <-chan Message) (readErr error) {
	stop := ctx.Done()
	for mayStart, writing := false, false; in != nil || len(s.queue) > 0 || len(s.replies) > 0; {
		// A nil channel is never ready. No call starts before the loop's own answers are written, since
		// what was asked before a call is answered before all that the call sends.
		input := in
		if s.inFlight.full() {
			input = nil
		}
		var turn <-chan struct{}
		var place chan<- struct{}
		var out chan<- reply
		var next reply
		var written <-chan struct{}
		switch {
		case writing:
			written = s.replies[0].written
		case len(s.replies) > 0:
			out, next = s.writer.replies, s.replies[0]
		case len(s.queue) == 0:
		case mayStart:
			place = s.slots.running
		default:
			turn = s.slots.last
		}

		select {
		case m, ok := <-input:
			switch {
			case !ok:
				in = nil
			case m.Err != nil:
				readErr = m.Err
			default:
				s.handle(m)
			}
		case <-turn:
			mayStart = true
		case place <- struct{}{}:
			mayStart = false
			first := s.queue[0]
			s.queue = slices.Delete(s.queue, 0, 1)
			s.start(first)
		case out <- next:
			writing = true
		case <-written:
			writing = false
			s.inFlight.remove(s.replies[0].message)
			s.replies = slices.Delete(s.replies, 0, 1)
		case <-s.inFlight.freed:
		case <-stop:
			in, stop = nil, nil
		case <-s.writer.failed:
			return readErr // nobody is left to answer
		}
	}
	return readErr
}

// start runs a call, for which the loop has taken a place in slots.running.
func (s *session) start(r *request) {
	s.slots.start(len(r.raw) <= maxLastingBytes, func(one *slot) {
		if r.ctx.Err() != nil && !r.cancelled() {
			s.finish(r)
			s.writer.reply(mustEncode(refuse(r.id, codeShuttingDown, "the server is shutting down and did not run this call")))
			return
		}
		s.answer(context.WithValue(r.ctx, slotKey{}, one), r)
	})
}

// reply answers a request in the loop. The loop goes on while the client does not read the answer.
func (s *session) reply(message []byte) {
	s.inFlight.add(message)
	s.replies = append(s.replies, newReply(message))
}

func (s *session) refuse(id mcp.RequestId, code int, text string) {
	s.reply(mustEncode(refuse(id, code, text)))
}

// refuseAll answers each request of a batch, or the message if it has none that can be told.
func (s *session) refuseAll(ids []mcp.RequestId, refusal *mcp.JSONRPCError) {
	if len(ids) == 0 {
		s.reply(mustEncode(refusal))
	}
	for _, id := range ids {
		s.refuse(id, refusal.Error.Code, refusal.Error.Message)
	}
}

// handle decides what one message is and sees to the message.
func (s *session) handle(from Message) {
	if from.TooLong || len(from.Text) > MaxMessageBytes {
		if !from.TooLong {
			from.First, from.Last = from.Text[:EndBytes], from.Text[len(from.Text)-EndBytes:]
		}
		id := idOfEnds(from.First, from.Last)
		s.log.Warn("message refused", "id", id, "reason", "too long")
		s.refuse(id, mcp.INVALID_REQUEST, fmt.Sprintf("the message is longer than %d bytes and was not read", MaxMessageBytes))
		return
	}
	m, refusal := parse(from.Text)
	if refusal != nil {
		s.log.Warn("message refused", "id", refusal.ID, "reason", refusal.Error.Message)
		s.refuseAll(batchIDs(from.Text), refusal)
		return
	}
	if m.response {
		return
	}
	s.log.Debug("message received", "id", m.id, "method", m.method)
	switch {
	case m.id.IsNil() && m.method == string(mcp.MethodNotificationCancelled):
		// mcp-go does not get this message, because mcp-go takes "1" and 1 for one id.
		s.cancel(m)
	case m.id.IsNil():
		s.run(s.handlers, m)
		// What mcp-go answers to a notification of another JSON-RPC version is not sent.
	case isCall(m.method):
		s.queue = append(s.queue, s.accept(s.handlers, m))
	case m.method == string(mcp.MethodSubscriptionsListen):
		s.listen(m)
	default:
		s.reply(s.run(s.handlers, m))
	}
}

// isCall reports whether a request has its place in the order of calls: the request is a call, or
// reads what calls write.
func isCall(method string) bool {
	switch mcp.MCPMethod(method) {
	case mcp.MethodToolsCall, mcp.MethodResourcesRead, mcp.MethodResourcesList,
		mcp.MethodResourcesSubscribe, mcp.MethodResourcesUnsubscribe, mcp.MethodCompletionComplete:
		return true
	}
	return false
}
