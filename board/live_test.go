package board_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// ids is an expression for the IDs of the cards of a stage, with blanks between.
func ids(stage pipeline.Stage) string {
	return fmt.Sprintf(`[...document.querySelectorAll("#s-%s .card")].map((c) => c.id.slice(2)).join(" ")`, stage)
}

// column waits until a stage has these cards on the page, in this order.
func (b *tab) column(stage pipeline.Stage, want string) {
	b.t.Helper()
	b.until(fmt.Sprintf("%s === %q", ids(stage), want))
}

// key presses keys.
func (b *tab) key(keys string, options ...chromedp.KeyOption) {
	b.t.Helper()
	b.run(chromedp.KeyEvent(keys, options...))
}

// three adds three stories.
func (s *site) three() {
	for _, id := range []string{"1_a", "2_b", "3_c"} {
		s.add(id, pipeline.Changes{Name: ptr("Story " + id)})
	}
}

// TestLive: what another process changes is on an open page: the card, its place, the counts, the agents, what
// waits for a person, the title.
func TestLive(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"))
	b.live()
	b.column(pipeline.Backlog, "1_a 2_b 3_c")
	s.claim("coder-1", "2_b")
	b.column(pipeline.Backlog, "1_a 3_c")
	b.column(pipeline.Current, "2_b")
	b.until(`document.querySelector("#agents").innerText.includes("coder-1") && document.querySelector("#agents .working")`)
	b.until(`document.querySelector("#head-1_backlog .count").textContent === "2"`)
	s.do("coder-1", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("3_c", true, ptr("needs a key")); return err })
	b.until(`document.title.startsWith("(1) ") && document.querySelector("#icon").href.endsWith("n=1") && document.querySelector("#needs").innerText.includes("needs a key")`)
	s.add("4_d", pipeline.Changes{Before: ptr(pipeline.First)})
	b.column(pipeline.Backlog, "4_d 1_a 3_c")
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Delete("1_a"); return err })
	b.column(pipeline.Backlog, "4_d 3_c")
}

// TestManyCards: a column shows a page of cards and more of them when asked; what changes far down stays out, and
// nothing is shown twice.
func TestManyCards(t *testing.T) {
	s := newSite(t, nil)
	err := s.agents.UpdateAll(t.Context(), "planner", func(*pipeline.State) (all []func(*pipeline.Tx) error, _ error) {
		for i := range 100 {
			all = append(all, func(tx *pipeline.Tx) error {
				c := pipeline.Changes{Stage: ptr(pipeline.Backlog)}
				if i == 80 {
					c.DependsOn = &[]uint32{1}
				}
				_, _, err := tx.Write(fmt.Sprintf("%d_s", i+1), c)
				return err
			})
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b := open(t, s.token("/"))
	b.live()
	count := `document.querySelectorAll("#s-1_backlog .card").length`
	if got := js[int](b, count); got != 30 {
		t.Errorf("the page begins with %d cards", got)
	}
	for _, id := range []string{"30_s", "90_s", "1_s"} {
		s.do("x", func(tx *pipeline.Tx) error { return tx.AddNote(id, nil, "far") })
	}
	b.until(`document.querySelector("#c-1_s").innerText.includes("1 note") && document.querySelector("#c-30_s").textContent.includes("1 note")`)
	if got := js[int](b, count); got != 30 {
		t.Errorf("the page has %d cards after changes", got)
	}
	s.do("x", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("95_s", pipeline.Changes{Before: ptr("2_s")})
		return err
	})
	b.until(`document.querySelector("#c-1_s").nextElementSibling.id === "c-95_s"`)
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#s-1_backlog .cards").scrollTop = 1e6`))
	b.until(count + " > 50")
	for range 4 {
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#s-1_backlog .cards").scrollTop = 1e6`), chromedp.Sleep(50*time.Millisecond))
	}
	b.until(count + " === 100")
	if got, want := js[string](b, ids(pipeline.Backlog)), s.order(pipeline.Backlog); got != want {
		t.Errorf("the page has\n%s\nwant\n%s", got, want)
	}
	b.run(chromedp.Focus("#c-81_s > a"))
	b.until(`(() => { const r = document.querySelector("#c-81_s .tip").getBoundingClientRect(); return document.elementFromPoint(r.x + 20, r.bottom - 4)?.closest(".tip"); })()`)
}

// at returns where the middle of an element is.
func (b *tab) at(selector string) (x, y float64) {
	b.t.Helper()
	p := js[[]float64](b, fmt.Sprintf(`(() => { const r = document.querySelector(%q).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, selector))
	return p[0], p[1]
}

// drag drags with the mouse from the middle of one element to a place above or below that of another.
func (b *tab) drag(from, to string, below float64) {
	b.t.Helper()
	x, y := b.at(from)
	toX, toY := b.at(to)
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMousePressed, x, y, chromedp.ButtonLeft, chromedp.ClickCount(1)))
	for i := range 5 {
		part := float64(i+1) / 5
		b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, x+(toX-x)*part, y+(toY+below-y)*part, chromedp.ButtonLeft))
	}
	b.run(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseReleased, toX, toY+below, chromedp.ButtonLeft, chromedp.ClickCount(1)))
}

// TestDrag: a card that is dragged is where it was dropped, for everybody; a refusal is said at the card.
func TestDrag(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"))
	b.live()
	b.drag("#c-3_c > a", "#c-1_a", -20)
	b.column(pipeline.Backlog, "3_c 1_a 2_b")
	if got := s.order(pipeline.Backlog); got != "3_c 1_a 2_b" {
		t.Errorf("the pipeline has %s", got)
	}
	b.drag("#c-1_a > a", "#s-3_qa .cards", 40) // below what the column holds
	b.column(pipeline.QA, "1_a")
	if path := js[string](b, "location.pathname"); path != "/" {
		t.Errorf("a drag opened %s", path)
	}
	b.until(`document.querySelector("#toasts").innerText.includes("1 is in QA, from Backlog")`)
	b.run(chromedp.Click("#toasts p:last-child button"))
	b.column(pipeline.Backlog, "3_c 1_a 2_b")
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("2_b", true, ptr("later")); return err })
	b.until(`document.querySelector("#c-2_b.blocked")`)
	b.drag("#c-2_b > a", "#s-3_qa .cards", 0)
	b.until(`document.querySelector("#c-2_b .problem[role=alert]")?.innerText.includes("Unblock it first")`)
	b.column(pipeline.Backlog, "3_c 1_a 2_b")
}

// TestTouch: a finger that rests on a card lifts it and drops it elsewhere; one that moves at once scrolls.
func TestTouch(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"))
	b.live()
	touch := func(kind input.DispatchTouchEventType, x, y float64) {
		t.Helper()
		points := []*input.TouchPoint{{X: x, Y: y}}
		if kind == input.DispatchTouchEventTypeTouchEnd {
			points = []*input.TouchPoint{}
		}
		b.run(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.DispatchTouchEvent, input.DispatchTouchEventParams{Type: kind, TouchPoints: points})
			return err
		}))
	}
	swipe := func(rests bool) {
		t.Helper()
		list := `#s-1_backlog .cards > `
		x, y := b.at(list + ":last-child > a")
		toX, toY := b.at(list + ":first-child")
		touch(input.DispatchTouchEventTypeTouchStart, x, y)
		if rests {
			b.until(`document.querySelector(".ghost")`)
		}
		for i := range 5 {
			part := float64(i+1) / 5
			touch(input.DispatchTouchEventTypeTouchMove, x+(toX-x)*part, y+(toY-20-y)*part)
		}
		if drags := js[bool](b, `!!document.querySelector(".ghost")`); drags != rests {
			t.Errorf("a finger that rests: %v, drags a card: %v", rests, drags)
		}
		touch(input.DispatchTouchEventTypeTouchEnd, 0, 0)
	}
	swipe(true)
	b.column(pipeline.Backlog, "3_c 1_a 2_b")
	if got := s.order(pipeline.Backlog); got != "3_c 1_a 2_b" {
		t.Errorf("the pipeline has %s", got)
	}
	swipe(false)
}

// TestMenu: all that dragging does can be done by the menu of a card, and a holder is overridden with a reason.
func TestMenu(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.claim("coder-1", "2_b")
	b := open(t, s.token("/"))
	b.live()
	b.run(chromedp.Click("#c-1_a > button"), chromedp.WaitVisible("#menu form"), chromedp.SetValue("#menu [name=stage]", "4_merge"), chromedp.Click(`#menu form[action$="/move"] button`))
	b.column(pipeline.Merge, "1_a")
	b.until(`!document.querySelector("#menu").open && document.activeElement.closest("#c-1_a")`)

	b.run(chromedp.Click("#c-2_b > button"), chromedp.WaitVisible("#menu form"), chromedp.SetValue("#menu [name=stage]", "3_qa"), chromedp.Click(`#menu form[action$="/move"] button`))
	b.until(`document.querySelector("#menu h2")?.innerText.includes("coder-1 holds 2")`)
	b.run(chromedp.SendKeys("#menu textarea", "I tested it"), chromedp.Click("#menu .danger"))
	b.column(pipeline.QA, "2_b")
	if st := s.story("2_b"); st.Agent != "" {
		t.Errorf("%s still has it", st.Agent)
	}
}

// TestKeys: a person who has no mouse reaches and does all: cards, moves, notes, undo, filter.
func TestKeys(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"))
	b.live()
	focus := func(id string) {
		t.Helper()
		b.until(fmt.Sprintf(`document.activeElement.closest(".card")?.id === "c-%s" && !document.activeElement.closest("dialog, form")`, id)) // its menu is closed
	}
	for range 60 { // by the tabulator alone to the first card
		b.key(kb.Tab)
		if js[bool](b, `!!document.activeElement.closest(".card")`) {
			break
		}
	}
	focus("1_a")
	b.key("j")
	focus("2_b")
	b.key(kb.ArrowDown)
	focus("3_c")
	b.key(kb.ArrowUp, chromedp.KeyModifiers(chromedp.ModifierShift))
	b.column(pipeline.Backlog, "1_a 3_c 2_b")
	focus("3_c")
	b.key(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierShift))
	b.column(pipeline.Current, "3_c")
	focus("3_c")
	b.key("u")
	b.until(`!` + "(" + ids(pipeline.Current) + `) && document.querySelector("#toasts").innerText.includes("3 is in Backlog")`)
	if text := js[string](b, `document.querySelector("#toasts").innerText`); strings.Contains(text, "3 is in Current") {
		t.Errorf("what was undone can be undone again: %s", text)
	}
	b.run(chromedp.Focus("#c-1_a > a"))
	b.key("n")
	b.until(`document.activeElement.name === "note"`)
	b.key("from the keys")
	b.key(kb.Tab)
	b.key(kb.Enter)
	b.until(`document.querySelector("#c-1_a").innerText.includes("1 note")`)
	focus("1_a")
	b.key("b")
	b.until(`document.activeElement.name === "reason"`)
	b.key("needs a key")
	b.key(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl))
	b.until(`document.querySelector("#c-1_a").innerText.includes("needs a key")`)
	focus("1_a")
	b.key("/")
	b.until(`document.activeElement.name === "q"`)
	b.key("2_b")
	b.column(pipeline.Backlog, "2_b")
	s.do("x", func(tx *pipeline.Tx) error { return tx.AddNote("2_b", nil, "x") })
	b.until(`document.querySelector("#c-2_b").innerText.includes("1 note")`)
	if got := js[string](b, ids(pipeline.Backlog)); got != "2_b" {
		t.Errorf("a change of a filtered board shows %s", got)
	}
}

// TestEditInTwoBrowsers: of two people who edit one story, the second sees what the first wrote and loses nothing.
func TestEditInTwoBrowsers(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{Name: ptr("One"), Description: ptr("old")})
	first, second := open(t, s.token("/story/1_a?edit")), open(t, s.token("/story/1_a?edit"))
	for _, b := range []*tab{first, second} {
		b.live()
	}
	second.run(chromedp.SetValue("#edit [name=description]", "from the second"))
	first.run(chromedp.SetValue("#edit [name=description]", "from the first"), chromedp.Click("#edit button"))
	first.until(`document.querySelector("article .text")?.innerText === "from the first"`)
	second.until(`document.querySelector("article .text")?.innerText === "from the first"`) // live, beside what is typed
	second.run(chromedp.Click("#edit button"))
	second.until(`document.querySelector("#edit .theirs")?.innerText === "from the first" && document.querySelector("#edit [name=description]").value === "from the second"`)
	second.run(chromedp.Click("#edit button"))
	second.until(`document.querySelector("article .text").innerText === "from the second"`)
	if got := s.story("1_a").Description; got != "from the second" {
		t.Errorf("got %q", got)
	}
}

// TestRestart: a page that is open while the board is started anew says so, and then shows what it missed.
func TestRestart(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"))
	b.live()
	s.stop()
	b.until(`document.querySelector("#live").dataset.state === "again"`)
	s.add("4_d", pipeline.Changes{})
	s.restart()
	b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d")
	b.live()
	s.add("5_e", pipeline.Changes{})
	b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d 5_e")
}

// TestTabs: eight tabs of one browser share one stream, each is up to date, and when the tab that streams is
// closed another goes on.
func TestTabs(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	browser := open(t, s.token("/charts"), size(800, 600)) // its end would be that of the tabs beside it
	browser.run(chromedp.Navigate("about:blank"))
	var tabs []*tab
	for range 8 {
		b := browser.beside(s.url + "/")
		b.live()
		tabs = append(tabs, b)
	}
	s.add("4_d", pipeline.Changes{})
	for _, b := range tabs {
		b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d")
	}
	streams := 0
	for _, b := range tabs {
		if js[bool](b, `performance.getEntriesByType("resource").some((r) => r.name.includes("/events"))`) {
			streams++
		}
	}
	held := js[int](tabs[0], `navigator.locks.query().then((q) => q.held.length * 100 + q.pending.length)`)
	if streams > 1 || held != 107 {
		t.Errorf("%d tabs have streamed; %d tabs hold the lock and %d wait", streams, held/100, held%100)
	}
	if err := chromedp.Cancel(tabs[0].ctx); err != nil {
		t.Fatal(err)
	}
	s.add("5_e", pipeline.Changes{})
	for _, b := range tabs[1:] {
		b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d 5_e")
	}
}

// TestHiddenTab: where tabs cannot share a stream, one that is hidden holds none, and shows all that it missed when it
// is looked at again.
func TestHiddenTab(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/"), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: "delete window.BroadcastChannel"})
		return err
	}))
	b.live()
	hide := func(hidden bool) {
		b.run(chromedp.Evaluate[chromedp.Void](fmt.Sprintf(`Object.defineProperty(document, "hidden", { configurable: true, get: () => %t }); document.dispatchEvent(new Event("visibilitychange"))`, hidden)))
	}
	hide(true)
	s.add("4_d", pipeline.Changes{})
	b.run(chromedp.Sleep(300 * time.Millisecond)) // ten times what a page that listens takes
	if got := js[string](b, ids(pipeline.Backlog)); got != "1_a 2_b 3_c" {
		t.Errorf("a hidden tab shows %s: it holds a stream", got)
	}
	hide(false)
	b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d")
	s.add("5_e", pipeline.Changes{})
	b.column(pipeline.Backlog, "1_a 2_b 3_c 4_d 5_e")
}

// TestPhone: on a phone one column is shown at a time, tabs lead to the others, and nothing is wider than the
// screen.
func TestPhone(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.add("9_long", pipeline.Changes{Name: ptr(strings.Repeat("W", 200))})
	b := open(t, s.token("/"), size(390, 844))
	b.live()
	if wide := js[int](b, `document.documentElement.scrollWidth`); wide > 390 {
		t.Errorf("the page is %d pixels wide", wide)
	}
	if seen := js[int](b, `[...document.querySelectorAll(".col:not(.shut)")].filter((c) => { const r = c.getBoundingClientRect(); return r.left < innerWidth - 5 && r.right > 5; }).length`); seen != 1 {
		t.Errorf("%d columns are in view", seen)
	}
	b.run(chromedp.Click(`.tabs a[href="#s-3_qa"]`))
	b.until(`Math.abs(document.querySelector("#s-3_qa").getBoundingClientRect().left) < 20 && document.querySelector('.tabs a[aria-current]').hash === "#s-3_qa"`)
	if small := js[string](b, `[...document.querySelectorAll("button, a.button, select")].filter((e) => e.offsetParent && e.getBoundingClientRect().height < 24).map((e) => e.outerHTML.slice(0, 80)).join("\n")`); small != "" {
		t.Errorf("too small for a finger:\n%s", small)
	}
}

// TestHostileInBrowser: nothing that anybody wrote runs, asks another host, or makes the page wider.
func TestHostileInBrowser(t *testing.T) {
	s := newSite(t, func(c *board.Config) { c.Hub = func(context.Context) string { return evil } })
	name := evil[:min(len(evil), 200)]
	s.add("1_story_evil", pipeline.Changes{Name: &name, Description: ptr(evil + "\n\n" + strings.Repeat("x", 31<<10)), Agent: ptr("\"><script>x</script>")})
	s.add("2_story_long", pipeline.Changes{Name: ptr(strings.Repeat("W", 250)), DependsOn: &[]uint32{1}})
	s.do("<b>x</b>", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_story_evil", true, ptr(evil)); return err })
	for i, agent := range []string{"<img src=x onerror=alert(1)>", "\u202eback", strings.Repeat("W", crdt.MaxAgent), strings.Repeat("\u0301", crdt.MaxAgent/2)} {
		id := fmt.Sprintf("%d_story", 10+i)
		s.add(id, pipeline.Changes{})
		s.claim(agent, id)
		s.do(agent, func(tx *pipeline.Tx) error {
			tx.By(pipeline.Caller{Session: s.session.ID(), Name: agent})
			_, err := tx.BumpRetry(id, 1, 9)
			return err
		})
	}
	b := open(t, s.token("/"))
	for _, path := range []string{"/", "/story/1_story_evil", "/story/2_story_long", "/story/12_story", "/activity", "/charts", "/settings"} {
		b.run(chromedp.Navigate(s.url + path))
		b.live()
		s.do("<img src=x onerror=alert(1)>", func(tx *pipeline.Tx) error { return tx.AddNote("1_story_evil", nil, evil+path) }) // comes in live, too
		b.until(`document.body.textContent.includes("alert(1)")`)
		if n := js[int](b, `document.querySelectorAll("main script, main img, main svg:not(.graph svg, .chart), main .chart :not(g, title, desc, path, rect, text, circle), main .graph :not(svg, a, g, title, path, rect, text), main iframe, main [onerror], main [onload], main a[href^='javascript']").length`); n != 0 {
			t.Errorf("%s has %d elements of a story's own", path, n)
		}
		if n := js[int](b, `performance.getEntriesByType("resource").filter((r) => !r.name.startsWith(location.origin)).length`); n != 0 {
			t.Errorf("%s asked other hosts %d times", path, n)
		}
		if tall := js[int](b, `Math.max(...[...document.querySelectorAll(".bar, .agent-card, .event .agent")].map((e) => e.offsetHeight))`); tall > 220 {
			t.Errorf("names take %d pixels of %s", tall, path)
		}
		for _, width := range []int64{1280, 390} {
			b.run(size(width, 800))
			if wide := js[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); wide > 0 {
				t.Errorf("%s is %d pixels too wide on a window of %d", path, wide, width)
			}
		}
	}
}
