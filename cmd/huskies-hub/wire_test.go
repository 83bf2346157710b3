package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// wire is a network namespace, and a pair of devices between it and the one of the test. While it is down all packets are
// dropped, both ways, and nobody is told.
type wire struct {
	t         testing.TB
	namespace string
	device    string // the one on the test's side
	address   net.IP // of that device
}

// newWire makes a namespace, where the test may. Elsewhere it returns nil.
func newWire(t testing.TB) *wire {
	t.Helper()
	n := rand.IntN(1 << 14)
	w := &wire{
		t: t, namespace: fmt.Sprintf("huskies-%d-%d", os.Getpid(), n), device: fmt.Sprintf("huskies%d", n),
		address: net.IPv4(198, 18, byte(n>>6), byte(n&63<<2+1)), // RFC 2544: no machine of the world has it
	}
	if out, err := exec.Command("ip", "netns", "add", w.namespace).CombinedOutput(); err != nil {
		t.Logf("there are no network namespaces (ip netns add: %v, %s): a proxy stands for the network", err, out)
		return nil
	}
	t.Cleanup(func() { w.ip("netns delete " + w.namespace) }) // and both devices
	other := net.IPv4(198, 18, w.address[14], w.address[15]+1)
	w.ip("link add " + w.device + " type veth peer name hub netns " + w.namespace)
	w.ip("address add " + w.address.String() + "/30 dev " + w.device)
	w.ip("-n " + w.namespace + " address add " + other.String() + "/30 dev hub")
	w.ip("-n " + w.namespace + " link set hub up")
	w.set(true)
	return w
}

func (w *wire) set(up bool) {
	if up {
		w.ip("link set " + w.device + " up")
	} else {
		w.ip("link set " + w.device + " down")
	}
}

// ip runs the command of this name.
func (w *wire) ip(words string) {
	w.t.Helper()
	if out, err := exec.Command("ip", strings.Fields(words)...).CombinedOutput(); err != nil {
		w.t.Fatalf("ip %s: %v: %s", words, err, out)
	}
}

// command is one that runs at the other end.
func (w *wire) command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", w.namespace, name}, args...)...)
}
