package main

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/replica"
)

// BenchmarkCommitToVisible measures from the commit on one machine to the moment in which a process on another one
// sees it, over loopback.
func BenchmarkCommitToVisible(b *testing.B) {
	h := newHub(b)
	from, to := h.joined(), h.joined()
	from.write("1_story_first")
	converge(b, 1, from, to)
	var took []time.Duration
	n := 1
	for b.Loop() {
		n++
		id := fmt.Sprintf("%d_story_x", n)
		seen := make(chan error, 1)
		ready := make(chan struct{})
		go func() {
			first := true
			seen <- to.replica.Watch(context.Background(), func(v *replica.View) (bool, error) {
				if first {
					first = false
					close(ready)
				}
				_, err := v.Story(id)
				return err == nil, nil
			})
		}()
		<-ready
		from.write(id)
		committed := time.Now()
		if err := <-seen; err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(committed))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

// BenchmarkCatchUp measures how long a new machine takes for the ops of a hub, beside the import of the same.
func BenchmarkCatchUp(b *testing.B) {
	const ops = 10_000
	h := newHub(b)
	from := newMachine(b)
	for i := range ops {
		from.write(fmt.Sprintf("%d_story_x", i+1))
	}
	if err := from.join(h.invite()); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	from.relay()
	converge(b, ops, from)
	up := time.Since(began)
	all, _, err := from.replica.OpsAfter(b.Context(), 0, ops)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		began := time.Now()
		if _, err := newMachine(b).replica.Admit(b.Context(), all); err != nil {
			b.Fatal(err)
		}
		local := time.Since(began)
		to := newMachine(b)
		if err := to.join(h.invite()); err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		to.relay()
		converge(b, ops, to)
		b.ReportMetric(float64(time.Since(began))/float64(local), "x-import")
	}
	b.ReportMetric(up.Seconds(), "s-up")
}
