package replica

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
)

// TestCloseBesideWriters shows that close may be called while writers begin and end.
func TestCloseBesideWriters(t *testing.T) {
	for range 300 {
		var q queue
		var closed atomic.Bool
		var writers sync.WaitGroup
		q.run = func() {
			for !q.idle() {
				for _, w := range q.take(1) {
					w.finish(pipeline.Story{}, nil)
				}
			}
		}
		for range 4 {
			writers.Go(func() {
				for !closed.Load() {
					w := &Write{done: make(chan struct{})}
					q.push(w)
					q.start()
					<-w.done
				}
			})
		}
		for range 50 { // close meets writers in all states
			q.close()
		}
		closed.Store(true)
		writers.Wait()
	}
}
