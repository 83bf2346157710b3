package board

import (
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestWindow: no chart begins before the pipeline did, or after today.
func TestWindow(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	today := pipeline.Day(now)
	for _, tt := range []struct {
		what        string
		began       time.Time
		first, base int64
	}{
		{"an old pipeline", now.AddDate(-1, 0, 0), today - 29, today - 30},
		{"a young pipeline", now.AddDate(0, 0, -3), today - 3, today - 3},
		{"a pipeline of today", now, today, today},
		{"a first op of the future", now.AddDate(9, 0, 0), today, today},
		{"no pipeline", time.Time{}, today - 29, today - 30},
	} {
		if first, base := window(tt.began, now, 30); first != tt.first || base != tt.base {
			t.Errorf("%s: got %d and %d, want %d and %d", tt.what, first-today, base-today, tt.first-today, tt.base-today)
		}
	}
}

// TestDays: what happened before the charts begin is there on their first day and not done on it, and what
// will have happened counts today.
func TestDays(t *testing.T) {
	r := readings{first: 100, base: 99, last: 102, moves: []pipeline.Moves{
		{Day: 99, Stage: "", Went: 5},
		{Day: 99, Stage: pipeline.Done, Came: 2},
		{Day: 99, Stage: pipeline.Backlog, Came: 3},
		{Day: 101, Stage: pipeline.Backlog, Went: 1},
		{Day: 101, Stage: pipeline.Done, Came: 1},
		{Day: 900, Stage: pipeline.Backlog, Went: 1},
		{Day: 900, Stage: pipeline.Done, Came: 1},
	}}
	days := r.days()
	for i, want := range []struct{ backlog, finished, done int }{{3, 2, 0}, {2, 3, 1}, {1, 4, 1}} {
		d := days[i]
		if got := d.stories[pipeline.Backlog]; got != want.backlog {
			t.Errorf("day %d: %d stories in the backlog, want %d", i, got, want.backlog)
		}
		if got := d.stories[pipeline.Done]; got != want.finished || d.done != want.done {
			t.Errorf("day %d: %d stories done and %d on the day, want %d and %d", i, got, d.done, want.finished, want.done)
		}
	}
}

// TestEarlierClaims: a claim that began before the timeline and ended within it has a bar from the left edge to
// its end, whatever ended it. A claim that ended before the timeline has none.
func TestEarlierClaims(t *testing.T) {
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	from := now.Add(-timeline)
	change := func(story, agent string, at time.Time, edits ...crdt.Edit) replica.Change {
		op := &crdt.Op{Story: story, Agent: agent, At: at.UnixMilli(), Edits: edits}
		return replica.Change{Whole: op, Change: pipeline.ChangeOf(op, pipeline.Current, pipeline.Current)}
	}
	gives := func(agent string) crdt.Edit {
		return crdt.Edit{Kind: crdt.KindSet, Field: pipeline.NameAgent, Value: crdt.String(agent)}
	}
	claims := crdt.Edit{Kind: crdt.KindSet, Field: pipeline.NameClaim, Value: crdt.String("1")}
	early, late, within := from.Add(-time.Hour), from.Add(-time.Minute), from.Add(2*time.Hour)

	r := readings{now: now, from: from, earlier: map[string]holder{}}
	for _, c := range []replica.Change{ // the last first, as they are read
		change("2_back", "ann", late, gives("")),
		change("4_over", "bob", late, gives("bob"), claims),
		change("4_over", "ann", early, gives("ann"), claims),
		change("3_done", "ann", early, gives("ann"), claims),
		change("2_back", "ann", early, gives("ann"), claims),
		change("1_freed", "ann", early, gives("ann"), claims),
		change("5_given", "eve", early, gives("ann")),
	} {
		r.before(&c)
	}
	done := change("3_done", "ann", within)
	done.After = pipeline.Done
	r.changes = []replica.Change{
		change("1_freed", "eve", within, gives("")), done, change("2_back", "eve", within, gives("")),
		change("4_over", "eve", within, gives("eve"), claims), change("5_given", "eve", within, gives("")),
	}
	got := map[string]heldFor{}
	for _, w := range r.works() {
		for _, h := range w.held {
			got[w.agent+" "+h.story] = h
		}
	}
	for _, want := range []string{"ann 1_freed", "ann 3_done", "bob 4_over"} {
		if h := got[want]; !h.from.Equal(from) || !h.to.Equal(within) || h.open {
			t.Errorf("%s: got %v to %v, want %v to %v", want, h.from, h.to, from, within)
		}
		delete(got, want)
	}
	if len(got) > 0 {
		t.Errorf("got bars for %v, want none", got)
	}
}

func TestPlainCell(t *testing.T) {
	for text, want := range map[string]string{"": "", "coder-1": "coder-1", "=1+1": "'=1+1", "@x": "'@x", "-2": "'-2"} {
		if got := plainCell(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
