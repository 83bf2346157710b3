package calls

import "time"

// MaxMessageBytes bounds one message. A longer message is refused and skipped. The longest sensible
// message is a tool call with a long text. 16 MiB leaves more than two orders of magnitude above that.
const MaxMessageBytes = 16 << 20

// MaxMessageValues bounds the values in one message: what stands in its lists, and the members of its
// objects. A decoded value takes up to 150 bytes of memory and 2 bytes of a message, so the bytes alone
// bound little. The call with the most values, a write with 64 dependencies, has some 100. With this
// bound 64 running calls and 256 waiting ones hold 50 MB of decoded values.
const MaxMessageValues = 1024

const (
	// maxBytesInFlight bounds the messages that are not answered and the answers that are not written,
	// together with the messages that the transport holds. No message is taken while the next one
	// could pass the bound. Hosts have a handful of calls under way and batch scripts a few hundred.
	maxBytesInFlight = 64 << 20

	// overhead is what a message or an answer counts beside its bytes: for a call, its context and its
	// places in tables.
	overhead = 1 << 10

	// maxLastingBytes bounds the message of a stream and of a call that waits. Such requests last as
	// long as the client wants, and must not use up maxBytesInFlight meanwhile: 16 streams and 256
	// calls take 17 MiB.
	maxLastingBytes = 64 << 10

	// maxRunningCalls bounds the calls that go on side by side. Package replica commits as many
	// together, so more would only wait elsewhere.
	maxRunningCalls = 64

	// maxWaitingCalls bounds the calls that wait for something, beside the running calls. Each takes
	// a goroutine and its arguments. An agent waits once, an orchestrator for each of its agents.
	maxWaitingCalls = 256

	// maxStreams bounds the streams open at once. Each takes a goroutine. A host needs one.
	maxStreams = 16

	// maxErrorText bounds the text of an error, which a model reads and which may hold what the client
	// sent.
	maxErrorText = 2 << 10

	// maxNotifications bounds the notifications that wait for the writer. mcp-go drops what does not
	// fit and tells the sender so.
	maxNotifications = 256

	// drainTime is how long calls may go on after the end of the context of Serve. Calls that wait for
	// nothing but the disk take less, and hosts and supervisors wait longer between SIGTERM and
	// SIGKILL.
	drainTime = 2 * time.Second
)
