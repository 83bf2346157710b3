package stdio

import "time"

// MaxMessageBytes bounds one line, its line ending not counted. A longer line is
// refused and skipped. The longest sensible message is a tool call that carries
// a long text; 16 MiB leaves more than two orders of magnitude above that.
const MaxMessageBytes = 16 << 20

const (
	// maxQueuedCalls bounds the calls that wait to be started. Hosts have a
	// handful of calls under way and batch scripts a few hundred.
	maxQueuedCalls = 1024

	// maxQueuedBytes bounds the lines of those calls together: without it a full
	// queue of the longest lines would take 16 GiB. The call that reaches it is the
	// last one in.
	maxQueuedBytes = 64 << 20

	// maxRunningCalls bounds the calls that go on side by side: as many as package
	// replica commits together. More would only wait elsewhere.
	maxRunningCalls = 64

	// maxWaitingCalls bounds the calls that wait for something, beside those: each
	// takes a goroutine and its arguments. An agent waits once, an orchestrator for
	// each of its agents.
	maxWaitingCalls = 256

	// maxStreams bounds the streams open at once, each of which holds a
	// goroutine. A host needs one.
	maxStreams = 16

	// maxErrorText bounds the text of an error, which may have in it what the client
	// sent: a model reads it.
	maxErrorText = 2 << 10

	// maxNotifications bounds the notifications that wait for the writer. mcp-go
	// drops what does not fit and tells the sender so.
	maxNotifications = 256

	// drainTime is how long calls may go on after ctx is done: longer than all
	// calls take that wait for nothing but the disk, and shorter than hosts and
	// supervisors wait between SIGTERM and SIGKILL.
	drainTime = 3 * time.Second
)
