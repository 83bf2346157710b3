//go:build unix

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// BenchmarkWatchIdle is what waiting costs while nothing changes: one op is 100 ms
// of it, with as many watchers as the name says.
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
					err := r.Watch(ctx, func(*pipeline.State) (bool, error) { return false, nil })
					if !errors.Is(err, context.Canceled) {
						b.Error(err)
					}
				})
			}
			time.Sleep(4 * time.Second) // until it counts as idle
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
