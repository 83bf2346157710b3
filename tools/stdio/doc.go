// Package stdio serves an mcp-go server over the MCP stdio transport: one
// JSON-RPC 2.0 message a line, requests on one stream, answers on the other.
//
// It stands in for mcp-go's own ServeStdio, which loses the answers of requests
// that were read shortly before the end of input, answers cancelled calls, runs
// two writes sent together in either order and lets a ping wait behind calls.
//
// # Nouns
//
// A message is one line. A request is a message with a method and an id and is
// owed exactly one answer. A notification is a message with a method and no id
// and is never answered. A call is a tools/call request, or one that reads what
// calls write: of resources or of completions. A stream is a
// subscriptions/listen request (2026-07-28): it is under way until one side
// ends it.
//
// # Guarantees
//
//   - Every request read is answered before Serve returns, unless the client
//     cancelled it or can no longer be written to. That includes a last line
//     without a newline.
//   - Calls start in the order they came, the next one when the last is done or
//     its handler has said that it has its place in the order ([HandOver]), so
//     that what they do takes effect in that order although they go on side by
//     side. Their answers come as they are ready. Streams run on their own.
//     Every other request is answered before the next line is read, so a ping
//     does not wait for calls and the answer to initialize precedes the answer
//     to any call after it.
//   - A call that waits for something ([Wait]) takes no other's place, and when the
//     session ends it ends as soon as no call is left that does not wait.
//   - A notification that a handler sends is written before that handler's
//     answer, as progress notifications require.
//   - A cancelled call is not answered. If it was under way its context ends; if
//     it was still queued it never runs.
//   - Memory is bounded, see limits.go. While the queue is full nothing is read,
//     so a ping or a cancellation sent after it waits until a call ends; an end
//     of the context is still noticed.
//   - A handler that panics costs its own answer, not the server.
//
// TestGuaranteesOverPipes, TestLongLineOverPipes and TestClientGoesAway try each
// over real pipes; signals, protocol versions, stray output and subscriptions are
// tried on the built command (TestSignalsDrain, TestProtocolVersions,
// stray_output.txtar, TestSubscribeToResources, TestListenToResources). The other
// tests here run in simulated time, where a goroutine left behind fails the test.
//
// # Life
//
// Serve ends when the input ends, when ctx is done (a signal) or when writing
// fails. It then stops reading, finishes what it has read, ends the streams,
// writes the notifications still queued and returns. At the end of input it
// waits for calls as long as they take, but for those that wait ([Wait]); after ctx is done it cancels their
// contexts when drainTime has passed. When writing has failed it cancels what
// runs and drops the rest, since nobody is left to answer.
//
// It always waits for handlers to return and for writes to end: against a
// handler that ignores its context, or a client that keeps its end open and does
// not read, only the end of the process helps.
//
// # Concurrency
//
// Four parties, joined by unbuffered channels:
//
//	in → reader → loop → calls → writer → out
//	                └─── streams ──┘
//
// The reader cuts lines. The loop, in Serve's own goroutine, owns the queue,
// decides what each line is and starts the calls, each on a goroutine of its own.
// The writer owns out. Serve waits for all of them except the reader, which nothing
// can interrupt while it is blocked in Read. Several Serves may share one server;
// each is a session.
//
// # Sessions
//
// A client that made the initialize handshake gets every notification the
// server broadcasts, and updates of the resources that it subscribed to. A client
// of the 2026-07-28 era gets only the notifications that it opened a stream for,
// each marked with the id of that stream. Sampling, elicitation, roots and logging
// levels are not offered.
package stdio
