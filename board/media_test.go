package board_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/pipeline"
)

// TestForcedColours: where a person has chosen colours for all pages, what is chosen and what a colour of a chart means
// can still be told.
func TestForcedColours(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	b := open(t, s.token("/charts"), media("", "forced-colors", "active"))
	b.live()
	colours := func(selector, property string) []string {
		return strings.Split(js[string](b, `[...document.querySelectorAll("`+selector+`")].map((e) => `+property+`).join(";")`), ";")
	}
	if nav := colours(".bar nav a", `getComputedStyle(e).backgroundColor`); nav[0] == nav[2] {
		t.Errorf("the page that is open looks like another: %v", nav)
	}
	if keys := colours(".key span", `getComputedStyle(e, "::before").backgroundColor`); keys[0] == keys[1] {
		t.Errorf("the key of a chart has one colour: %v", keys)
	}
	if text, page := colours(".chart text", `getComputedStyle(e).fill`), colours("body", `getComputedStyle(e).color`); text[0] != page[0] {
		t.Errorf("the texts of charts have the colour %s, and others %s", text[0], page[0])
	}
}

// TestReducedMotion: nothing moves for a person who wants no motion.
func TestReducedMotion(t *testing.T) {
	s := newSite(t, nil)
	s.three()
	for motion, moves := range map[string]bool{"no-preference": true, "reduce": false} {
		b := open(t, s.token("/"), media("", "prefers-reduced-motion", motion))
		b.live()
		b.run(chromedp.Evaluate[chromedp.Void](`window.moved = false; new MutationObserver(() => { window.moved ||= document.getAnimations().length > 0; }).observe(document.querySelector("#board"), { childList: true, subtree: true })`))
		to := map[bool]pipeline.Stage{true: pipeline.QA, false: pipeline.Merge}[moves]
		s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Advance("1_a", &to); return err })
		b.column(to, "1_a")
		if got := js[bool](b, `window.moved`); got != moves {
			t.Errorf("prefers-reduced-motion: %s: something moves: %v", motion, got)
		}
	}
}

// TestPrint: on paper there is all that the board holds, and nothing to press.
func TestPrint(t *testing.T) {
	s := newSite(t, nil)
	for _, id := range strings.Fields("1_a 2_b 3_c 4_d 5_e 6_f 7_g 8_h 9_i 10_j 11_k 12_l") {
		s.add(id, pipeline.Changes{Name: ptr(strings.Repeat("words of a name ", 10))})
	}
	b := open(t, s.token("/"), size(800, 600))
	b.live()
	hidden := `[...document.querySelectorAll(".card")].filter((c) => c.getBoundingClientRect().bottom > c.closest(".cards").getBoundingClientRect().bottom + 1).length`
	if n := js[int](b, hidden); n == 0 {
		t.Error("the column is too short for this test")
	}
	b.run(media("print", "prefers-color-scheme", "light"))
	if n := js[int](b, hidden); n != 0 {
		t.Errorf("%d cards are cut off", n)
	}
	if left := js[string](b, `[...document.querySelectorAll("button, .button, input, select")].filter((e) => e.checkVisibility()).map((e) => e.outerHTML.slice(0, 80)).join("\n")`); left != "" {
		t.Errorf("there is on paper:\n%s", left)
	}
}
