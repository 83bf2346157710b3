package board_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/pipeline"
)

// violation is what axe-core finds wrong.
type violation struct {
	ID, Help string
	Nodes    []struct{ HTML, FailureSummary string }
}

// TestAxe: axe-core finds nothing wrong on any page, in light and in dark, with a dialog open, on a phone. AXE is
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
	id := blockedStory(t, s)
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
		for _, path := range []string{"/", "/?open=5_done&state=blocked", "/story/" + id, "/story/4?depth=all", "/activity", "/charts", "/add", "/nowhere"} {
			b.run(chromedp.Navigate(s.url + path))
			if path != "/nowhere" {
				b.live()
			}
			check(b, colours+" "+path)
		}
	}
	b.run(scheme("light"), chromedp.Navigate(s.url+"/"))
	b.live()
	b.run(chromedp.Click(".card > button"), chromedp.WaitVisible("#menu form"))
	check(b, "the menu of a card")
	b.run(chromedp.Click("#menu [data-close]"), chromedp.Click("#keys"), chromedp.WaitVisible("#help dl"))
	check(b, "the help")
	b.run(chromedp.Click("#help [data-close]"))
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(id, true, ptr("again")); return err })
	b.run(size(390, 844), chromedp.Navigate(s.url+"/"))
	b.live()
	check(b, "a phone")
	stranger := open(t, s.url+"/")
	check(stranger, "the door")
}
