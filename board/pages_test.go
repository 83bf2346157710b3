package board_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/pipeline"
)

var cardID = regexp.MustCompile(`id="c-([^"]+)"`)

// cards returns the IDs of the cards on a page, with blanks between.
func cards(page string) string {
	var ids []string
	for _, m := range cardID.FindAllStringSubmatch(page, -1) {
		ids = append(ids, m[1])
	}
	return strings.Join(ids, " ")
}

// TestFilters: the board shows the stories that are chosen by words, agent, stage, type and state, and done ones
// when asked.
func TestFilters(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_story_parser", pipeline.Changes{Name: ptr("Write the parser")})
	s.add("2_bug_login", pipeline.Changes{Name: ptr("Fix the login"), Description: ptr("The parser fails")})
	s.add("3_spike_search", pipeline.Changes{})
	s.add("4_story_done", pipeline.Changes{Stage: ptr(pipeline.Done)})
	s.claim("coder-1", "2_bug_login")
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("3_spike_search", true, ptr("why")); return err })
	in := newClient(s)
	for query, want := range map[string]string{
		"": "1_story_parser 3_spike_search 2_bug_login", "q=parser": "1_story_parser 2_bug_login", "agent=coder-1": "2_bug_login",
		"type=bug": "2_bug_login", "type=story": "1_story_parser", "state=blocked": "3_spike_search", "state=ready": "1_story_parser", "stage=2_current": "2_bug_login",
		"open=5_done": "1_story_parser 3_spike_search 2_bug_login 4_story_done", "stage=5_done": "4_story_done", "q=parser&type=bug&agent=coder-1": "2_bug_login",
		"q=%20": "1_story_parser 3_spike_search 2_bug_login", "stage=nowhere&open=x": "1_story_parser 3_spike_search 2_bug_login", "q=zzz": "",
	} {
		if _, page := in.get("/?" + query); cards(page) != want {
			t.Errorf("%s: got %q, want %q", query, cards(page), want)
		}
	}
	if status, text := in.get("/cards?column=1_backlog&after=zz"); status == 200 {
		t.Errorf("a place that is none: got %s", text)
	}
}

// TestActivity: what happened is told page by page, the last first, and nothing twice or left out.
func TestActivity(t *testing.T) {
	s := newSite(t, nil)
	for i := range 70 {
		s.add(fmt.Sprintf("%d_s", i+1), pipeline.Changes{})
	}
	s.claim("coder-1", "7_s")
	s.do("coder-1", func(tx *pipeline.Tx) error { return tx.AddNote("7_s", nil, "half done") })
	in := newClient(s)
	events := func(page string) int { return strings.Count(page, `<li class="event`) }
	_, first := in.get("/activity")
	if events(first) != 60 || strings.Index(first, "half done") > strings.Index(first, "claimed 7 into Current") {
		t.Errorf("the first page has %d events:\n%s", events(first), first)
	}
	_, after, _ := strings.Cut(first, `rel="next" href="`)
	next, _, _ := strings.Cut(after, `"`)
	if _, second := in.get(next); events(second) != 12 || strings.Contains(second, `rel="next"`) {
		t.Errorf("the second page has %d events", events(second))
	}
	for query, want := range map[string]int{"agent=coder-1": 2, "story=7": 3, "story=%237": 3, "story=7_s&kind=noted": 1, "kind=claimed": 1, "kind=deleted": 0, "agent=nobody": 0} {
		if _, page := in.get("/activity?" + query); events(page) != want {
			t.Errorf("%s: got %d events, want %d", query, events(page), want)
		}
	}
}

// TestSinceLastLook: the activity has a line between what is new and what this browser has shown before.
func TestSinceLastLook(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/activity"))
	b.live()
	b.run(chromedp.Navigate(s.url + "/"))
	s.add("4_d", pipeline.Changes{})
	b.run(chromedp.Navigate(s.url + "/activity"))
	b.live()
	b.until(`document.querySelector(".since")?.previousElementSibling.innerText.includes("added 4") && document.querySelectorAll(".since ~ .event").length === 3`)
	s.add("5_e", pipeline.Changes{})
	b.until(`document.querySelector(".event").innerText.includes("added 5")`)
}

// TestLooks: what waits for a person is written in one size, the way out of a filter is there when there is one, and
// the texts of charts can be read on a phone.
func TestLooks(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", true, ptr("why")); return err })
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.BumpRetry("2_b", 3, 3); return err })
	s.claim("coder-1", "3_c")
	b := open(t, s.token("/"), size(1280, 800))
	b.live()
	if sizes := js[string](b, `[...document.querySelectorAll("#needs li")].map((e) => getComputedStyle(e).fontSize).join(" ")`); sizes != "15px 15px" {
		t.Errorf("the rows have the sizes %s", sizes)
	}
	out := `document.querySelector(".filter .all").offsetParent`
	if js[bool](b, "!!"+out) {
		t.Error("there is a way out of a filter that is not there")
	}
	b.run(chromedp.SetValue("#filter [name=type]", "bug"))
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#filter [name=type]").dispatchEvent(new Event("input", { bubbles: true }))`))
	b.until(out)
	b.run(size(390, 800), chromedp.Navigate(s.url+"/charts"))
	b.until(`document.querySelectorAll(".chart text").length`)
	if small := js[float64](b, `Math.min(...[...document.querySelectorAll(".chart text")].map((e) => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getBoundingClientRect().width / 720))`); small < 8 {
		t.Errorf("a text of a chart is %.1f pixels large", small)
	}
	if wide := js[int](b, `document.documentElement.scrollWidth`); wide > 390 {
		t.Errorf("the charts are %d pixels wide", wide)
	}
}

// TestVerified: the history shows whose signatures fit.
func TestVerified(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	if _, page := newClient(s).get("/story/1"); !strings.Contains(page, "✓ verified") {
		t.Errorf("got\n%s", page)
	}
}

// TestArchivedIsNoTrouble: a dependency that is archived is no warning for a person.
func TestArchivedIsNoTrouble(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{Stage: ptr(pipeline.Archived)})
	s.add("2_b", pipeline.Changes{DependsOn: &[]uint32{1}})
	s.add("3_c", pipeline.Changes{DependsOn: &[]uint32{9}})
	in := newClient(s)
	for id, want := range map[string]bool{"2_b": false, "3_c": true} {
		if _, page := in.get("/story/" + id); strings.Contains(page, "Warning:") != want {
			t.Errorf("%s: got\n%s", id, page)
		}
	}
}

// TestBeside: a story's page leads to the stories before and after it in its stage.
func TestBeside(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	_, page := newClient(s).get("/story/2_b")
	if !strings.Contains(page, `rel="prev" href="/story/1_a"`) || !strings.Contains(page, `rel="next" href="/story/3_c"`) {
		t.Errorf("got\n%s", page)
	}
}

// TestNeedsSince: what waits for a person says since when it waits, however often the story was changed since.
func TestNeedsSince(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.doAgo(3*time.Hour, "x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", true, ptr("why")); return err })
	s.do("y", func(tx *pipeline.Tx) error { return tx.AddNote("1_a", nil, "still") })
	in := newClient(s)
	for path, want := range map[string]string{"/": `</b> why</span> <small><time data-t="\d+" class="a1">3h`, "/story/1": `<b>Blocked</b> for <time data-t="\d+" class="a1">3h`} {
		if _, page := in.get(path); !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("%s: got\n%s", path, page)
		}
	}
}

// TestQuietAgent: an agent that holds a story and writes nothing is called quiet, with what that means, also when its
// last op lies behind those that the board looks at.
func TestQuietAgent(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.doAgo(2*time.Hour, "coder-1", func(tx *pipeline.Tx) error {
		_, err := tx.Claim("1_a", s.session.ClaimOptions("coder-1", 24*3600))
		return err
	})
	quiet := regexp.MustCompile(`title="It holds a story, and has written nothing for 20m[^"]*">quiet <time data-t="\d+" class="a1">2h<`)
	in := newClient(s)
	if _, page := in.get("/"); !quiet.MatchString(page) || !strings.Contains(page, "<dt>quiet</dt>") {
		t.Errorf("got\n%s", page)
	}
	err := s.agents.UpdateAll(t.Context(), "planner", func(*pipeline.State) (all []func(*pipeline.Tx) error, _ error) {
		for i := range 410 {
			all = append(all, func(tx *pipeline.Tx) error { return tx.AddNote("2_b", nil, fmt.Sprint(i)) })
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.restart() // nothing is remembered
	if _, page := in.get("/"); !quiet.MatchString(page) || !strings.Contains(page, "nothing written of late") {
		t.Errorf("with 410 ops of others since: got\n%s", page)
	}
}

// TestCameLate: a change that another machine made earlier stands among what is new, and says when it came here.
func TestCameLate(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	other := newReplicaBy(t, filepath.Join(t.TempDir(), "other.db"), func() time.Time { return time.Now().Add(-3 * time.Hour) })
	_, err := other.Update(t.Context(), "bob", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("2_b", pipeline.Changes{Stage: ptr(pipeline.Backlog)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ops, _, err := other.OpsAfter(t.Context(), 0, 10)
	if err == nil {
		_, err = s.agents.Admit(t.Context(), ops)
	}
	if err != nil {
		t.Fatal(err)
	}
	_, page := newClient(s).get("/activity")
	_, list, _ := strings.Cut(page, `id="events"`)
	first, second, _ := strings.Cut(list, "</li>")
	if !strings.Contains(first, "bob") || !strings.Contains(first, "came here <time") || strings.Contains(second, "came here") {
		t.Errorf("got\n%s", list)
	}
}

// TestSessionEnds: a claim that lasts as long as a session says so, and that it lapses when the session has ended.
func TestSessionEnds(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.claim("coder-1", "1_a")
	in := newClient(s)
	look := func(path, want string) {
		t.Helper()
		if _, page := in.get(path); !strings.Contains(page, want) {
			t.Errorf("%s: there is no %q on\n%s", path, want, page)
		}
	}
	look("/", "held while it runs")
	look("/story/1", "the claim lasts while its session lives")
	look("/story/1", "coder-1 has it while its session lives. Its claim ends now.")
	s.session.Close()
	look("/", ">session ended</span>")
	look("/", "lapses in <time")
	look("/story/1", "since its session has ended")
	look("/story/1", "coder-1 has it for another ")
}
