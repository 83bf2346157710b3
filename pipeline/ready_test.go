package pipeline_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestReadyIsForTheReader: a story is ready if the reader would make a new claim by claiming it,
// in every stage with work left. The flag, the filter and the counts say the same.
func TestReadyIsForTheReader(t *testing.T) {
	c := newClaimer(t)
	me := session("mia")
	for id, changes := range map[string]pipeline.Changes{
		"10_free":     stage(pipeline.Backlog),
		"20_rejected": stage(pipeline.Current),
		"30_qa":       stage(pipeline.QA),
		"40_merge":    stage(pipeline.Merge),
		"50_done":     stage(pipeline.Done),
		"60_old":      stage(pipeline.Archived),
		"11_blocked":  {Stage: ptr(pipeline.Backlog), Blocked: ptr(true)},
		"12_waits":    {Stage: ptr(pipeline.QA), DependsOn: &[]uint32{10}},
		"13_for_me":   {Stage: ptr(pipeline.Backlog), Agent: ptr("mia")},
		"14_for_you":  {Stage: ptr(pipeline.Backlog), Agent: ptr("you")},
		"15_mine":     stage(pipeline.Backlog),
		"16_yours":    stage(pipeline.Backlog),
		"17_lapsed":   stage(pipeline.Backlog),
	} {
		c.write(id, changes)
	}
	_, err := c.claimBy(session("dead"), "17_lapsed", 0)
	c.must(err)
	c.now = c.now.Add(time.Hour)
	_, err = c.claimBy(me, "15_mine", 0)
	c.must(err)
	_, err = c.claimBy(session("you"), "16_yours", 0)
	c.must(err)

	want := []string{"10_free", "13_for_me", "17_lapsed", "20_rejected", "30_qa", "40_merge"}
	for _, limit := range []int{100, 2, 1} {
		ready, count := c.listAs(me, pipeline.Filter{Ready: ptr(true)}, limit)
		if diff := cmp.Diff(want, ready); diff != "" || count != len(want) {
			t.Errorf("limit %d: count %d (-want +got):\n%s", limit, count, diff)
		}
	}
	if rest, count := c.listAs(me, pipeline.Filter{Ready: ptr(false)}, 3); len(rest) != 7 || count != 7 {
		t.Errorf("not ready: %v, count %d", rest, count)
	}
	for _, is := range []bool{true, false} {
		all, _ := c.listAs(me, pipeline.Filter{Ready: &is}, 100)
		lately := pipeline.Filter{Ready: &is, UpdatedSince: time.UnixMilli(1)}
		if recent, count := c.listAs(me, lately, 2); !cmp.Equal(recent, all) || count != len(all) {
			t.Errorf("ready %t of late: %v, count %d, want %v", is, recent, count, all)
		}
	}
	if got, count := c.listAs(me, pipeline.Filter{Ready: ptr(true), Agent: ptr("mia")}, 3); !cmp.Equal(got, []string{"13_for_me"}) || count != 1 {
		t.Errorf("ready for me: %v, count %d", got, count)
	}
	for _, id := range slices.Concat(want, []string{"11_blocked", "12_waits", "14_for_you", "15_mine", "16_yours", "50_done", "60_old"}) {
		story, err := c.state().As(me).Story(id)
		c.must(err)
		if story.Ready != slices.Contains(want, id) || story.Lapsed != (id == "17_lapsed") {
			t.Errorf("%s: ready %t, lapsed %t", id, story.Ready, story.Lapsed)
		}
		if story.Stage == pipeline.Done { // a finished story is claimed by its ID, and is not ready
			continue
		}
		won, err := c.claimBy(me, id, 0)
		if isNew := err == nil && !won.Renewed; isNew != story.Ready {
			t.Errorf("%s: ready %t, a claim gives %+v, %v", id, story.Ready, won, err)
		}
	}
}

// listAs returns all that a caller's filter chooses, page by page, in the order of IDs, and the count.
func (c *claimer) listAs(by pipeline.Caller, f pipeline.Filter, limit int) (ids []string, count int) {
	c.t.Helper()
	var after *pipeline.Position
	for {
		page, err := c.state().As(by).List(f, after, limit)
		c.must(err)
		count = page.Total
		for _, story := range page.Stories {
			if story.Ready != *f.Ready {
				c.t.Errorf("%s: the flag says ready %t", story.ID, story.Ready)
			}
			ids = append(ids, story.ID)
			after = &pipeline.Position{Stage: story.Stage, Place: story.Place}
		}
		if !page.More {
			slices.SortFunc(ids, crdt.CompareStoryIDs)
			return ids, count
		}
	}
}

// TestReleasedComesLast: a story that the caller has just given back is offered after all others.
func TestReleasedComesLast(t *testing.T) {
	c := newClaimer(t)
	c.write("1_s", stage(pipeline.Backlog))
	c.write("2_s", stage(pipeline.Backlog))
	me := session("mia")
	_, err := c.claimBy(me, "", 0)
	c.must(err)
	c.must(c.as(me, func(tx *pipeline.Tx) error { _, err := tx.Release("1_s"); return err }))
	me.Released = "1_s"
	for _, want := range []string{"2_s", "1_s"} {
		if won, err := c.claimBy(me, "", 0); err != nil || won.StoryID != want {
			t.Errorf("got %+v, %v; want %s", won, err, want)
		}
	}
}
