package board_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/huskies/huskies-mcp/pipeline"
)

// violation is what axe-core finds wrong.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// TestAxe: axe-core finds nothing wrong on any page, in light and in dark, with a dialog open or a refusal shown, on a phone. AXE is
// the path of axe.min.js, from npm (axe-core).
func TestAxe(t *testing.T) {
	path := os.Getenv("AXE")
	if path == "" {
		lacking(t, "AXE does not name axe.min.js: npm install axe-core in some folder, and set AXE=FOLDER/node_modules/axe-core/axe.min.js")
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := demoSite(t)
	id, held := blockedStory(t, s), "900_story_held"
	s.add(held, pipeline.Changes{Before: ptr(pipeline.First)})
	s.claim("coder-9", held)
	check := func(b *tab, where string) {
		t.Helper()
		b.run(chromedp.Evaluate[chromedp.Void](string(script)))
		found := js[string](b, `axe.run(document, { resultTypes: ["violations"] }).then((r) => JSON.stringify(r.violations))`)
		var violations []violation
		if err := json.Unmarshal([]byte(found), &violations); err != nil {
			t.Fatal(err)
		}
		for _, v := range violations {
			for _, n := range v.Nodes[:min(3, len(v.Nodes))] {
				t.Errorf("%s: %s (%s): %.300s: %s", where, v.ID, v.Help, n.HTML, strings.ReplaceAll(n.FailureSummary, "\n", " "))
			}
		}
	}
	b := open(t, s.token("/"), scheme("light"))
	for _, colours := range []string{"light", "dark"} {
		b.run(scheme(colours))
		for _, path := range []string{"/", "/?open=5_done&state=blocked", "/story/" + id, "/story/4?depth=all", "/activity", "/charts", "/settings", "/add", "/nowhere"} {
			b.run(chromedp.Navigate(s.url + path))
			if path != "/nowhere" {
				b.live()
			}
			check(b, colours+" "+path)
		}
		b.run(chromedp.Navigate(s.url + "/charts"))
		b.live()
		b.run(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll("details").forEach((d) => { d.open = true; })`))
		check(b, colours+" tables of charts")

		b.run(chromedp.Navigate(s.url + "/"))
		b.live()
		b.run(chromedp.Click(".card > button"), chromedp.WaitVisible("#menu form"))
		check(b, colours+" the menu of a card")
		b.run(chromedp.Evaluate[chromedp.Void](`(() => { const f = document.querySelector('#menu form[action$="/note"]'); f.elements.note.value = " "; f.requestSubmit(); })()`), chromedp.WaitVisible("#menu .problem"))
		check(b, colours+" a refusal in a menu")
		b.run(chromedp.Click("#menu [data-close]"), chromedp.Click("#keys"), chromedp.WaitVisible("#help dl"))
		check(b, colours+" the help")
		b.run(chromedp.Click("#help [data-close]"), chromedp.Click("#new"), chromedp.WaitVisible("#menu [name=name]"))
		check(b, colours+" a new story")
		b.run(chromedp.Click("#menu [data-close]"), chromedp.Focus("#c-"+held+" > a"))
		b.key(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierShift))
		b.run(chromedp.WaitVisible("#menu .danger"))
		check(b, colours+" whether to take a story")
		b.run(chromedp.Click("#menu [data-close]"), chromedp.Focus("#c-"+id+" > a"))
		b.key(kb.ArrowRight, chromedp.KeyModifiers(chromedp.ModifierShift))
		b.run(chromedp.WaitVisible("#c-" + id + " .problem"))
		check(b, colours+" a refusal at a card")
		b.run(chromedp.Focus("#s-2_current .card:nth-child(2) > a"))
		b.key("n")
		b.run(chromedp.WaitVisible("#menu [name=note]"), chromedp.SendKeys("#menu [name=note]", "seen"), chromedp.Click(`#menu form[action$="/note"] button`), chromedp.WaitVisible("#toasts p"))
		check(b, colours+" what was done")
		b.run(chromedp.Navigate(s.url+"/story/"+id+"?edit"), chromedp.WaitVisible("#edit [name=depends]"), chromedp.SetValue("#edit [name=depends]", "99999999999"), chromedp.Click("#edit button"), chromedp.WaitVisible("#edit .problem"))
		check(b, colours+" a refusal of an edit")
	}
	b.run(scheme("light"))
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(id, true, ptr("again")); return err })
	b.run(size(390, 844), chromedp.Navigate(s.url+"/"))
	b.live()
	check(b, "a phone")
	stranger := open(t, s.url+"/")
	check(stranger, "the door")
}
