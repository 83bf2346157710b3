// Package stdio is the MCP stdio transport: one JSON-RPC message a line, messages of the client on one
// stream, messages of the server on the other. Package calls does the rest.
//
// mcp-go's own ServeStdio loses the answers of requests that were read shortly before the end of input,
// and answers cancelled calls. It runs two writes sent together in either order, and lets a ping wait
// behind calls. Package calls does not, and so this package stands in for ServeStdio.
//
// # Framing
//
// A line may end with \n or \r\n, and the last line may have no end. Blank lines are left out. The first
// line may begin with a byte order mark. A line over calls.MaxMessageBytes is refused and skipped without
// being held. A message is written with one Write.
//
// # Life
//
// [Serve] ends when the input ends, when its context is done (a signal) or when writing fails. One
// goroutine cuts the lines and one writes them. Serve does not wait for either, because nothing can
// interrupt a blocked Read or Write.
//
// A client that is slow to read is waited for while the session can still read from the client. When the
// session can read no more, because the input has ended or too much is in flight, a client that takes
// nothing for two to three seconds is given up. After the end of its context Serve gives up a client
// that has not taken everything by then, see endTime.
//
// TestGuaranteesOverPipes, TestLongLineOverPipes and TestClientGoesAway run over pipes of the system.
// The other tests here run in simulated time, where a goroutine left behind fails the test.
package stdio
