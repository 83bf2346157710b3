package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huskies/huskies-mcp/pipeline"
)

// generations is what a client knows of one story that it writes over and over: each write sets all fields at once
// to values that say which write it was.
type generations struct {
	story string
	last  int   // acknowledged or not
	acked []int // ascending
	lost  []int // unanswered when the server was killed: on disk whole, or not at all
}

// fields are the arguments of write number g.
func (s *generations) fields(g int) arguments {
	return arguments{
		"story_id": s.story, "stage": pipeline.Stages()[g%6], "name": fmt.Sprintf("name %d", g), "agent": fmt.Sprintf("agent %d", g),
		"retry_count": g, "blocked": g%2 == 1, "depends_on": []int{1000 + g},
	}
}

// item is the story as write number g leaves it, as far as the write says.
func (s *generations) item(g int) shownItem {
	return shownItem{
		StoryID: s.story, Stage: string(pipeline.Stages()[g%6]), Name: fmt.Sprintf("name %d", g), Agent: fmt.Sprintf("agent %d", g),
		RetryCount: g, Blocked: g%2 == 1, DependsOn: []int{1000 + g},
	}
}

// TestC6_KilledServerLosesNothing: the server is killed in the middle of writing, again and again. Each time a new
// process shows every acknowledged write, and (C5) of a write that was not answered everything or nothing.
func TestC6_KilledServerLosesNothing(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 4
	}
	rng := rand.New(rand.NewPCG(6, 5)) // the same kills every time, as far as counts go
	db := filepath.Join(t.TempDir(), "x.db")
	stories := make([]*generations, 5)
	for i := range stories {
		stories[i] = &generations{story: fmt.Sprintf("%d_story", i+1)}
	}
	acked, landed := 0, 0
	for range rounds {
		s := startSession(t, db)
		acked += writeUntilKilled(t, s, rng, stories)
		landed = checkGenerations(t, db, stories)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d acknowledged writes, %d more were on disk", rounds, acked, landed-acked)
}

// writeUntilKilled writes until the process is dead. After a drawn number of acknowledged writes and a drawn pause
// another goroutine kills it, while the writes go on. It returns how many were acknowledged.
func writeUntilKilled(t *testing.T, s *session, rng *rand.Rand, stories []*generations) int {
	t.Helper()
	enough, dead := make(chan struct{}), make(chan error)
	target, pause := rng.IntN(60), time.Duration(rng.IntN(3000))*time.Microsecond
	s.killed = true
	go func() {
		<-enough
		time.Sleep(pause)
		dead <- s.cmd.Process.Kill()
	}()
	for n := 0; ; n++ {
		if n == target {
			close(enough)
		}
		story := stories[rng.IntN(len(stories))]
		story.last++
		a, err := s.call("write_item", story.fields(story.last))
		if err != nil {
			story.lost = append(story.lost, story.last)
			var said toolError
			if n < target || errors.As(err, &said) {
				t.Errorf("write %d of at least %d: %v", n, target, err)
			}
			if n < target {
				close(enough)
			}
			if err := <-dead; err != nil {
				t.Error(err)
			}
			s.end(t)
			return n
		}
		story.acked = append(story.acked, story.last)
		if a.Item.RetryCount != story.last {
			t.Errorf("answer to write %d of %s: %+v", story.last, story.story, a.Item)
		}
	}
}

// checkGenerations compares what a new process shows, and the log, with what the client knows. It returns the number of
// ops.
func checkGenerations(t *testing.T, db string, stories []*generations) int {
	t.Helper()
	s := startSession(t, db)
	defer s.end(t)
	ops := readLog(t, db)
	for _, story := range stories {
		onDisk := logged(t, ops, story)
		for _, g := range story.acked {
			if !slices.Contains(onDisk, g) {
				t.Errorf("%s: acknowledged write %d is not on disk", story.story, g)
			}
		}
		for _, g := range onDisk {
			if !slices.Contains(story.acked, g) && !slices.Contains(story.lost, g) {
				t.Errorf("%s: write %d is on disk, but nobody wrote it", story.story, g)
			}
		}
		if !slices.IsSorted(onDisk) || len(slices.Compact(slices.Clone(onDisk))) != len(onDisk) {
			t.Errorf("%s: writes on disk are %v", story.story, onDisk)
		}
		a, err := s.call("read_item", arguments{"story_id": story.story})
		if len(onDisk) == 0 {
			if err == nil || !strings.Contains(err.Error(), "there is no story") {
				t.Errorf("%s was never written: %+v, %v", story.story, a.Item, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want := story.item(onDisk[len(onDisk)-1])
		ignore := cmpopts.IgnoreFields(shownItem{}, "WaitingOn", "Warnings", "UpdatedAt", "Rev")
		if diff := cmp.Diff(want, a.Item, ignore); diff != "" {
			t.Errorf("%s after the kill (-want +got):\n%s", story.story, diff)
		}
	}
	return len(ops)
}

// logged returns the numbers of the story's writes in the log. Each op must hold the whole write.
func logged(t *testing.T, ops []loggedOp, story *generations) (onDisk []int) {
	t.Helper()
	for _, op := range ops {
		if op.Story != story.story {
			continue
		}
		set, added := map[string]any{}, 0
		for _, e := range op.Edits {
			switch {
			case e.Set != "":
				set[e.Set] = e.Value
			case e.Value == true:
				added = e.Dep
			}
		}
		count, _ := set["retry_count"].(float64)
		g := int(count)
		want := story.item(g)
		if set["stage"] != want.Stage || set["name"] != want.Name || set["agent"] != want.Agent || added != 1000+g {
			t.Errorf("op %s holds half a write: %+v", op.OpID, op.Edits)
		}
		onDisk = append(onDisk, g)
	}
	return onDisk
}
