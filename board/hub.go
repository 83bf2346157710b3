package board

import (
	"context"
	"encoding/hex"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// maxKept and maxKeptBytes bound the messages that a page may have missed without reading anew: those of
	// some minutes of work.
	maxKept      = 256
	maxKeptBytes = 1 << 20
	// maxBehind is how many messages a stream may be behind. Browsers read within milliseconds; one that is
	// that far behind stands still, and reads anew when it goes on.
	maxBehind = 32
	// maxStreams bounds the streams: a browser needs one, and each takes a connection and a buffer.
	maxStreams = 200
	// interest is how long the reader goes on after the last stream has ended: pages load, and browsers
	// connect again.
	interest = time.Minute
)

// message is what the pages are told at one moment.
type message struct {
	n    uint64
	data []byte // JSON
}

// stream is one browser that follows.
type stream struct {
	messages chan message // closed when the stream is cut
}

// hub gives the messages of the reader to the streams.
type hub struct {
	random io.Reader

	mu      sync.Mutex // guards all below
	run     string     // names the run of messages; another one after each sleep
	last    uint64     // number of the last message
	kept    []message
	bytes   int // of kept
	streams map[*stream]bool
	touched time.Time     // when somebody was interested last
	awake   bool          // the reader follows
	woken   chan struct{} // closed when awake becomes true
	wanted  chan struct{} // has an element when the reader is to wake up
	closed  chan struct{}
	shut    bool
}

func newHub(random io.Reader) *hub {
	return &hub{random: random, streams: map[*stream]bool{}, woken: make(chan struct{}), wanted: make(chan struct{}, 1), closed: make(chan struct{})}
}

// mark says where a page stands among the messages. It wakes the reader and waits for it, so that a page
// that is read afterwards misses nothing.
func (h *hub) mark(ctx context.Context, now time.Time) string {
	h.mu.Lock()
	h.touched = now
	awake, woken := h.awake, h.woken
	h.mu.Unlock()
	if !awake {
		select {
		case h.wanted <- struct{}{}:
		default:
		}
		select {
		case <-woken:
		case <-ctx.Done():
		case <-h.closed:
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.markOf(h.last)
}

// markOf returns the mark behind a message. The caller holds mu.
func (h *hub) markOf(n uint64) string { return h.run + "-" + strconv.FormatUint(n, 10) }

// wake begins a new run: what came before is not known.
func (h *hub) wake() {
	name := make([]byte, 6)
	_, _ = io.ReadFull(h.random, name) // a run without a name of its own is one that no page knows
	h.mu.Lock()
	defer h.mu.Unlock()
	h.run, h.kept, h.bytes = hex.EncodeToString(name), nil, 0
	h.awake = true
	close(h.woken)
}

// sleeps ends the run if nobody has been interested for a while, and reports whether it did.
func (h *hub) sleeps(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.streams) > 0 {
		h.touched = now
	}
	if now.Sub(h.touched) < interest {
		return false
	}
	h.awake = false
	h.woken = make(chan struct{})
	return true
}

// next returns the number of the next message.
func (h *hub) next() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last + 1
}

// publish gives a message to all streams. It never waits: a stream without room is cut.
func (h *hub) publish(data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	m := message{h.last, data}
	h.kept = append(h.kept, m)
	h.bytes += len(data)
	for len(h.kept) > maxKept || h.bytes > maxKeptBytes && len(h.kept) > 1 {
		h.bytes -= len(h.kept[0].data)
		h.kept = h.kept[1:]
	}
	for s := range h.streams {
		select {
		case s.messages <- m:
		default:
			h.drop(s)
		}
	}
}

// drop ends a stream. The caller holds mu.
func (h *hub) drop(s *stream) {
	if h.streams[s] {
		delete(h.streams, s)
		close(s.messages)
	}
}

// missed returns the messages behind a mark. It is not ok if they are not known, so that the page must be
// read anew.
func (h *hub) missed(since string) (messages []message, mark string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.missedLocked(since)
}

func (h *hub) missedLocked(since string) (messages []message, mark string, ok bool) {
	mark = h.markOf(h.last)
	run, number, _ := strings.Cut(since, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || run != h.run || !h.awake || n > h.last {
		return nil, mark, false
	}
	first := h.last + 1 - uint64(len(h.kept))
	if n+1 < first {
		return nil, mark, false
	}
	return append(messages, h.kept[n+1-first:]...), mark, true
}

// follow opens a stream behind a mark. It returns nil if there are too many streams.
func (h *hub) follow(since string, now time.Time) (s *stream, missed []message, mark string, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.touched = now
	if len(h.streams) >= maxStreams || h.shut {
		return nil, nil, "", false
	}
	missed, mark, ok = h.missedLocked(since)
	s = &stream{messages: make(chan message, maxBehind)}
	h.streams[s] = true
	return s, missed, mark, ok
}

// leave ends a stream.
func (h *hub) leave(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(s)
}

// close ends all streams for good.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		return
	}
	h.shut = true
	close(h.closed)
	for s := range h.streams {
		h.drop(s)
	}
}
