package stdio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// errCancelled is the cause of a context that ended because the client sent
// notifications/cancelled. It tells such a request, which is not answered, from
// one that the end of the drain cut short.
var errCancelled = errors.New("cancelled by the client")

// request is a call or a stream: a request that can be cancelled.
type request struct {
	message
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// conn is the state of one Serve.
type conn struct {
	srv     *server.MCPServer
	log     *slog.Logger
	session *session

	// Set once by Serve.
	handlers  context.Context // of calls and of what the loop answers itself
	listening context.Context // of streams; ends when all calls are answered
	out       io.Writer       // the writer's
	replies   chan []byte     // whole lines, from everybody to the writer, see write
	written   chan struct{}   // from the writer, after each reply
	failed    chan struct{}   // closed by the writer when writing fails

	queue    queue // the loop's
	calls    *calls
	writeErr error // the writer's; the first error, for Serve to read when the writer is done

	streams     sync.WaitGroup
	streamSlots chan struct{} // holds one element for each open stream

	mu   sync.Mutex
	open map[*request]struct{} // guarded by mu: the calls and streams accepted and not finished
}

// Serve serves srv over in and out until the input ends, ctx is done or writing
// fails. The package comment says what the client can rely on. It returns nil at
// the end of input and when ctx is done, and otherwise the error of the failed
// read or write.
func Serve(ctx context.Context, srv *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger) error {
	s := newSession()
	// Handlers keep the values of ctx but not its end: what was accepted finishes.
	handlers, cancelHandlers := context.WithCancel(srv.WithContext(context.WithoutCancel(ctx), s))
	defer cancelHandlers()
	listening, endStreams := context.WithCancel(handlers)
	defer endStreams()
	c := &conn{
		srv:         srv,
		log:         log,
		session:     s,
		streamSlots: make(chan struct{}, maxStreams),
		handlers:    handlers,
		listening:   listening,
		calls:       newCalls(),
		replies:     make(chan []byte),
		written:     make(chan struct{}),
		out:         out,
		failed:      make(chan struct{}),
		open:        make(map[*request]struct{}),
	}
	if err := srv.RegisterSession(handlers, s); err != nil {
		return fmt.Errorf("register session %s: %w", s.id, err)
	}
	log.Info("session started", "session", s.id)

	var writer, drain sync.WaitGroup
	writer.Go(func() { c.runWriter(cancelHandlers) })
	drained := make(chan struct{})
	drain.Go(func() { limitDrain(ctx, drained, cancelHandlers) })

	lines, stopReading := make(chan line), make(chan struct{})
	go readLines(in, lines, stopReading) // see there why nobody waits for it
	readErr := c.loop(ctx, lines)
	close(stopReading)

	// Each step ends what the next one relies on.
	c.calls.wait()
	endStreams()
	c.streams.Wait()
	srv.UnregisterSession(handlers, s.id)
	close(c.replies)
	writer.Wait()
	close(drained)
	drain.Wait()

	log.Info("session ended", "session", s.id)
	if c.writeErr != nil {
		return fmt.Errorf("write message: %w", c.writeErr)
	}
	return readErr
}

// loop reads lines and starts calls, in order, the next one when the last has
// handed over or is done, until there is nothing left to do of either. It returns
// the error of reading.
func (c *conn) loop(ctx context.Context, lines <-chan line) (readErr error) {
	stop := ctx.Done()
	for mayStart := false; lines != nil || len(c.queue.calls) > 0; {
		// A nil channel is never ready: no reading while the queue is full, no
		// starting while it is empty.
		input := lines
		if c.queue.full() {
			input = nil
		}
		var turn <-chan struct{}
		var place chan<- struct{}
		switch {
		case len(c.queue.calls) == 0:
		case mayStart:
			place = c.calls.running
		default:
			turn = c.calls.last
		}

		select {
		case l, ok := <-input:
			switch {
			case !ok:
				lines = nil
			case l.err != nil:
				readErr = l.err
			default:
				c.handle(l)
			}
		case <-turn:
			mayStart = true
		case place <- struct{}{}:
			mayStart = false
			c.start(c.queue.pop())
		case <-stop:
			lines, stop = nil, nil
		case <-c.failed:
			return readErr // nobody is left to answer
		}
	}
	return readErr
}

// start runs a call, which has its place in calls.
func (c *conn) start(r *request) {
	c.calls.start(func(one *call) {
		if r.ctx.Err() != nil && !cancelled(r) {
			c.finish(r)
			c.write(mustEncode(refuse(r.id, codeShuttingDown, "the server is shutting down and did not run this call")))
			return
		}
		c.answer(context.WithValue(r.ctx, callKey{}, one), r)
	})
}

// handle decides what one line is and sees to it.
func (c *conn) handle(l line) {
	if l.tooLong {
		c.log.Warn("message refused", "reason", "too long")
		c.write(mustEncode(refuse(mcp.RequestId{}, mcp.INVALID_REQUEST,
			fmt.Sprintf("the message is longer than %d bytes and was not read", MaxMessageBytes))))
		return
	}
	m, refusal := parse(l.text)
	if refusal != nil {
		c.log.Warn("message refused", "id", refusal.ID, "reason", refusal.Error.Message)
		c.write(mustEncode(refusal))
		return
	}
	if m.response {
		return
	}
	c.log.Debug("message received", "id", m.id, "method", m.method)
	switch {
	case m.id.IsNil() && m.method == string(mcp.MethodNotificationCancelled):
		// Not passed on to mcp-go, which takes "1" and 1 for one id.
		c.cancel(m)
	case m.id.IsNil():
		c.run(c.handlers, m)
		// What it answers to a notification of another JSON-RPC version is not sent.
	case isCall(m.method):
		c.queue.push(c.accept(c.handlers, m))
	case m.method == string(mcp.MethodSubscriptionsListen):
		c.listen(m)
	default:
		c.write(c.run(c.handlers, m))
	}
}

// isCall reports whether a request has its place in the order of calls: it is one,
// or reads what calls write.
func isCall(method string) bool {
	switch mcp.MCPMethod(method) {
	case mcp.MethodToolsCall, mcp.MethodResourcesRead, mcp.MethodResourcesList,
		mcp.MethodResourcesSubscribe, mcp.MethodResourcesUnsubscribe, mcp.MethodCompletionComplete:
		return true
	}
	return false
}

// accept makes m a request that can be cancelled until it is finished.
func (c *conn) accept(parent context.Context, m message) *request {
	r := &request{message: m}
	r.ctx, r.cancel = context.WithCancelCause(parent)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[r] = struct{}{}
	return r
}

func (c *conn) finish(r *request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, r)
	r.cancel(nil)
}

// cancel ends what notifications/cancelled names: every open request with that
// id, should a client use one twice. Ids that are unknown, answered already or
// malformed are ignored, as the specification asks. Initialize is never found:
// it is answered before the next line is read.
func (c *conn) cancel(m message) {
	id, ok := cancelledID(m)
	if !ok {
		return
	}
	for _, r := range c.queue.remove(id) {
		c.finish(r)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := range c.open {
		if r.id == id {
			r.cancel(errCancelled)
		}
	}
}

// listen serves a stream on a goroutine of its own.
func (c *conn) listen(m message) {
	select {
	case c.streamSlots <- struct{}{}:
	default:
		c.write(mustEncode(refuse(m.id, codeTooManyStreams,
			fmt.Sprintf("%d subscriptions are open already; cancel one first", maxStreams))))
		return
	}
	st := &stream{session: c.session, id: m.id}
	r := c.accept(c.srv.WithContext(c.listening, st), m)
	c.streams.Go(func() {
		c.answer(r.ctx, r)
		<-c.streamSlots
	})
}

// answer runs r under ctx, which is its own or made of it, and writes its answer,
// unless the client cancelled it before or meanwhile.
func (c *conn) answer(ctx context.Context, r *request) {
	defer c.finish(r)
	if cancelled(r) {
		return
	}
	if reply := c.run(ctx, r.message); !cancelled(r) {
		c.write(reply)
	}
}

func cancelled(r *request) bool {
	return errors.Is(context.Cause(r.ctx), errCancelled)
}

// run hands m to the server and returns the line to answer with, which means
// nothing if m is a notification.
func (c *conn) run(ctx context.Context, m message) (reply []byte) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("handler panicked", "id", m.id, "method", m.method, "panic", p, "stack", string(debug.Stack()))
			reply = internalError(m.id)
		}
	}()
	var failed failure
	answer := c.srv.HandleMessage(context.WithValue(ctx, failureKey{}, &failed), m.raw)
	if m.id.IsNil() {
		return nil
	}
	reply, err := encode(withID(failed.in(answer), m.id))
	if err != nil {
		c.log.Error("answer cannot be encoded", "id", m.id, "method", m.method, "err", err)
		return internalError(m.id)
	}
	return reply
}

// failure is what a handler wants its error to be.
type failure struct {
	mu   sync.Mutex
	code int    // 0: mcp-go's
	text string // "": mcp-go's
}

// failureKey is the key of a request's context under which its failure is found.
type failureKey struct{}

// FailWith says with which JSON-RPC code the error is answered that the handler of
// ctx returns. mcp-go answers -32603 to whatever a handler of a resource or a prompt
// returns.
func FailWith(ctx context.Context, code int) {
	if f, ok := ctx.Value(failureKey{}).(*failure); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.code = code
	}
}

// FailSaying says with which text an error is answered: mcp-go's own say what its
// code found, not what the client can do.
func FailSaying(ctx context.Context, text string) {
	if f, ok := ctx.Value(failureKey{}).(*failure); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.text = text
	}
}

// in puts the code and the text into an answer that is an error. What the client sent
// may stand in it, so it is cut, and leaves out what cannot be seen.
func (f *failure) in(answer mcp.JSONRPCMessage) mcp.JSONRPCMessage {
	refusal, isError := answer.(mcp.JSONRPCError)
	if !isError {
		return answer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.code != 0 {
		refusal.Error.Code = f.code
	}
	if f.text != "" {
		refusal.Error.Message = f.text
	}
	refusal.Error.Message = printable(refusal.Error.Message)
	return refusal
}

// printable returns text without what cannot be seen, and its middle if it is longer
// than maxErrorText.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, text)
	if len(text) > maxErrorText {
		const half = maxErrorText / 2
		text = strings.ToValidUTF8(text[:half], "") + " ... " + strings.ToValidUTF8(text[len(text)-half:], "")
	}
	return text
}

// internalError says no more than that: what went wrong is in the log.
func internalError(id mcp.RequestId) []byte {
	return mustEncode(refuse(id, mcp.INTERNAL_ERROR, "internal error; the server's log has the details"))
}

// write hands one reply to the writer and waits until it is written, so that
// nothing that happens later can be written before it.
func (c *conn) write(reply []byte) {
	c.replies <- reply
	<-c.written // the writer serves one reply at a time: this is about ours
}

// runWriter owns out and writes each message with one Write. It runs until
// replies is closed, also after writing failed, so that nobody waits for it in
// vain; onFail is called at the first failure.
func (c *conn) runWriter(onFail func()) {
	put := func(b []byte) {
		if c.writeErr != nil {
			return
		}
		if _, err := c.out.Write(b); err != nil {
			c.writeErr = err
			onFail()
			close(c.failed)
		}
	}
	notify := func(n mcp.JSONRPCNotification) {
		for _, n := range c.session.addressed(n) {
			b, err := encode(n)
			if err != nil {
				c.log.Error("notification cannot be encoded", "method", n.Method, "err", err)
				continue
			}
			put(b)
		}
	}
	for {
		select {
		case n := <-c.session.notifications:
			notify(n)
		case b, ok := <-c.replies:
			// What was sent before the reply is written before it. Nobody else
			// receives, so as many as are queued can be received without blocking.
			for range len(c.session.notifications) {
				notify(<-c.session.notifications)
			}
			if !ok {
				return
			}
			put(b)
			c.written <- struct{}{}
		}
	}
}

// limitDrain calls cancel when drainTime has passed since the end of ctx, unless
// drained is closed first.
func limitDrain(ctx context.Context, drained <-chan struct{}, cancel func()) {
	select {
	case <-ctx.Done():
	case <-drained:
		return
	}
	timer := time.NewTimer(drainTime)
	defer timer.Stop()
	select {
	case <-timer.C:
		cancel()
	case <-drained:
	}
}
