//go:build unix

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/replica"
)

// BenchmarkWatchIdle is what waiting costs while nothing changes. One op is 100 ms of waiting, with
// as many watchers as the name says.
func BenchmarkWatchIdle(b *testing.B) {
	for _, watchers := range []int{0, 1, 64} {
		b.Run(fmt.Sprint(watchers), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			fill(b, path, 10_000, 1_000)
			r := newReplica(b, path)
			if _, err := read(b, r, "1_story_bench"); err != nil {
				b.Fatal(err)
			}
			ctx, cancel := context.WithCancel(b.Context())
			var running sync.WaitGroup
			for range watchers {
				running.Go(func() {
					err := r.Watch(ctx, func(*replica.View) (bool, error) { return false, nil })
					if !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
				})
			}
			time.Sleep(time.Second) // until all have looked
			b.ResetTimer()
			before := cpuSeconds(b)
			for b.Loop() {
				time.Sleep(100 * time.Millisecond)
			}
			b.ReportMetric(100*(cpuSeconds(b)-before)/b.Elapsed().Seconds(), "%-of-a-core")
			cancel()
			running.Wait()
		})
	}
}

// BenchmarkWatchLatency is the time from a write's answer to the moment when a watcher of another
// replica, woken by the bell, has seen the change.
func BenchmarkWatchLatency(b *testing.B) {
	path := filepath.Join(b.TempDir(), "p.db")
	r, other := newReplica(b, path), newReplica(b, path)
	create(b, r, "1_s")
	var took []time.Duration
	for b.Loop() {
		seen := make(chan time.Time)
		ready := make(chan struct{})
		go func() {
			first := true
			err := other.Watch(b.Context(), func(*replica.View) (bool, error) {
				if first {
					first = false
					close(ready)
					return false, nil
				}
				return true, nil
			})
			if err != nil {
				b.Error(err)
			}
			seen <- time.Now()
		}()
		<-ready
		time.Sleep(time.Millisecond) // until the watcher waits
		if _, err := bump(r, "1_s"); err != nil {
			b.Fatal(err)
		}
		answered := time.Now()
		took = append(took, max(0, (<-seen).Sub(answered)))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "µs-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs-p99")
}
