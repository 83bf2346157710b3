package calls

import "sync"

// inFlight counts the bytes that the session holds for its client: messages that are not answered, and
// answers that are not written.
type inFlight struct {
	freed chan struct{} // holds one element after bytes has become less

	mu    sync.Mutex
	bytes int // guarded by mu
}

func newInFlight() *inFlight {
	return &inFlight{freed: make(chan struct{}, 1)}
}

// add counts a message or an answer.
func (f *inFlight) add(text []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bytes += len(text) + overhead
}

// remove counts the message or answer no more.
func (f *inFlight) remove(text []byte) {
	f.mu.Lock()
	f.bytes -= len(text) + overhead
	f.mu.Unlock()
	select {
	case f.freed <- struct{}{}:
	default:
	}
}

// full reports whether the next message may be too much.
func (f *inFlight) full() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The transport holds one message that nobody has taken, and may read one more meanwhile.
	return f.bytes > maxBytesInFlight-2*MaxMessageBytes
}
