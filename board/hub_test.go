package board

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestSlowStream: a stream that does not read is cut, and neither the reader nor others wait for it.
func TestSlowStream(t *testing.T) {
	h := newHub(rand.Reader)
	h.wake()
	now := time.Now()
	slow, _, mark, _ := h.follow("", now)
	quick, _, _, _ := h.follow("", now)
	for i := range maxBehind + 1 {
		h.publish(fmt.Appendf(nil, "%d", i))
		if m, open := <-quick.messages; !open || string(m.data) != fmt.Sprint(i) {
			t.Fatalf("the stream that reads got %q, %t", m.data, open)
		}
	}
	n := 0
	for range slow.messages {
		n++
	}
	if n != maxBehind {
		t.Errorf("the slow stream had %d messages, want %d", n, maxBehind)
	}
	h.leave(slow) // as its request does when it ends
	if missed, _, ok := h.missed(mark); !ok || len(missed) != maxBehind+1 {
		t.Errorf("it can have %d messages (%t) when it comes again", len(missed), ok)
	}
}

// TestKept: what is kept for those who come again is bounded in number and in bytes.
func TestKept(t *testing.T) {
	h := newHub(rand.Reader)
	h.wake()
	start := h.markOf(0)
	for range maxKept {
		h.publish([]byte("x"))
	}
	if missed, _, ok := h.missed(start); !ok || len(missed) != maxKept {
		t.Errorf("got %d, %t", len(missed), ok)
	}
	h.publish([]byte("x"))
	if _, _, ok := h.missed(start); ok {
		t.Error("more is told than is kept")
	}
	h.publish([]byte(strings.Repeat("x", maxKeptBytes)))
	if len(h.kept) != 1 {
		t.Errorf("%d messages of %d bytes are kept", len(h.kept), h.bytes)
	}
}

// TestSleep: the reader sleeps when nobody is interested, and a mark of before is of no use afterwards.
func TestSleep(t *testing.T) {
	h := newHub(rand.Reader)
	h.wake()
	now := time.Now()
	s, _, mark, _ := h.follow("", now)
	if h.sleeps(now.Add(2 * interest)) {
		t.Fatal("it sleeps although somebody follows")
	}
	h.leave(s)
	if h.sleeps(now.Add(2*interest + interest/2)) {
		t.Fatal("it sleeps at once")
	}
	if !h.sleeps(now.Add(4 * interest)) {
		t.Fatal("it does not sleep")
	}
	h.wake()
	if _, _, ok := h.missed(mark); ok {
		t.Error("a mark of another run is known")
	}
}
