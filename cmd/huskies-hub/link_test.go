package main

import (
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
)

// link is a way to the hub that can be cut, and can fall silent: then nothing comes through and nobody is told.
type link struct {
	listener net.Listener
	to       string
	wire     *wire // the way to the listener, nil if it is in this namespace

	mu     sync.Mutex
	change *sync.Cond // of what follows
	down   bool
	silent bool
	conns  []net.Conn
}

// newLink makes a link that begins with a wire, unless it is nil.
func newLink(t testing.TB, to string, w *wire) *link {
	host := net.IPv4(127, 0, 0, 1)
	if w != nil {
		host = w.address
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: host})
	if err != nil {
		t.Fatal(err)
	}
	k := &link{listener: l, to: to, wire: w}
	k.change = sync.NewCond(&k.mu)
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
		go k.pass(out, in)
		go k.pass(in, out)
	}
}

// pass passes on what comes, while the link is not silent.
func (k *link) pass(to io.WriteCloser, from io.Reader) {
	defer to.Close()
	b := make([]byte, 32<<10)
	for {
		n, err := from.Read(b)
		k.mu.Lock()
		for k.silent {
			k.change.Wait()
		}
		k.mu.Unlock()
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

// set cuts the link, or lets new connections through. One that is silent passes on what it held, and is not cut by being
// mended.
func (k *link) set(up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	wasSilent := k.silent
	if k.silent && k.wire != nil {
		k.wire.set(true)
	}
	k.down, k.silent = !up, false
	k.change.Broadcast()
	if up && wasSilent {
		return
	}
	for _, c := range k.conns {
		c.Close()
	}
	k.conns = nil
}

func (k *link) silence() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.silent && k.wire != nil {
		k.wire.set(false)
	}
	k.silent = true
}

// passes reports whether anything comes through.
func (k *link) passes() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.down && !k.silent
}

// command is one that runs at the beginning of the link.
func (k *link) command(name string, args ...string) *exec.Cmd {
	if k.wire == nil {
		return exec.Command(name, args...)
	}
	return k.wire.command(name, args...)
}
