package main

import (
	"syscall"
	"testing"
	"time"
)

// TestChaosOfThreeHubs: on three machines agents write, and claim the same stories, while one, two or all of three hubs are killed
// or hang, and processes of the machines are killed. When that is over, what [TestChaos] wants is so, and the hubs have all without
// the machines. HUSKIES_CHAOS says for how long; without it the test is skipped.
func TestChaosOfThreeHubs(t *testing.T) {
	needsTime(t)
	duration, seed := chaosTime(t, time.Minute), chaosSeed(t)
	began := time.Now()
	hubs := newNodes(t)
	ch := newChaos(t, seed, func() *chaosMachine { return newMachineOf(hubs) })
	ch.employ(seed)
	for end := time.Now().Add(duration); time.Now().Before(end); {
		switch c := ch.machines[ch.random.IntN(ch.first)]; ch.random.IntN(6) {
		case 0:
			ch.killProcess(c)
		case 1:
			ch.killMachine(c)
		case 2, 3:
			ch.withoutHubs(hubs, (*testHub).kill, (*testHub).start)
		case 4, 5:
			ch.withoutHubs(hubs, (*testHub).hang, (*testHub).goOn)
		}
		time.Sleep(ch.upTo(12 * time.Second)) // a vote takes up to ten seconds
	}
	close(ch.stop)
	ch.agents.Wait()
	ch.quiet()
	ops := ch.machines[0].ops()
	ch.checkMachines()
	ch.journal.checkFences(t)
	ch.journal.checkClaims(t, began)
	for _, h := range hubs {
		h.kill()
	}
	for _, h := range hubs {
		h.start()
	}
	converge(t, len(ops), hubs[0].joinedAny())
}

// newMachineOf is a new machine that is joined to all of the hubs. It reaches them past its link.
func newMachineOf(hubs []*testHub) *chaosMachine {
	h := hubs[0]
	c := &chaosMachine{machine: h.joinedAny(), link: newLink(h.t, h.address, nil)}
	c.close()
	c.start()
	h.t.Cleanup(c.crash)
	return c
}

// withoutHubs takes some of the hubs away and brings them back after a while.
func (ch *chaos) withoutHubs(hubs []*testHub, take, bring func(*testHub)) {
	for _, c := range ch.machines {
		c.leave()
	}
	down := ch.random.Perm(len(hubs))[:1+ch.random.IntN(len(hubs))]
	for _, i := range down {
		take(hubs[i])
	}
	time.Sleep(ch.upTo(3 * time.Second))
	for _, i := range down {
		bring(hubs[i])
	}
	for _, c := range ch.machines {
		c.comeBack()
	}
}

// hang stops the hub without ending it. When it goes on it does what it was asked meanwhile.
func (h *testHub) hang() { _ = h.process.Process.Signal(syscall.SIGSTOP) }
func (h *testHub) goOn() { _ = h.process.Process.Signal(syscall.SIGCONT) }
