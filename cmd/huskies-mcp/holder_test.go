package main

import (
	"path/filepath"
	"strings"
	"testing"
)

// refusal makes a call that must be refused and returns what it says.
func (s *session) refusal(t *testing.T, tool string, args arguments) string {
	t.Helper()
	text, err := s.callFor(tool, args, new(answer))
	if err == nil {
		t.Fatalf("%s %v: got %s, want a refusal", tool, args, text)
	}
	return err.Error()
}

// TestHolderIsKilled: while a session lives no other session changes its story, also under its
// name. When it is killed, its name takes the story over at once, and all others wait.
func TestHolderIsKilled(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	t.Setenv("CLAUDE_CODE_SESSION_ID", "one session of a host") // which the servers are started by
	first, second := startSession(t, db), startSession(t, db)
	t.Setenv("CLAUDE_CODE_SESSION_ID", "another")
	other := startSession(t, db)

	first.must(t, "write_item", arguments{"story_id": "1_s", "stage": "1_backlog"})
	type won struct {
		Item    struct{ Agent string }
		Claim   string
		Renewed bool
	}
	claim := func(s *session) (w won) {
		t.Helper()
		if _, err := s.callFor("claim_item", arguments{"story_id": "1_s"}, &w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	made := claim(first)
	if !strings.HasPrefix(made.Item.Agent, "test-") {
		t.Errorf("the session's name is %q", made.Item.Agent)
	}
	for _, s := range []*session{second, other} {
		for tool, args := range map[string]arguments{
			"claim_item": {"story_id": "1_s"}, "advance_item": {"story_id": "1_s"}, "write_item": {"story_id": "1_s", "name": "x"},
		} {
			if text := s.refusal(t, tool, args); !strings.Contains(text, `"`+made.Item.Agent+`" holds it`) {
				t.Errorf("%s: %s", tool, text)
			}
		}
	}

	first.killed = true
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.end(t)
	for _, tool := range []string{"claim_item", "advance_item"} {
		if text := other.refusal(t, tool, arguments{"story_id": "1_s"}); !strings.Contains(text, "(the session that claimed it has ended)") || !strings.Contains(text, "give claim as claim_item answered it") {
			t.Error(text)
		}
	}
	second.must(t, "write_item", arguments{"story_id": "1_s", "name": "at once"})
	if again := claim(second); !again.Renewed || again.Claim != made.Claim {
		t.Errorf("got %+v, want the claim %s renewed", again, made.Claim)
	}
	if files, err := filepath.Glob(db + "-sessions/*"); err != nil || len(files) != 1 {
		t.Errorf("sessions that are marked as alive: %v, %v", files, err)
	}
}

// TestStartedAnew: an agent whose host tells no session's ID has another name after its server was
// started anew. As the instructions say, it goes on with its claim, or with its former name.
func TestStartedAnew(t *testing.T) {
	db := filepath.Join(t.TempDir(), "x.db")
	type won struct {
		Item    struct{ Agent string }
		Claim   string
		Renewed bool
	}
	for _, tt := range []struct {
		story string
		args  func(before won) arguments
	}{
		{"1_s", func(before won) arguments { return arguments{"claim": before.Claim} }},
		{"2_s", func(before won) arguments { return arguments{"story_id": "2_s", "agent": before.Item.Agent} }},
	} {
		first := startSession(t, db)
		first.must(t, "write_item", arguments{"story_id": tt.story, "stage": "1_backlog"})
		var before, after won
		if _, err := first.callFor("claim_item", arguments{"story_id": tt.story}, &before); err != nil {
			t.Fatal(err)
		}
		first.killed = true
		if err := first.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		first.end(t)

		second := startSession(t, db)
		if text := second.refusal(t, "advance_item", arguments{"story_id": tt.story}); !strings.Contains(text, "if you are that agent, started anew, give claim") {
			t.Error(text)
		}
		if text, err := second.callFor("claim_item", tt.args(before), &after); err != nil || !after.Renewed || after.Claim != before.Claim {
			t.Errorf("got %s, %v; want the claim %s renewed", text, err, before.Claim)
		}
		second.must(t, "advance_item", arguments{"story_id": tt.story})
	}
}
