package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"
)

// TestChaosOfThreeHubs: machines write while one, two or all of three hubs are killed, again and again. When that is over every
// op is on every machine, and the hubs have all without them. HUSKIES_CHAOS says for how long; without it the test is skipped.
func TestChaosOfThreeHubs(t *testing.T) {
	needsTime(t)
	duration, err := time.ParseDuration(os.Getenv("HUSKIES_CHAOS"))
	if err != nil {
		t.Fatal(err)
	}
	hubs := newNodes(t)
	machines := []*machine{hubs[0].joinedAny(), hubs[1].joinedAny()}
	stop := make(chan struct{})
	written := make([]int, len(machines))
	var all sync.WaitGroup
	for i, m := range machines {
		all.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				m.write(fmt.Sprintf("%d_story_x", n*len(machines)+i+1))
				written[i]++
			}
		})
	}
	kills := 0
	for end := time.Now().Add(duration); time.Now().Before(end); {
		time.Sleep(time.Duration(rand.IntN(12_000)) * time.Millisecond) // a vote takes up to ten seconds
		down := rand.Perm(len(hubs))[:1+rand.IntN(len(hubs))]
		for _, i := range down {
			hubs[i].kill()
			kills++
		}
		time.Sleep(time.Duration(rand.IntN(3_000)) * time.Millisecond)
		for _, i := range down {
			hubs[i].start()
		}
	}
	close(stop)
	all.Wait()
	n := 0
	for _, w := range written {
		n += w
	}
	t.Logf("%d ops, %d kills", n, kills)
	converge(t, n, machines...)
	for _, m := range machines {
		m.pause()
	}
	for _, h := range hubs {
		h.kill()
	}
	for _, h := range hubs {
		h.start()
	}
	converge(t, n, hubs[0].joinedAny())
}
