package board_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/pipeline"
)

// held has the page wait for open before it reads an answer, as on a slow network. It tells how many answers wait.
const held = `const fetched = window.fetch; window.waiting = 0; window.gate = new Promise((done) => { window.open = done; });
window.fetch = async (...all) => { const answer = await fetched(...all); window.waiting++; await window.gate; return answer; }; true`

// TestChangeWhileReading: what changes while a page is read anew is on it in the end.
func TestChangeWhileReading(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	b := open(t, s.token("/story/1_a"))
	b.live()
	in := newClient(s)
	f := in.follow(in.mark())
	js[bool](b, held)
	s.do("x", func(tx *pipeline.Tx) error { return tx.AddNote("1_a", nil, "the first") })
	b.until("window.waiting > 0")
	s.do("x", func(tx *pipeline.Tx) error { return tx.AddNote("1_a", nil, "the second") })
	f.until("2 notes", func(e event) bool { return len(e.data.Cards) > 0 && strings.Contains(e.data.Cards[0].HTML, "2 notes") })
	b.run(chromedp.Sleep(300 * time.Millisecond)) // ten times what a page that listens takes
	js[bool](b, "window.open(); true")
	b.until(`document.querySelector("article").innerText.includes("the second")`)
}

// TestFailedRead: a page that could not be read anew is read again.
func TestFailedRead(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	b := open(t, s.token("/story/1_a"))
	b.live()
	js[bool](b, `const fetched = window.fetch; let failed = false; window.fetch = (...all) => failed ? fetched(...all) : (failed = true, Promise.reject(new TypeError("no network"))); true`)
	s.do("x", func(tx *pipeline.Tx) error { return tx.AddNote("1_a", nil, "the first") })
	b.until(`document.querySelector("article").innerText.includes("the first")`)
}

// TestDeletedWhileTyping: what a person is typing stays when somebody deletes the story.
func TestDeletedWhileTyping(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	b := open(t, s.token("/story/1_a"))
	b.live()
	b.run(chromedp.SetValue("#actions [name=note]", "a long thought"))
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Delete("1_a"); return err })
	b.until(`document.querySelector("h1").innerText.includes("is deleted")`)
	if got := js[string](b, `document.querySelector("#actions [name=note]")?.value || ""`); got != "a long thought" {
		t.Errorf("the note has %q", got)
	}
}

// TestChangeWhileLoading: a change that comes just while a page is made stands in its activity once.
func TestChangeWhileLoading(t *testing.T) {
	var s *site
	var once sync.Once
	armed := make(chan struct{})
	s = newSite(t, func(c *board.Config) {
		c.Hub = func(ctx context.Context) string { // is asked when the page has its mark, and before it reads the pipeline
			select {
			case <-armed:
				if ctx.Value(http.ServerContextKey) != nil {
					once.Do(func() { s.add("2_b", pipeline.Changes{}) })
				}
			default:
			}
			return ""
		}
	})
	s.add("1_a", pipeline.Changes{})
	b := open(t, s.token("/activity"))
	b.live()
	close(armed)
	b.run(chromedp.Reload())
	b.live()
	s.add("3_c", pipeline.Changes{})
	b.until(`document.querySelector('.event a[href="/story/3_c"]')`)
	if got := js[int](b, `document.querySelectorAll('.event a[href="/story/2_b"]').length`); got != 1 {
		t.Errorf("the change stands there %d times", got)
	}
}
