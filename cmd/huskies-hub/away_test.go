package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const week = 7 * 24 * time.Hour

// TestAwayForWeeks: a machine is cut off for three weeks with a claim, and is worked on all the time, as the others are. When it
// is back, all have the same without help, and all are shown what was decided twice.
func TestAwayForWeeks(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := newMachine(t), newMachine(t)
	for _, m := range []*machine{a, b} {
		m.ahead = -3 * week
		if err := m.join(h.invite()); err != nil {
			t.Fatal(err)
		}
		m.relay()
	}
	for _, id := range []string{"1_story_renamed", "2_story_claimed", "3_story_of_one"} {
		a.write(id)
	}
	converge(t, 3, a, b)
	h.settled(b)
	bobs := b.claim("bob", "2_story_claimed")
	converge(t, 4, a, b)

	b.pause()
	h.expire(t, b, "2_story_claimed")
	a.must("ann", "claim_item", `{"story_id":"2_story_claimed","lease_seconds":3600}`)
	for back := 3; back >= 0; back-- {
		for _, m := range []*machine{a, b} {
			m.pause()
			m.ahead = -time.Duration(back) * week
		}
		a.relay()
		for i := range 20 {
			a.write(fmt.Sprintf("%d_story_of_a_in_week_%d", 100+20*back+i, back))
			b.write(fmt.Sprintf("%d_story_of_b_in_week_%d", 200+20*back+i, back))
		}
	}
	a.must("ann", "write_item", `{"story_id":"1_story_renamed","name":"As ann says"}`)
	b.must("bob", "write_item", `{"story_id":"1_story_renamed","name":"As bob says"}`)
	a.must("ann", "write_item", `{"story_id":"4_story_made_twice","stage":"1_backlog","name":"Ann's"}`)
	b.must("bob", "write_item", `{"story_id":"4_story_made_twice","stage":"1_backlog","name":"Bob's"}`)
	b.must("bob", "write_item", `{"story_id":"3_story_of_one","description":"Only bob wrote this."}`)
	b.must("bob", "write_item", fmt.Sprintf(`{"story_id":"2_story_claimed","claim":%q,"stage":"4_merge","note":"Bob has done it."}`, bobs.Claim))

	b.relay()
	converge(t, 4+1+160+6, a, b)
	if !slices.Equal(a.stories(), b.stories()) {
		t.Error("machines with the same ops show other stories")
	}
	for name, m := range map[string]*machine{"the one that was there": a, "the one that was away": b} {
		if st := m.story("2_story_claimed"); st.Agent != "ann" || st.Stage != "2_current" {
			t.Errorf("%s: the story is in %s with %q, want ann's: she claimed it last through the hub", name, st.Stage, st.Agent)
		}
		if !slices.Contains(m.notes("2_story_claimed"), "Bob has done it.") {
			t.Errorf("%s: bob's note is lost", name)
		}
		if st := m.story("3_story_of_one"); st.Description != "Only bob wrote this." {
			t.Errorf("%s: the description is %q", name, st.Description)
		}
		said, err := m.huskies("log", "--conflicts")
		for _, id := range []string{"1_story_renamed", "2_story_claimed", "4_story_made_twice"} {
			if err != nil || !strings.Contains(said, id) {
				t.Errorf("%s: log --conflicts does not tell of %s, error %v:\n%s", name, id, err, said)
			}
		}
	}
	if _, err := b.call("bob", "write_item", fmt.Sprintf(`{"story_id":"2_story_claimed","claim":%q,"stage":"5_done"}`, bobs.Claim)); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("bob goes on with a claim that ended three weeks ago: %v", err)
	}
}

// must calls a tool.
func (m *machine) must(agent, tool, arguments string) {
	m.t.Helper()
	if _, err := m.call(agent, tool, arguments); err != nil {
		m.t.Fatal(err)
	}
}
