package board_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/huskies/huskies-mcp/pipeline"
)

// focused waits until an element has the focus.
func (b *tab) focused(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.activeElement.matches(%q)`, selector))
}

// TestFocusStays: what others change takes the focus from no part of the page, and leaves lists scrolled.
func TestFocusStays(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	for i, id := range []string{"4_d", "5_e", "6_f", "7_g"} {
		s.add(id, pipeline.Changes{})
		s.claim(fmt.Sprintf("coder-%d", i), id)
	}
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", true, ptr("why")); return err })
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("2_b", true, ptr("why")); return err })
	b := open(t, s.token("/"), size(700, 700))
	b.live()
	notes := 0
	change := func(id, seen string) {
		t.Helper()
		notes++
		s.do("coder-0", func(tx *pipeline.Tx) error { return tx.AddNote(id, nil, fmt.Sprintf("note %d", notes)) })
		b.until(seen)
	}
	agentSays := func() string {
		return fmt.Sprintf(`document.querySelector("#agents").textContent.includes("note %d")`, notes+1)
	}

	b.run(chromedp.Focus(`#agents a[href="/story/7_g"]`), chromedp.Evaluate[chromedp.Void](`document.querySelector(".agents").scrollLeft = 50`))
	scrolled := js[int](b, `document.querySelector(".agents").scrollLeft`)
	change("4_d", agentSays())
	b.focused(`#agents a[href="/story/7_g"]`)
	if got := js[int](b, `document.querySelector(".agents").scrollLeft`); got != scrolled || got == 0 {
		t.Errorf("the agents are scrolled to %d, and were to %d", got, scrolled)
	}

	b.run(chromedp.Focus(`#needs a[href="/story/2_b"]`))
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", false, nil); return err })
	b.until(`document.title.startsWith("(1)")`)
	b.focused(`#needs a[href="/story/2_b"]`)
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("2_b", false, nil); return err })
	b.until(`!document.title.startsWith("(")`)
	b.focused(`#needs summary`)

	b.run(chromedp.Focus(`#c-2_b > button`))
	change("2_b", `document.querySelector("#c-2_b").textContent.includes("1 note")`)
	b.focused(`#c-2_b > button`)
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Delete("2_b"); return err })
	b.until(`!document.querySelector("#c-2_b")`)
	b.focused(`#s-1_backlog *`)

	b.run(chromedp.Navigate(s.url + "/?state=ready")) // a board that is read anew with each change
	b.live()
	b.run(chromedp.Focus(`#s-1_backlog .plus`))
	s.add("8_h", pipeline.Changes{})
	b.column(pipeline.Backlog, "1_a 3_c 8_h")
	b.focused(`#s-1_backlog .plus`)

	b.run(chromedp.Navigate(s.url + "/story/3_c"))
	b.live()
	for _, selector := range []string{`aside form[action$="/note"] button`, `.beside [rel="prev"]`} {
		b.run(chromedp.Focus(selector))
		change("3_c", fmt.Sprintf(`document.querySelector("article").textContent.includes("note %d")`, notes+1))
		b.focused(selector)
	}
}

// TestFocusAfterDeeds: a person at the keyboard is where they were after a change of theirs, its undo, a refusal, and a
// dialog whose element was replaced meanwhile.
func TestFocusAfterDeeds(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	s.claim("coder-1", "2_b")
	b := open(t, s.token("/story/1_a"))
	b.live()
	b.run(chromedp.Focus(`aside form[action$="/block"] textarea`))
	b.key("needs a key")
	b.key(kb.Tab)
	b.key(kb.Enter)
	b.until(`document.querySelector("article").textContent.includes("needs a key")`)
	b.focused(`aside form[action$="/unblock"] button`)
	b.run(chromedp.Click(`#edit summary`))
	b.run(chromedp.SetValue(`#edit [name=name]`, "Another"), chromedp.Focus(`#edit button`))
	b.key(kb.Enter)
	b.until(`document.querySelector("h1").textContent === "Another"`)
	b.focused(`#edit summary`)

	b.run(chromedp.Navigate(s.url + "/"))
	b.live()
	b.run(chromedp.Focus(`#c-3_c > a`))
	b.key(kb.ArrowUp, chromedp.KeyModifiers(chromedp.ModifierShift))
	b.column(pipeline.Backlog, "3_c 1_a")
	b.until(`document.querySelector("#toasts button")`)
	b.run(chromedp.Evaluate[chromedp.Void](`[...document.querySelectorAll("#keys")].pop().focus()`))
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#toasts button").focus()`))
	b.key(kb.Enter) // undo
	b.column(pipeline.Backlog, "1_a 3_c")
	b.until(`document.activeElement !== document.body`)

	b.run(chromedp.Focus(`#c-2_b > a`)) // of coder-1: a move is refused until there is a reason
	b.key(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierShift))
	b.focused(`#menu textarea`)
	s.do("coder-1", func(tx *pipeline.Tx) error { return tx.AddNote("2_b", nil, "x") })
	b.until(`document.querySelector("#c-2_b").textContent.includes("1 note")`)
	b.key(kb.Escape)
	b.focused(`#c-2_b > a`)

	b.key("?")
	b.until(`document.querySelector("#help").open`)
	s.do("coder-1", func(tx *pipeline.Tx) error { return tx.AddNote("2_b", nil, "y") })
	b.until(`document.querySelector("#c-2_b").textContent.includes("2 notes")`)
	b.key(kb.Escape)
	b.focused(`#c-2_b > a`)

	b.run(chromedp.Focus(`#s-3_qa .plus`))
	b.key(kb.Enter)
	b.focused(`#menu [name=name]`)
	b.run(chromedp.Evaluate[chromedp.Void](`document.querySelector("#s-3_qa .plus").outerHTML += ""`)) // as a reset of the page does
	b.key(kb.Escape)
	b.focused(`#s-3_qa .plus`)
}
