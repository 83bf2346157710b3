package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestC6_KillStorm: processes that all write, each with several calls in flight, are killed with SIGKILL at random
// moments, one after the other. In the end a new process shows every acknowledged write, and (C5) of those that were not
// answered everything or nothing. The long form, under HUSKIES_STRESS, takes 200 kills and 10,000 acknowledged writes.
func TestC6_KillStorm(t *testing.T) {
	const servers, writers = 4, 4 // writers of each server
	kills, writes := 10, 400
	if os.Getenv("HUSKIES_STRESS") != "" {
		kills, writes = 200, 10_000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := startFleet(t, filepath.Join(t.TempDir(), "x.db"), servers)
	stories := make([]*generations, servers*writers) // one for each writer
	errs := make([]error, len(stories))
	var acked atomic.Int64
	var running sync.WaitGroup
	enough, finished := make(chan struct{}), make(chan struct{})
	for i := range stories {
		stories[i] = &generations{story: fmt.Sprintf("%d_story", i+1)}
		running.Go(func() { errs[i] = stories[i].write(f, i%servers, &acked, enough) })
	}
	go func() {
		running.Wait()
		close(finished)
	}()
	for f.kills < kills || acked.Load() < int64(writes) {
		select {
		case <-finished: // they all failed
			t.Fatal(errors.Join(errs...))
		case <-time.After(time.Duration(rng.IntN(60_000)) * time.Microsecond):
			f.killOne(t, rng)
		}
	}
	close(enough)
	<-finished
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	f.end(t)
	onDisk, lost := checkGenerations(t, f.db, stories), 0
	for _, story := range stories {
		lost += len(story.lost)
	}
	t.Logf("%d kills, %d acknowledged writes, all on disk; %d unanswered ones, %d of them on disk", f.kills, acked.Load(), lost, onDisk-int(acked.Load()))
}

// write writes to the story, whoever serves, until enough is closed.
func (s *generations) write(f *fleet, server int, acked *atomic.Int64, enough <-chan struct{}) error {
	for {
		select {
		case <-enough:
			return nil
		default:
		}
		s.last++
		a, _, err := f.timedCall(server, "write_item", s.fields(s.last))
		switch {
		case errors.Is(err, errGone):
			s.lost = append(s.lost, s.last)
			continue
		case err != nil:
			return fmt.Errorf("write %d of %s: %w", s.last, s.story, err)
		case a.Item.RetryCount != s.last:
			return fmt.Errorf("answer to write %d of %s: %+v", s.last, s.story, a.Item)
		}
		s.acked = append(s.acked, s.last)
		acked.Add(1)
	}
}
