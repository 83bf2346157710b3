package calls

import (
	"bytes"
	"encoding/json"
	"log/slog"

	"github.com/mark3labs/mcp-go/mcp"
)

// writer hands messages to the transport, one at a time. A notification that a handler has sent is
// written before that handler's answer.
type writer struct {
	send   func(message []byte) error
	peer   *peer
	log    *slog.Logger
	onFail func()

	replies chan reply
	failed  chan struct{} // closed when send has failed
	err     error         // the error of send, to be read when run has returned
}

// reply is one answer on its way to the client.
type reply struct {
	message []byte
	written chan struct{} // closed when the message is written
}

func newReply(message []byte) reply { return reply{message, make(chan struct{})} }

// newWriter returns a writer that calls onFail when send fails.
func newWriter(send func([]byte) error, p *peer, log *slog.Logger, onFail func()) *writer {
	return &writer{send: send, peer: p, log: log, onFail: onFail, replies: make(chan reply), failed: make(chan struct{})}
}

// reply writes one answer, or drops it when writing has failed. reply returns when the answer is
// written, so that nothing that happens later can be written before it.
func (w *writer) reply(message []byte) {
	r := newReply(message)
	select {
	case w.replies <- r:
	case <-w.failed:
		return
	}
	select {
	case <-r.written:
	case <-w.failed:
	}
}

// run writes until replies is closed or writing fails.
func (w *writer) run() {
	for w.err == nil {
		select {
		case n := <-w.peer.notifications:
			w.notify(n)
		case r, ok := <-w.replies:
			// A notification that was sent before the reply is written before it. Nobody else
			// receives, so as many as are queued can be received without blocking.
			for range len(w.peer.notifications) {
				w.notify(<-w.peer.notifications)
			}
			if !ok {
				return
			}
			w.put(r.message)
			close(r.written)
		}
	}
}

func (w *writer) notify(n mcp.JSONRPCNotification) {
	for _, n := range w.peer.addressed(n) {
		b, err := encode(n)
		if err != nil {
			w.log.Error("notification cannot be encoded", "method", n.Method, "err", err)
			continue
		}
		w.put(b)
	}
}

func (w *writer) put(message []byte) {
	if w.err != nil {
		return
	}
	if w.err = w.send(message); w.err != nil {
		w.onFail()
		close(w.failed)
	}
}

// encode returns v as compact JSON, which holds no raw newline.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// mustEncode encodes an error of this package. An id and a text can always be encoded.
func mustEncode(e *mcp.JSONRPCError) []byte {
	b, err := encode(e)
	if err != nil {
		panic(err)
	}
	return b
}
