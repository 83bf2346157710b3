package main

import (
	"io"
	"net"
	"sync"
	"testing"
)

// link is a way to the hub that can be cut.
type link struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	down  bool
	conns []net.Conn
}

func newLink(t testing.TB, to string) *link {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, to: to}
	t.Cleanup(func() { l.Close(); k.set(false) })
	go k.accept()
	return k
}

func (k *link) address() string { return k.listener.Addr().String() }

func (k *link) accept() {
	for {
		in, err := k.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", k.to)
		if err != nil {
			in.Close()
			continue
		}
		k.mu.Lock()
		if k.down {
			in.Close()
			out.Close()
		} else {
			k.conns = append(k.conns, in, out)
		}
		k.mu.Unlock()
		go func() { io.Copy(out, in); out.Close() }()
		go func() { io.Copy(in, out); in.Close() }()
	}
}

// set cuts the link, or lets new connections through.
func (k *link) set(up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = !up
	for _, c := range k.conns {
		c.Close()
	}
	k.conns = nil
}
