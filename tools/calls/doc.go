// Package calls serves an mcp-go server to one client, whatever the transport. A transport cuts what the
// client sends into messages and writes what the session answers. Everything else stands here: the order
// of calls, waiting, cancelling, bounds, failures, and the session as mcp-go sees it.
//
// # Nouns
//
// A session is one connection of one client, from the start of [Serve] to its end. A message is one
// JSON-RPC 2.0 object. A request is a message with a method and an id, and is owed exactly one answer. A
// notification is a message with a method and no id, and is never answered. A call is a tools/call
// request, or a request that reads what calls write: of resources or of completions. A stream is a
// subscriptions/listen request (2026-07-28), which is under way until one side ends it.
//
// # Guarantees
//
//   - Every request that is read is answered before Serve returns, unless the client cancelled the
//     request or can no longer be written to.
//   - Calls start in the order in which they came. A call starts when the call before is done or its
//     handler has said that it has its place in the order ([HandOver]). So calls take effect in their
//     order although they go on side by side. Their answers come as they are ready. Streams run on
//     their own. Every other request runs before the next message is taken, and its answer is written
//     before a later call starts. So a ping does not wait for calls, and the answer to initialize
//     precedes all that the calls after it send.
//   - A call that waits for something ([Wait]) takes no other call's place. When the session ends, a
//     waiting call ends as soon as no call is left that does not wait.
//   - A notification that a handler sends is written before that handler's answer, as progress
//     notifications require.
//   - A cancelled call is not answered. The context of a call that is under way ends. A call that has
//     not started never starts.
//   - Memory is bounded, see limits.go. No message is taken while too many bytes are in flight, so a
//     ping or a cancellation that is sent then waits until a call ends. The end of the context is still
//     noticed. A client that does not read its answers does not keep the session from reading on, as
//     far as there is room.
//   - A handler that panics costs its own answer, and not the server.
//
// [github.com/huskies/huskies-mcp/tools/calls/callstest.Guarantees] tries what a client can see of them.
// The tests of each transport call it. Signals, protocol versions, stray output and subscriptions are
// tried on the built command (TestSignalsDrain, TestProtocolVersions, stray_output.txtar,
// TestSubscribeToResources, TestListenToResources). The tests of this package run in simulated time,
// where a goroutine left behind fails the test.
//
// # Life
//
// Serve ends when the input ends, when its context is done (a signal) or when sending fails. Serve then
// takes no more messages, finishes the calls that it has taken, ends the streams, writes the
// notifications that are still queued, and returns. At the end of input calls may take as long as they
// need, except calls that wait. The contexts of all calls end when drainTime has passed since the end of
// the context of Serve. When sending has failed, the contexts of all calls end at once and the rest is
// dropped, since nobody is left to answer.
//
// Serve always waits for handlers to return and for send to return. Only the end of the process helps
// against a handler that ignores its context. A transport must let send fail when the client can no
// longer be waited for.
//
// # Concurrency
//
// Three parties are joined by unbuffered channels:
//
//	in → loop → calls → writer → send
//	       └─── streams ──┘
//
// The loop, in the goroutine of Serve, owns the queue, decides what each message is and starts the calls,
// each on a goroutine of its own. The writer alone calls send. Serve waits for all of them. Several
// Serves may share one server.
//
// # Eras
//
// A client that made the initialize handshake gets every notification that the server broadcasts, and
// updates of the resources that the client subscribed to. A client of the 2026-07-28 era gets only the
// notifications that the client opened a stream for, each marked with the id of that stream. Sampling,
// elicitation, roots and logging levels are not offered.
package calls
