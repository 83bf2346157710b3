package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/relay"
)

// slowLink returns an address that leads to another one, with a delay in each direction.
func slowLink(t *testing.T, to string, delay time.Duration) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				time.Sleep(2 * delay) // the handshake
				far, err := net.Dial("tcp", to)
				if err != nil {
					near.Close()
					return
				}
				go slowly(far, near, delay)
				slowly(near, far, delay)
			}()
		}
	}()
	return l.Addr().String()
}

// slowly passes on what comes, after a delay.
func slowly(to, from net.Conn, delay time.Duration) {
	type piece struct {
		at   time.Time
		data []byte
	}
	pieces := make(chan piece, 1<<16)
	done := make(chan struct{})
	defer close(done)
	go func() {
		defer close(pieces)
		for {
			b := make([]byte, 32<<10)
			n, err := from.Read(b)
			select {
			case pieces <- piece{time.Now().Add(delay), b[:n]}:
			case <-done:
				return
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	to.Close()
	from.Close()
}

// TestFarHub: a machine that is 300 ms away from its hub, there and back, joins, exchanges, claims and gets numbers. Each try
// of claim_item is a process of its own, which has to connect first.
func TestFarHub(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	near := h.joined()
	var stories []string
	for i := range 16 { // as many as claim_item asks for
		stories = append(stories, fmt.Sprintf("%d_story_of_many", i+1))
		near.write(stories[i])
	}
	h.settled(near)
	in := h.invite()
	in.Address = slowLink(t, h.address, 150*time.Millisecond)
	far := newMachine(t)
	if err := far.join(in); err != nil {
		t.Fatal(err)
	}
	far.relay()
	far.write("17_story_from_afar")
	converge(t, 17, near, far)
	await(t, "a story is claimed from afar", func() bool {
		got, err := far.call("ann", "claim_item", `{"lease_seconds":3600}`)
		if err != nil {
			t.Fatal(err)
		}
		return got.Claimed
	})
	claims := relay.NewClaims(far.config())
	defer claims.Close()
	await(t, "the hub gives a number", func() bool {
		n, err := claims.Number(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n == 18
	})
	await(t, "the hub says whose claims have ended", func() bool {
		ended, err := claims.Ended(t.Context(), stories)
		return err == nil && len(ended) == 0
	})
}
