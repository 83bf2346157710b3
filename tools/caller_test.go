package tools

import (
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/internal/hosts"
)

// newSession returns a host with a session of its own on the database: of one agent name, or of
// the ID of its host's session.
func newSession(t testing.TB, path, agent, hostSession string) *host {
	t.Helper()
	r := newReplica(t, path)
	srv, err := NewServer(Config{
		Replica: r, Session: r.OpenSession(rand.Text()), Agent: agent, HostSession: hostSession, Version: "test",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &host{t, srv}
}

// claimed is what claim_item answers.
type claimed struct {
	Claimed bool
	Item    item
	Claim   string
	Renewed bool
	Warning string
}

func (h *host) claims(args string) (won claimed) {
	h.t.Helper()
	if err := json.Unmarshal([]byte(h.ok("claim_item", args)), &won); err != nil {
		h.t.Fatal(err)
	}
	return won
}

// want fails the test if the text lacks one of the words.
func want(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("got %s, want ...%s...", text, w)
		}
	}
}

// TestSessionName: the name has only what every tool takes, and is the same for the same session
// of the same host.
func TestSessionName(t *testing.T) {
	for client, want := range map[string]string{
		"claude-code":           "claude-code-",
		"Visual Studio Code":    "visual-studio-code-",
		"":                      "agent-",
		"???":                   "agent-",
		"Größe":                 "gr--e-",
		strings.Repeat("x", 99): strings.Repeat("x", 32) + "-",
	} {
		got := SessionName(client, "one")
		if !strings.HasPrefix(got, want) || len(got) != len(want)+4 || !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(got) {
			t.Errorf("%q: got %q, want %s and four characters", client, got, want)
		}
		if SessionName(client, "one") != got || SessionName(client, "two") == got {
			t.Errorf("%q: the name does not follow the session", client)
		}
	}
}

// TestDefaultNames: sessions without a configured name have names of their own. The name of a
// host's session outlives the server.
func TestDefaultNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	first, second := newSession(t, path, "", "host-1"), newSession(t, path, "", "host-2")
	first.ok("write_item", `{"name":"One"}`)
	first.ok("write_item", `{"name":"Two"}`)
	mine := first.claims(`{}`)
	if mine.Item.Agent != SessionName("", "host-1") {
		t.Errorf("claimed as %q", mine.Item.Agent)
	}
	if theirs := second.claims(`{}`); theirs.Item.StoryID == mine.Item.StoryID || theirs.Item.Agent == mine.Item.Agent || theirs.Warning != "" {
		t.Errorf("the second session claimed %+v", theirs)
	}
	want(t, second.fails("claim_item", `{"story_id":"1_story_one"}`), "holds it and the lease ends in")
	again := newSession(t, path, "", "host-1") // started anew beside the first
	want(t, again.fails("write_item", `{"story_id":"1_story_one","description":"x"}`), "is not yours")
	again.ok("write_item", `{"story_id":"1_story_one","description":"x","claim":"`+mine.Claim+`"}`)
}

// TestNamesakes: a session is not told to leave a story to itself when another session has its name.
func TestNamesakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	first, second := newSession(t, path, "coder-1", ""), newSession(t, path, "coder-1", "")
	first.ok("write_item", `{"name":"One"}`)
	won := first.claims(`{}`)
	want(t, second.fails("bump_retry", `{"story_id":"1"}`),
		`is not yours: another session with your name "coder-1" holds it`, "if you claimed it, give claim as claim_item answered it; else leave it to that session")
	want(t, second.fails("claim_item", `{"story_id":"1"}`), `is not free: another session with your name "coder-1" holds it`, "take a name of your own")
	want(t, second.fails("release_item", `{"story_id":"1","agent":"coder-2"}`), `agent "coder-1" holds it`, "leave it to that agent")
	second.ok("bump_retry", `{"story_id":"1","claim":"`+won.Claim+`"}`)
}

// TestClaimsAreMarked: a claim is shown so that no rev is taken for it, and taken in both forms.
func TestClaimsAreMarked(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.ok("write_item", `{"name":"One"}`)
	won := h.claims(`{"agent":"sub"}`)
	if !regexp.MustCompile(`^c-[0-9a-f]{12}$`).MatchString(won.Claim) {
		t.Fatalf("the claim is shown as %q", won.Claim)
	}
	h.ok("write_item", `{"story_id":"1_story_one","name":"a","claim":"`+won.Claim+`"}`)
	h.ok("write_item", `{"story_id":"1_story_one","name":"b","claim":"`+strings.TrimPrefix(won.Claim, "c-")+`"}`)
	want(t, h.ok("read_item", `{"story_id":"1_story_one","history":1}`), `"agent":"sub","rev"`)
	if again := h.claims(`{"claim":"` + won.Claim + `"}`); !again.Renewed || again.Item.StoryID != "1_story_one" {
		t.Errorf("got %+v", again)
	}
	other := "0" + won.Item.Rev[1:]
	if other == won.Item.Rev {
		other = "1" + other[1:]
	}
	want(t, h.fails("write_item", `{"story_id":"1_story_one","name":"c","claim":"`+other+`"}`), "has ended, if it ever was one")
}

// TestSupervisor: an override takes a rev and a note, and the holder hears of it once: in its next
// write or its next claim.
func TestSupervisor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	coder, boss := newSession(t, path, "coder", ""), newSession(t, path, "boss", "")
	coder.ok("write_item", `{"name":"One"}`)
	coder.ok("write_item", `{"name":"Two"}`)
	cancel := func() {
		t.Helper()
		won := coder.claims(`{"story_id":"1_story_one"}`)
		cancelled := `{"story_id":"1_story_one","to":"6_archived","note":"no customer wants it"`
		want(t, boss.fails("advance_item", cancelled+"}"), `agent "coder" holds it`)
		want(t, boss.ok("advance_item", cancelled+`,"if_rev":"`+won.Item.Rev+`"}`), `"stage":"6_archived"`)
	}
	cancel()
	want(t, coder.fails("advance_item", `{"story_id":"1_story_one","to":"5_done"}`),
		`agent "boss" wrote stage 6_archived`, `with the note "no customer wants it"`, "stop working on it")
	coder.ok("advance_item", `{"story_id":"1_story_one","to":"1_backlog"}`) // now it knows
	cancel()
	won := coder.claims(`{}`)
	want(t, won.Warning, `of story "1_story_one" has ended: agent "boss" wrote stage 6_archived`)
	if won.Item.StoryID != "2_story_two" {
		t.Errorf("got %+v", won)
	}
	coder.ok("advance_item", `{"story_id":"2_story_two"}`)
	boss.ok("advance_item", `{"story_id":"1_story_one","to":"1_backlog"}`)

	// of the very story that it claims again, and again of the new claim
	cancel()
	boss.ok("advance_item", `{"story_id":"1_story_one","to":"1_backlog"}`)
	want(t, coder.claims(`{"story_id":"1_story_one"}`).Warning, `has ended: agent "boss" wrote stage 6_archived`)
	cancelAgain := coder.claims(`{"story_id":"1_story_one"}`)
	boss.ok("advance_item", `{"story_id":"1_story_one","to":"6_archived","note":"again","if_rev":"`+cancelAgain.Item.Rev+`"}`)
	want(t, coder.fails("advance_item", `{"story_id":"1_story_one","to":"5_done"}`), `with the note "again"`)
	if won := coder.claims(`{}`); won.Claimed || won.Warning != "" {
		t.Errorf("told again: %+v", won)
	}
}

// TestReleasedIsOfferedLast: the session does not get what it has just given back, while there is
// other work.
func TestReleasedIsOfferedLast(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.ok("write_item", `{"name":"One"}`)
	h.ok("write_item", `{"name":"Two"}`)
	first := h.claims(`{}`)
	h.ok("release_item", `{"story_id":"`+first.Item.StoryID+`","note":"not for me"}`)
	if next := h.claims(`{}`); next.Item.StoryID != "2_story_two" {
		t.Errorf("got %+v", next)
	}
	if next := h.claims(`{}`); next.Item.StoryID != first.Item.StoryID {
		t.Errorf("got %+v", next)
	}
}

// TestModernClientsHaveNames: where there is no handshake the name comes from the request.
func TestModernClientsHaveNames(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "x")
	args := map[string]any{
		"name": "write_item", "arguments": json.RawMessage(`{"name":"One"}`),
		"_meta": map[string]any{mcp.MetaKeyClientInfo: map[string]any{"name": "New Host", "version": "1"}},
	}
	h.request("tools/call", args)
	if won := h.claims(`{}`); won.Item.Agent != SessionName("new-host", "x") {
		t.Errorf("claimed as %q", won.Item.Agent)
	}
}

// TestCodexTellsItsThread: Codex tells its servers the ID of its session with each call, and its shells
// by a variable. Both give one name.
func TestCodexTellsItsThread(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.request("tools/call", map[string]any{
		"name": "write_item", "arguments": json.RawMessage(`{"name":"One"}`),
		"_meta": map[string]any{mcp.MetaKeyClientInfo: map[string]any{"name": "codex-mcp-client", "version": "1"}, "threadId": "019d"},
	})
	id, client := hosts.Session(func(name string) string { return map[string]string{"CODEX_THREAD_ID": "019d"}[name] })
	if won := h.claims(`{}`); won.Item.Agent != SessionName(client, id) || client == "" {
		t.Errorf("claimed as %q, commands work as %q", won.Item.Agent, SessionName(client, id))
	}
}

// TestWordsForNobody: a model that fills every argument does not work under the name null, and two
// agents do not share the name me.
func TestWordsForNobody(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.ok("write_item", `{"name":"One"}`)
	for _, name := range []string{"null", "None", "undefined", "nil", "me", "Self"} {
		want(t, h.fails("claim_item", `{"agent":"`+name+`"}`), "is not a name", "leave agent out")
	}
}

// TestModelsReadLittle: what a model reads of the tools stays small, since every session pays for
// it.
func TestModelsReadLittle(t *testing.T) {
	size := 0
	for _, tl := range all() {
		def, err := tl.mcpTool()
		if err != nil {
			t.Fatal(err)
		}
		schema, err := compactJSON(def.RawInputSchema)
		if err != nil {
			t.Fatal(err)
		}
		size += len(def.Name) + len(def.Description) + len(schema)
	}
	if size > 8192 {
		t.Errorf("names, descriptions and input schemas have %d bytes, at most 8192 are allowed", size)
	}
	if n := len(instructions(Names(), "")); n > 2048 {
		t.Errorf("the instructions have %d bytes, and hosts cut them at 2048", n)
	}
}

// TestSubAgentsGiveTheirClaim: a tool that takes no agent says what a sub-agent gives instead.
func TestSubAgentsGiveTheirClaim(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.ok("write_item", `{"name":"One"}`)
	h.ok("claim_item", `{"story_id":"1","agent":"sub-a"}`)
	for tool, args := range map[string]string{"bump_retry": ``, "set_blocked": `,"blocked":true`, "delete_item": ``} {
		want(t, h.fails(tool, `{"story_id":"1","agent":"sub-a"`+args+`}`), tool+` has no argument "agent": a sub-agent gives claim here, as claim_item answered it`)
	}
}

// TestFinishedStoriesAreMovedByID: who looks for work among finished stories hears how they are moved.
func TestFinishedStoriesAreMovedByID(t *testing.T) {
	h := newSession(t, filepath.Join(t.TempDir(), "p.db"), "", "")
	h.ok("write_item", `{"name":"One","stage":"5_done"}`)
	want(t, h.ok("claim_item", `{"stage":"5_done"}`), `"claimed":false,"reason":"no story in 5_done can be claimed: 1 finished (1_story_one); advance_item moves one on if you give the arguments story_id and to"`)
	want(t, h.ok("advance_item", `{"story_id":"1","to":"archived"}`), `"stage":"6_archived"`)
}
