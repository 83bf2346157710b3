package board_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// said is what the board answers to the script.
type said struct {
	Said  string `json:"said"`
	ID    string `json:"id"`
	Error string `json:"error"`
	Next  string `json:"next"`
	Code  string `json:"code"`
	Rev   string `json:"rev"`
	Field string `json:"field"`
	Was   string `json:"was"`
	Undo  *struct {
		URL    string            `json:"url"`
		Fields map[string]string `json:"fields"`
	} `json:"undo"`
	Theirs string `json:"theirs"`
}

// deed does something and returns what is said of it.
func (c *client) deed(path string, fields map[string]string) (status int, out said) {
	c.s.t.Helper()
	status, text := c.post(path, fields)
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		c.s.t.Fatalf("%s: %d %s: %v", path, status, text, err)
	}
	return status, out
}

// must does something that is not refused.
func (c *client) must(path string, fields map[string]string) said {
	c.s.t.Helper()
	status, out := c.deed(path, fields)
	if status != http.StatusOK {
		c.s.t.Fatalf("%s %v: got %d %+v", path, fields, status, out)
	}
	return out
}

// undo takes something back.
func (c *client) undo(of said) {
	c.s.t.Helper()
	if of.Undo == nil {
		c.s.t.Fatalf("%q cannot be undone", of.Said)
	}
	c.must(of.Undo.URL, of.Undo.Fields)
}

func TestMove(t *testing.T) {
	s := newSite(t, nil)
	for _, id := range []string{"1_a", "2_b", "3_c"} {
		s.add(id, pipeline.Changes{})
	}
	in := newClient(s)
	check := func(backlog, qa string) {
		t.Helper()
		if got := [2]string{s.order(pipeline.Backlog), s.order(pipeline.QA)}; got != [2]string{backlog, qa} {
			t.Errorf("got %q, want %q and %q", got, backlog, qa)
		}
	}
	first := in.must("/story/3_c/move", map[string]string{"place": "before:1_a"})
	check("3_c 1_a 2_b", "")
	in.undo(first)
	check("1_a 2_b 3_c", "")
	in.must("/story/1_a/move", map[string]string{"place": "last"})
	check("2_b 3_c 1_a", "")
	second := in.must("/story/3_c/move", map[string]string{"stage": "3_qa"})
	check("2_b 1_a", "3_c")
	in.undo(second)
	check("2_b 3_c 1_a", "")
	in.must("/story/1_a/move", map[string]string{"stage": "3_qa"})
	in.must("/story/3_c/move", map[string]string{"stage": "3_qa", "place": "before:1_a"})
	check("2_b", "3_c 1_a")
	for place, want := range map[string]int{"before:9_x": 404, "beside": 422, "before:../x": 422, "before:3_c": 422} {
		if status, out := in.deed("/story/3_c/move", map[string]string{"place": place}); status != want || out.Error == "" {
			t.Errorf("place %s: got %d %+v", place, status, out)
		}
	}
	if status, out := in.deed("/story/3_c/move", map[string]string{"stage": "7_x"}); status != 422 || !strings.Contains(out.Error, "7_x") {
		t.Errorf("got %d %+v", status, out)
	}
	check("2_b", "3_c 1_a")
}

func TestBlock(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	in := newClient(s)
	if status, out := in.deed("/story/1_a/block", map[string]string{"reason": " "}); status != 422 || out.Field != "reason" {
		t.Errorf("without a reason: got %d %+v", status, out)
	}
	blocked := in.must("/story/1_a/block", map[string]string{"reason": "waits for the design"})
	if st := s.story("1_a"); !st.Blocked || st.BlockedReason != "waits for the design" {
		t.Errorf("got %+v", st)
	}
	if status, out := in.deed("/story/1_a/move", map[string]string{"stage": "3_qa"}); status != 409 || !strings.Contains(out.Error, "waits for the design") || !strings.Contains(out.Next, "Unblock") {
		t.Errorf("moving a blocked story: got %d %+v", status, out)
	}
	in.undo(blocked)
	if s.story("1_a").Blocked {
		t.Error("it is still blocked")
	}
	in.must("/story/1_a/block", map[string]string{"reason": "again"})
	in.undo(in.must("/story/1_a/unblock", nil))
	if st := s.story("1_a"); st.BlockedReason != "again" {
		t.Errorf("got %+v", st)
	}
}

// TestTake: what an agent holds is changed only by a person who has seen so and says why; the agent then
// finds the reason.
func TestTake(t *testing.T) {
	s := newSite(t, nil)
	in := newClient(s)
	for _, id := range []string{"1_a", "2_b", "3_c", "4_d"} {
		s.add(id, pipeline.Changes{})
		s.claim("coder-1", id)
	}
	status, out := in.deed("/story/1_a/move", map[string]string{"stage": "5_done"})
	if status != 409 || out.Code != "held" || !strings.Contains(out.Error, "coder-1") || out.Rev == "" {
		t.Fatalf("got %d %+v", status, out)
	}
	if st := s.story("1_a"); st.Stage != pipeline.Current {
		t.Errorf("a refused move left it in %s", st.Stage)
	}
	in.must("/story/1_a/move", map[string]string{"stage": "5_done", "override": "1", "rev": out.Rev, "why": "I did it myself"})
	if st := s.story("1_a"); st.Stage != pipeline.Done || st.Agent != "" {
		t.Errorf("got %+v", st)
	}
	rev := s.story("2_b").Rev.String()
	if status, out := in.deed("/story/2_b/take", map[string]string{"override": "1", "rev": rev, "why": ""}); status != 422 || out.Field != "why" {
		t.Errorf("without a reason: got %d %+v", status, out)
	}
	in.must("/story/2_b/take", map[string]string{"override": "1", "rev": rev, "why": "stop this", "then": "block"})
	if st := s.story("2_b"); st.Agent != "" || st.BlockedReason != "stop this" || st.Stage != pipeline.Backlog {
		t.Errorf("got %+v", st)
	}
	in.must("/story/3_c/take", map[string]string{"override": "1", "rev": s.story("3_c").Rev.String(), "why": "mine", "then": "keep"})
	if st := s.story("3_c"); st.Agent != "ann" || st.Claim == nil {
		t.Errorf("got %+v", st)
	}
	if out := in.must("/story/3_c/release", nil); out.Said != "3 is back in Backlog: an agent can take it." {
		t.Errorf("got %q", out.Said)
	}
	// Who decided on a state that is gone has to decide again.
	rev = s.story("4_d").Rev.String()
	s.do("coder-1", func(tx *pipeline.Tx) error { return tx.AddNote("4_d", nil, "nearly done") })
	if status, out := in.deed("/story/4_d/take", map[string]string{"override": "1", "rev": rev, "why": "stop"}); status != 409 || out.Code != "conflict" {
		t.Errorf("got %d %+v", status, out)
	}
	err := s.agents.View(t.Context(), func(v *replica.View) error {
		for id, want := range map[string]string{"1_a": "I did it myself", "2_b": "stop this", "3_c": "mine"} {
			if notes, _ := v.Notes(id, 1); len(notes) != 1 || notes[0].Text != want || notes[0].Agent != "ann" {
				t.Errorf("%s has the notes %+v, want %q", id, notes, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestEditTwice: of two people who edit one text the second is told what the first wrote, and nothing is lost.
func TestEditTwice(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{Name: ptr("one"), Description: ptr("a\nb")})
	in := newClient(s)
	_, page := in.get("/story/1_a")
	was := func(field string) string {
		_, after, _ := strings.Cut(page, `name="was_`+field+`" value="`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	form := func(name, text string) map[string]string {
		return map[string]string{"name": name, "description": text, "was_name": was("name"), "was_description": was("description"), "was_depends": was("depends")}
	}
	first := in.must("/story/1_a/edit", form("one", "a\r\nb\r\nc"))
	if st := s.story("1_a"); st.Description != "a\nb\nc" || st.Name != "one" {
		t.Fatalf("got %+v", st)
	}
	in.must("/story/1_a/edit", form("two", "a\r\nb")) // only the name: no conflict
	status, out := in.deed("/story/1_a/edit", form("two", "mine"))
	if status != 409 || out.Field != "description" || out.Theirs != "a\nb\nc" {
		t.Fatalf("got %d %+v", status, out)
	}
	again := form("two", "mine and a b c")
	again["was_description"] = out.Was
	in.must("/story/1_a/edit", again)
	if st := s.story("1_a"); st.Description != "mine and a b c" || st.Name != "two" {
		t.Errorf("got %+v", st)
	}
	if status, _ := in.deed(first.Undo.URL, first.Undo.Fields); status != 409 {
		t.Errorf("an undo of what others changed since: got %d", status)
	}
	depends := form("two", "mine and a b c")
	depends["was_name"], depends["was_description"], depends["depends"] = "", "", "7, #8"
	in.must("/story/1_a/edit", depends)
	if st := s.story("1_a"); len(st.DependsOn) != 2 {
		t.Errorf("got %v", st.DependsOn)
	}
}

// TestDependenciesTwice: a dependency that somebody else added meanwhile is not taken out by a form that does not
// show it.
func TestDependenciesTwice(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	in := newClient(s)
	_, page := in.get("/story/1_a")
	_, was, _ := strings.Cut(page, `name="was_depends" value="`)
	was, _, _ = strings.Cut(was, `"`)
	s.do("coder", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("1_a", pipeline.Changes{DependsOn: &[]uint32{3}})
		return err
	})
	form := map[string]string{"depends": "5, #4", "was_depends": was}
	status, out := in.deed("/story/1_a/edit", form)
	if got := s.story("1_a").DependsOn; status != 409 || out.Field != "depends" || out.Theirs != "3" || len(got) != 1 {
		t.Fatalf("got %d %+v, and it depends on %v", status, out, got)
	}
	form["was_depends"] = out.Was
	done := in.must("/story/1_a/edit", form)
	if got := s.story("1_a").DependsOn; len(got) != 2 {
		t.Errorf("it depends on %v", got)
	}
	in.undo(done)
	if got := s.story("1_a").DependsOn; len(got) != 1 || got[0] != 3 {
		t.Errorf("after the undo it depends on %v", got)
	}
}

func TestAddDeleteRestore(t *testing.T) {
	s := newSite(t, nil)
	in := newClient(s)
	if status, out := in.deed("/add", map[string]string{"name": "  ", "stage": "1_backlog"}); status != 422 || out.Field != "name" {
		t.Errorf("got %d %+v", status, out)
	}
	in.must("/add", map[string]string{"name": "Fix the login", "stage": "1_backlog", "type": "bug", "depends": "3", "description": "a\r\nb"})
	added := in.must("/add", map[string]string{"name": "First", "stage": "1_backlog", "place": "first", "type": "story"})
	if got := s.order(pipeline.Backlog); got != "2_story_first 1_bug_fix_the_login" {
		t.Errorf("got %s", got)
	}
	if st := s.story("1_bug_fix_the_login"); st.Description != "a\nb" || len(st.DependsOn) != 1 {
		t.Errorf("got %+v", st)
	}
	in.undo(added)
	gone := in.must("/story/1_bug_fix_the_login/delete", nil)
	if got := s.order(pipeline.Backlog); got != "" {
		t.Errorf("got %s", got)
	}
	if status, page := in.get("/story/1_bug_fix_the_login"); status != http.StatusGone || !strings.Contains(page, "/story/1_bug_fix_the_login/restore") {
		t.Errorf("a deleted story: got %d:\n%s", status, page)
	}
	in.undo(gone)
	if got := s.order(pipeline.Backlog); got != "1_bug_fix_the_login" {
		t.Errorf("got %s", got)
	}
}

// TestWithoutScript: a form of a page without the script leads to a page.
func TestWithoutScript(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	in := newClient(s)
	in.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for path, want := range map[string]int{"/story/1_a/note": 303, "/story/1_a/block": 422, "/story/9_x/note": 404, "/story/1_a/nothing": 404} {
		status, page := in.send(http.MethodPost, path, url.Values{"form": {in.form}, "note": {"x"}}, map[string]string{"Origin": s.url})
		if status != want || want > 400 && !strings.Contains(page, "<h1>") {
			t.Errorf("%s: got %d:\n%s", path, status, page)
		}
	}
}

const evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\u202eevil\u2066\u200b \x1b[31m [x](javascript:alert(1)) ![i](http://evil.example.org/x.png) <svg/onload=alert(1)> \"'`{{.}}"

// TestHostile: what anybody wrote into any field is text on every page, without hidden characters.
func TestHostile(t *testing.T) {
	s := newSite(t, func(c *board.Config) { c.Project = evil })
	long := strings.Repeat("W", 250)
	name := evil[:min(len(evil), 200)]
	s.add("1_story_evil", pipeline.Changes{Name: &name, Description: ptr(evil + "\n\n# h\n\n" + strings.Repeat("x", 31<<10)), Agent: ptr("\"><script>x</script>")})
	s.add("2_story_long", pipeline.Changes{Name: &long, DependsOn: &[]uint32{1}})
	s.do("<b>x</b>", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_story_evil", true, ptr(evil)); return err })
	s.do("<b>x</b>", func(tx *pipeline.Tx) error { return tx.AddNote("1_story_evil", nil, evil) })
	in := newClient(s)
	for _, path := range []string{"/", "/story/1_story_evil", "/story/2_story_long", "/story/1_story_evil/menu", "/activity", "/charts", "/cards?column=1_backlog", "/?q=" + url.QueryEscape(evil[:100]), "/activity?story=" + url.QueryEscape(evil)} {
		status, page := in.get(path)
		if status != http.StatusOK {
			t.Errorf("%s: got %d", path, status)
		}
		for _, bad := range []string{"<script>", "<img src=x", "<svg/", "<b>x</b>", "\u202e", "\u2066", "\x1b", `href="javascript`, `src="http`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
	}
}
