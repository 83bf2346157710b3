package board_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// after adds a story that depends on others.
func (s *site) after(id string, numbers ...uint32) {
	s.t.Helper()
	s.add(id, pipeline.Changes{DependsOn: &numbers})
}

var drawnID = regexp.MustCompile(`data-id="([^"]*)"`)

// drawn returns the drawing of a page, and the IDs of its stories, sorted.
func drawn(page string) (svg, ids string) {
	_, svg, _ = strings.Cut(page, `<div class="graph">`)
	svg, _, _ = strings.Cut(svg, `</svg></div>`)
	var all []string
	for _, m := range drawnID.FindAllStringSubmatch(svg, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return svg, strings.Join(all, " ")
}

// TestGraph: the drawing goes to both sides as far as the reader wants, and says whether there is more.
func TestGraph(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{Stage: ptr(pipeline.Done)})
	s.after("2_b", 1)
	s.after("3_c", 2)
	s.after("4_d", 3)
	s.after("5_e", 4)
	s.after("6_f", 5, 3)
	s.after("7_g", 6)
	s.after("8_beside", 2) // comes after one that 4 comes after, so it is not near 4
	s.after("9_alone")
	in := newClient(s)
	for _, c := range []struct{ query, ids string }{
		{"", "3_c 4_d 5_e"},
		{"?depth=1", "3_c 4_d 5_e"},
		{"?depth=2", "2_b 3_c 4_d 5_e 6_f"},
		{"?depth=3", "1_a 2_b 3_c 4_d 5_e 6_f 7_g"},
		{"?depth=all", "1_a 2_b 3_c 4_d 5_e 6_f 7_g"},
		{"?depth=-1", "3_c 4_d 5_e"},
	} {
		_, page := in.get("/story/4" + c.query) // and the number leads to the story with the rest of the address
		svg, ids := drawn(page)
		if ids != c.ids {
			t.Errorf("%q: got the stories %q, want %q", c.query, ids, c.ids)
		}
		if more := strings.Contains(page, "There are more stories further away."); more != !strings.Contains(ids, "7_g") {
			t.Errorf("%q: says %v that there are more", c.query, more)
		}
		if n := strings.Count(svg, `aria-current="true"`); n != 1 {
			t.Errorf("%q: %d stories are that of the page", c.query, n)
		}
		if strings.Contains(svg, "style=") || strings.Contains(svg, "line back") {
			t.Errorf("%q: got %s", c.query, svg)
		}
	}
	_, page := in.get("/story/4?depth=all")
	svg, _ := drawn(page)
	if !strings.Contains(svg, `href="/story/6_f?depth=all"`) || strings.Count(svg, `class="line`) != 7 {
		t.Errorf("no links that keep the distance, or not 7 lines: %s", svg)
	}
	for class, n := range map[string]int{`"line met"`: 1, `"line open"`: 4, `"line open own"`: 2, `"box done"`: 1, `"box backlog waiting own"`: 1, `"box backlog ready"`: 1} {
		if got := strings.Count(svg, class); got != n {
			t.Errorf("%d parts have the class %s, want %d", got, class, n)
		}
	}
	if _, page := in.get("/story/9"); strings.Contains(page, "<svg") || !strings.Contains(page, "no story depends on it") {
		t.Error("a story that stands alone has a drawing")
	}
}

// TestGraphStates: blocked and missing stories stand out, and a long name is cut but whole in the title.
func TestGraphStates(t *testing.T) {
	s := newSite(t, nil)
	name := "A name that is so long that no box of any drawing has room for all of it"
	s.add("1_a", pipeline.Changes{Name: &name})
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", true, ptr("why")); return err })
	s.after("2_b", 1, 77)
	s.add("strange-id-without-a-number", pipeline.Changes{Stage: ptr(pipeline.Current), DependsOn: &[]uint32{2}})
	_, page := newClient(s).get("/story/2_b")
	svg, _ := drawn(page)
	for _, want := range []string{
		`class="box backlog blocked"`, `class="box missing"`, "<title>77: there is no such story</title>",
		"<title>1: " + name + " (Backlog, blocked)</title>", ">A name that is so long<", ">that no box of any dr…<",
		`class="box current waiting"`, ">strange-i…<",
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the drawing has no %q:\n%s", want, svg)
		}
	}
}

// TestGraphCircle: stories that depend on each other, as merges can make them, are drawn, and the circle is
// pointed out.
func TestGraphCircle(t *testing.T) {
	s, far := newSite(t, nil), newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	s.after("2_b", 1)
	s.add("3_c", pipeline.Changes{})
	send(t, s.agents, far.agents)
	s.after("3_c", 2)
	far.after("1_a", 3)
	send(t, far.agents, s.agents)
	s.after("4_d", 1)
	_, page := newClient(s).get("/story/2_b?depth=all")
	svg, ids := drawn(page)
	if ids != "1_a 2_b 3_c 4_d" || strings.Count(svg, `"line back"`) != 1 || strings.Count(svg, `class="line`) != 4 {
		t.Errorf("got %s", svg)
	}
	if !strings.Contains(page, "closes a circle") {
		t.Error("the page does not say that there is a circle")
	}
}

// send sends all ops of one replica to another.
func send(t *testing.T, from, to *replica.Replica) {
	t.Helper()
	var lines []byte
	_, err := from.Export(t.Context(), nil, func(op crdt.SignedOp) error {
		lines = bundle.AppendLine(lines, op)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Import(t.Context(), bundle.NewReader(strings.NewReader(string(lines))), nil); err != nil {
		t.Fatal(err)
	}
}

// TestGraphBound: where there are too many stories, the nearest are drawn, and the page says so.
func TestGraphBound(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	s.after("2_b", 1)
	s.after("3_c", 2)
	for i := range 310 {
		s.after(fmt.Sprintf("%d_d", i+10), 3)
	}
	s.after("900_far", 10)
	_, page := newClient(s).get("/story/3_c?depth=all")
	_, ids := drawn(page)
	if n := len(strings.Fields(ids)); n != 300 {
		t.Errorf("got %d stories, want 300", n)
	}
	if !strings.Contains(ids, "2_b") || strings.Contains(ids, "900_far") {
		t.Errorf("not the nearest stories: %s", ids)
	}
	if !strings.Contains(page, "These are the nearest 300 stories. There are more") {
		t.Error("the page does not say that there are more")
	}
}

// TestGraphInBrowser: a change of a story that is drawn is on the page, the story of the page is in sight, no text
// is wider than its box, and the keyboard reaches each story.
func TestGraphInBrowser(t *testing.T) {
	s := demoSite(t)
	b := open(t, s.token("/story/7?depth=all"), size(390, 800), scheme("light"))
	b.live()
	b.until(`(() => { const g = document.querySelector(".graph").getBoundingClientRect(), o = document.querySelector(".graph .box.own").getBoundingClientRect();
		return g.left <= o.left && o.right <= g.right && g.top <= o.top && o.bottom <= g.bottom })()`)
	if cut := js[int](b, `(() => { const m = document.querySelector("main"); return m.scrollHeight - m.clientHeight })()`); cut > 0 {
		t.Errorf("%d pixels of the page are cut off", cut)
	}
	wide := js[string](b, `[...document.querySelectorAll(".graph .box")].flatMap((box) => {
		const texts = [...box.querySelectorAll("text")].map((t) => t.getBBox()), [no, state] = texts;
		return texts.some((t) => t.x < 0 || t.x + t.width > 172) || no.x + no.width > state.x ? [box.textContent] : [] }).join("; ")`)
	if wide != "" {
		t.Errorf("the texts do not fit: %s", wide)
	}
	far := js[string](b, `document.querySelector('.graph [data-id^="39_"]').dataset.id`)
	s.do("x", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(far, pipeline.Changes{Name: ptr("Forget a person")})
		return err
	})
	b.until(`[...document.querySelectorAll(".graph title")].some((t) => t.textContent.includes("Forget a person"))`)
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector('.depths a:last-child').focus()`))
	b.key("\t")
	b.until(`document.activeElement === document.querySelector(".graph a")`)
	b.key("\r")
	b.until(`location.pathname.startsWith("/story/") && !location.pathname.startsWith("/story/7_") && location.search === "?depth=all"`)
}

// BenchmarkGraph is the page of a story with 300 others near it.
func BenchmarkGraph(b *testing.B) {
	s := newSite(b, nil)
	s.add("1_a", pipeline.Changes{})
	for i := 2; i <= 300; i++ {
		s.after(fmt.Sprintf("%d_s", i), uint32(max(1, i/3)), uint32(max(1, i-1-i%17)))
	}
	in := newClient(s)
	for _, depth := range []string{"1", "all"} {
		b.Run(depth, func(b *testing.B) {
			for b.Loop() {
				in.get("/story/1_a?depth=" + depth)
			}
		})
	}
}
