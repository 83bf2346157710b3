package stdio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools/calls"
)

const (
	// endTime is how long Serve goes on writing after its context is done. Calls have returned by then,
	// unless their handlers ignore their contexts.
	endTime = 2750 * time.Millisecond

	// A client that takes nothing for stalledLooks times lookTime does not read, if the session cannot
	// read from the client either.
	lookTime     = 500 * time.Millisecond
	stalledLooks = 5
)

// errNotReading ends a session whose client does not read what it is sent.
var errNotReading = errors.New("the client does not read its answers")

// pipe is the two streams of one session.
type pipe struct {
	out   io.Writer
	lines chan []byte // to the goroutine that writes
	wrote chan error  // from it, after each line; buffered, so that a late result blocks nobody
	// blocked is odd while the reader reads nothing, because the session does not take what it has read
	// or because the input has ended. Each change adds one.
	blocked atomic.Int64
	late    <-chan struct{} // closed when endTime has passed since the end of Serve's context
}

// Serve serves srv over in and out until the input ends, ctx is done or writing fails. Serve returns
// nil at the end of input and when ctx is done, and otherwise the error of the failed read or write.
func Serve(ctx context.Context, srv *server.MCPServer, in io.Reader, out io.Writer, log *slog.Logger) error {
	life, end := calls.Outlive(ctx, endTime)
	defer end()
	p := &pipe{out: out, lines: make(chan []byte), wrote: make(chan error, 1), late: life.Done()}
	messages, done := make(chan calls.Message), make(chan struct{})
	defer close(done)
	// Serve waits for neither goroutine, since nothing can interrupt a blocked Read or Write.
	go p.readLines(in, messages, done)
	go p.writeLines()
	defer close(p.lines)
	return calls.Serve(ctx, srv, messages, p.send, log)
}

// writeLines writes each line with one Write.
func (p *pipe) writeLines() {
	for line := range p.lines {
		_, err := p.out.Write(line)
		p.wrote <- err
	}
}

// send writes a message as one line. A client that is slow is waited for as long as the session can read
// from the client. When the session cannot read either, the client is given up if it takes nothing for a
// while. After an error send must not be called again.
func (p *pipe) send(message []byte) error {
	p.lines <- append(message, '\n')
	ticker := time.NewTicker(lookTime)
	defer ticker.Stop()
	stalled, seen := 0, int64(0)
	for {
		select {
		case err := <-p.wrote:
			return err
		case <-p.late:
			return errNotReading
		case <-ticker.C:
			now := p.blocked.Load()
			if now%2 == 0 || now != seen {
				stalled = 0
			}
			seen = now
			if now%2 == 1 {
				stalled++
			}
			if stalled == stalledLooks {
				return errNotReading
			}
		}
	}
}
