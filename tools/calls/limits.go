package calls

import "time"

// MaxMessageBytes bounds one message. A longer message is refused and skipped. The longest sensible
// message is a tool call with a long text. 16 MiB leaves more than two orders of magnitude above that.
const MaxMessageBytes = 16 << 20

const (
	// maxQueuedCalls bounds the calls that wait to be started. Hosts have a
	// handful of calls under way and batch scripts a few hundred.
	maxQueuedCalls = 1024

	// maxQueuedBytes bounds the messages of those calls together. The call that reaches the bound is
	// the last one in.
	maxQueuedBytes = 64 << 20

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
	drainTime = 3 * time.Second
)
