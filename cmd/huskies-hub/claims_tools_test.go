package main

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/server"
)

// TestClaimsOfWhatIsNotReady: with a hub, too, a story in 5_done is claimed by its ID, and a claim that has ended is renewed although
// the story is blocked.
func TestClaimsOfWhatIsNotReady(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	h.settled(a)
	ann := a.toolsFor("ann")
	got := a.send(ann,
		toolCall{"write_item", `{"story_id":"1_done","stage":"5_done"}`},
		toolCall{"claim_item", `{"story_id":"1_done"}`},
		toolCall{"write_item", `{"story_id":"2_blocked","stage":"2_current"}`},
		toolCall{"claim_item", `{"story_id":"2_blocked","lease_seconds":1}`},
		toolCall{"set_blocked", `{"story_id":"2_blocked","blocked":true}`})
	for _, i := range []int{1, 3} {
		if !strings.Contains(got[i], `"claimed":true`) {
			t.Errorf("got %s", got[i])
		}
	}
	await(t, "the claim ends", func() bool {
		return strings.Contains(a.send(ann, toolCall{"read_item", `{"story_id":"2_blocked"}`})[0], "lapsed_agent")
	})
	if got := a.send(ann, toolCall{"claim_item", `{"story_id":"2_blocked"}`})[0]; !strings.Contains(got, `"renewed":true`) {
		t.Errorf("got %s", got)
	}
}

// TestWaitingForAHub: who waits for a story while the hub does not answer asks it now and then, and not without end.
func TestWaitingForAHub(t *testing.T) {
	t.Parallel()
	h, a, _ := sharing(t, "1_story_x")
	a.pause()
	h.kill()
	ann := a.toolsFor("ann")
	for _, arguments := range []string{`{"wait_seconds":1}`, `{"story_id":"1_story_x","wait_seconds":1}`} {
		before := strings.Count(a.log.String(), "the hub was not asked")
		a.send(ann, toolCall{"claim_item", arguments})
		if asked := strings.Count(a.log.String(), "the hub was not asked") - before; asked == 0 || asked > 20 {
			t.Errorf("%s: the hub is asked %d times", arguments, asked)
		}
	}
}

// TestCallsWhileTheHubIsAsked: the hub is far away. A call that is sent behind a claim takes effect behind it. Of two agents of a
// machine that ask for the next story at once, each gets one.
func TestCallsWhileTheHubIsAsked(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newMachine(t)
	in := h.invite()
	in.Address = slowLink(t, h.address, 100*time.Millisecond)
	if err := a.join(in); err != nil {
		t.Fatal(err)
	}
	h.settled(a)
	ann, bob := a.toolsFor("ann"), a.toolsFor("bob")
	got := a.send(ann,
		toolCall{"write_item", `{"story_id":"1_story_x","stage":"1_backlog"}`},
		toolCall{"claim_item", `{"story_id":"1_story_x"}`},
		toolCall{"advance_item", `{"story_id":"1_story_x"}`},
		toolCall{"write_item", `{"story_id":"2_story_x","stage":"1_backlog"}`},
		toolCall{"write_item", `{"story_id":"3_story_x","stage":"1_backlog"}`})
	if !strings.Contains(got[2], `"stage":"3_qa"`) || strings.Contains(got[2], `"isError":true`) {
		t.Errorf("the story is moved on so: %s", got[2])
	}
	var both sync.WaitGroup
	for _, srv := range []*server.MCPServer{ann, bob} {
		both.Go(func() {
			if got := a.send(srv, toolCall{"claim_item", `{"stage":"1_backlog"}`})[0]; !strings.Contains(got, `"claimed":true`) {
				t.Errorf("got %s", got)
			}
		})
	}
	both.Wait()
}
