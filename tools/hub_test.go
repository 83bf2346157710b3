package tools

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

// shared is a hub whose answers to questions about stories a test decides.
type shared struct {
	asked atomic.Int64
	// reserve says which agent of another machine has the story, or why nobody can tell.
	reserve func(story string) (by string, err error)
}

func (s *shared) Joined(context.Context) (bool, error) { return true, nil }

func (s *shared) Reserve(_ context.Context, story, _ string) (r pipeline.Reservation, by string, err error) {
	revision := s.asked.Add(1)
	by, err = s.reserve(story)
	return pipeline.Reservation{Story: story, Fence: crdt.Fence{Epoch: 1, Revision: uint64(revision)}}, by, err
}

func (s *shared) Ended(context.Context, []string) ([]string, error) { return nil, nil }

func (s *shared) Number(context.Context) (uint32, error) { return 0, nil }

// newSharingHost returns the host of an agent whose machine asks a hub, and the pipeline of that machine.
func newSharingHost(t *testing.T, agent string, hub Hub) (*host, *replica.Replica) {
	t.Helper()
	r := newReplica(t, filepath.Join(t.TempDir(), "p.db"))
	return newSharingHostOf(t, r, agent, hub), r
}

func newSharingHostOf(t *testing.T, r *replica.Replica, agent string, hub Hub) *host {
	t.Helper()
	srv, err := NewServer(Config{
		Replica: r, Session: r.OpenSession(rand.Text()), Agent: agent, Version: "test", Hub: hub,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &host{t, srv}
}

// TestClaimOfAFinishedStoryAsksTheHub: a story in 5_done is claimed by its ID on a machine that shares its
// pipeline, too.
func TestClaimOfAFinishedStoryAsksTheHub(t *testing.T) {
	h, _ := newSharingHost(t, "ann", &shared{reserve: func(string) (string, error) { return "", nil }})
	h.ok("write_item", `{"story_id":"1_s","stage":"5_done"}`)
	h.ok("claim_item", `{"story_id":"1_s"}`)
}

// TestRenewalOfABlockedStoryAsksTheHub: a claim that has ended is renewed although the story is blocked, as on
// a machine without a hub.
func TestRenewalOfABlockedStoryAsksTheHub(t *testing.T) {
	h, _ := newSharingHost(t, "ann", &shared{reserve: func(string) (string, error) { return "", nil }})
	h.ok("write_item", `{"story_id":"1_s","stage":"2_current"}`)
	h.ok("claim_item", `{"story_id":"1_s","lease_seconds":1}`)
	h.ok("set_blocked", `{"story_id":"1_s","blocked":true}`)
	for !strings.Contains(h.ok("read_item", `{"story_id":"1_s"}`), "lapsed_agent") {
		time.Sleep(10 * time.Millisecond)
	}
	if got := h.ok("claim_item", `{"story_id":"1_s"}`); !strings.Contains(got, `"renewed":true`) {
		t.Errorf("got %s", got)
	}
}

// TestWaitingForAnotherMachineAsksNowAndThen: who waits for a story that the hub refuses asks the hub again
// after a while, and not without end.
func TestWaitingForAnotherMachineAsksNowAndThen(t *testing.T) {
	for what, reserve := range map[string]func(string) (string, error){
		"another machine has it":  func(string) (string, error) { return "bob", nil },
		"the hub does not answer": func(string) (string, error) { return "", errors.New("no connection") },
	} {
		for _, args := range []string{`{"wait_seconds":1}`, `{"story_id":"1_s","wait_seconds":1}`} {
			hub := &shared{reserve: reserve}
			h, _ := newSharingHost(t, "ann", hub)
			h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
			h.call("claim_item", args)
			if asked := hub.asked.Load(); asked > 10 {
				t.Errorf("%s: %s asks the hub %d times", what, args, asked)
			}
		}
	}
}

// TestNextStoryAfterAnotherAgentWasFaster: an agent whose story was claimed by another agent of its machine, while
// the hub was asked, gets the next one.
func TestNextStoryAfterAnotherAgentWasFaster(t *testing.T) {
	var faster *host
	hub := &shared{}
	hub.reserve = func(story string) (string, error) {
		if faster != nil {
			other := faster
			faster = nil
			other.ok("claim_item", fmt.Sprintf(`{"story_id":%q}`, story))
		}
		return "", nil
	}
	h, r := newSharingHost(t, "ann", hub)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	h.ok("write_item", `{"story_id":"2_s","stage":"1_backlog"}`)
	faster = newSharingHostOf(t, r, "bob", hub)
	if got := h.ok("claim_item", `{}`); !strings.Contains(got, `"story_id":"2_s"`) {
		t.Errorf("got %s", got)
	}
}

// TestCallsKeepTheirOrderWithAHub: a call that is sent behind a claim takes effect behind it, however long the
// hub takes.
func TestCallsKeepTheirOrderWithAHub(t *testing.T) {
	answered := make(chan struct{})
	hub := &shared{reserve: func(string) (string, error) {
		select {
		case <-answered: // the call behind it has been answered
		case <-time.After(300 * time.Millisecond):
		}
		return "", nil
	}}
	h, _ := newSharingHost(t, "ann", hub)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	in := make(chan calls.Message, 2)
	for id, tool := range []string{"claim_item", "advance_item"} {
		in <- calls.Message{Text: fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,"arguments":{"story_id":"1_s"}}}`, id, tool)}
	}
	close(in)
	answer := sync.OnceFunc(func() { close(answered) })
	err := calls.Serve(t.Context(), h.srv, in, func([]byte) error { answer(); return nil }, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := h.read("1_s", "").Item.Stage; got != "3_qa" {
		t.Errorf("the story is in %s", got)
	}
}
