package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// TestNoProcessStarves: eight processes write in a loop until they have made so many writes together; the slowest of them has
// made at least a quarter of what the fastest has.
func TestNoProcessStarves(t *testing.T) {
	const processes = 8
	together := int64(100 * processes)
	if testing.Short() {
		together /= 4
	}
	db := filepath.Join(t.TempDir(), "x.db")
	sessions := make([]*session, processes)
	for i := range sessions {
		sessions[i] = startSession(t, db)
		sessions[i].must(t, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", i), "stage": "1_backlog"})
	}
	var sum atomic.Int64
	var running sync.WaitGroup
	counts, errs := make([]int, processes), make([]error, processes)
	begin := make(chan struct{})
	for i, s := range sessions {
		running.Go(func() {
			<-begin
			for sum.Add(1) <= together && errs[i] == nil {
				counts[i]++
				_, errs[i] = s.call("write_item", arguments{"story_id": fmt.Sprintf("%d_story", i), "name": fmt.Sprint("take ", counts[i])})
			}
		})
	}
	close(begin)
	running.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if slices.Min(counts)*4 < slices.Max(counts) {
		t.Errorf("of %d writes the processes made %v: one starves", together, counts)
	}
	t.Logf("of %d writes the processes made %v", together, counts)
}
