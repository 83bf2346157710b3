package board_test

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// chromium is the one browser of all tests.
var chromium struct {
	once sync.Once
	ctx  context.Context
	stop func()
	why  string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(code)
}

// lacking skips a test that needs what this machine does not have. Where HUSKIES_CI is set, everything must be
// there.
func lacking(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("HUSKIES_CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// startChromium starts the browser when the first test needs it.
func startChromium() {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		chromium.why = "there is no Chromium to look at the board with: install the package chromium"
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.WindowSize(1440, 900), chromedp.Flag("hide-scrollbars", true))
	if os.Geteuid() == 0 { // as in containers
		options = append(options, chromedp.NoSandbox)
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, stop := chromedp.NewContext(alloc)
	if err := chromedp.Do(ctx); err != nil {
		stop()
		stopAlloc()
		chromium.why = "Chromium does not start: " + err.Error()
		return
	}
	chromium.ctx, chromium.stop = ctx, func() { stop(); stopAlloc() }
}

// tab is a page in a browser.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// step is something that is done in a page.
type step = chromedp.Action[chromedp.Void]

// open opens a page in a browser of its own: it shares no cookies with those of other calls.
func open(t testing.TB, address string, steps ...step) *tab {
	t.Helper()
	chromium.once.Do(startChromium)
	if chromium.why != "" {
		lacking(t, chromium.why)
	}
	return newTab(t, chromium.ctx, append(steps, chromedp.Navigate(address)), chromedp.WithNewBrowserContext())
}

// beside opens another tab in the same browser.
func (b *tab) beside(address string) *tab {
	b.t.Helper()
	return newTab(b.t, b.ctx, []step{chromedp.Navigate(address)})
}

func newTab(t testing.TB, parent context.Context, steps []step, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil { // makes the tab, which lives as long as this context
		t.Fatal(err)
	}
	b := &tab{t, ctx}
	b.run(steps...)
	return b
}

// patience is how long a test waits for what takes milliseconds.
const patience = 30 * time.Second

// run does things in the page.
func (b *tab) run(steps ...step) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v; the page shows:\n%s", err, b.shows())
	}
}

// shows returns the text of the page, for what a failed test says.
func (b *tab) shows() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	page, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText.slice(0, 3000)`))
	if err != nil {
		return err.Error()
	}
	return page
}

// js returns the value of an expression in the page.
func js[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v; the page shows:\n%s", expression, err, b.shows())
	}
	return value
}

// until waits until an expression in the page is true.
func (b *tab) until(expression string) {
	b.t.Helper()
	for began := time.Now(); !js[bool](b, "!!("+expression+")"); {
		if time.Since(began) > patience {
			b.t.Fatalf("it never came true: %s; the page shows:\n%s", expression, b.shows())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// live waits until the page follows.
func (b *tab) live() {
	b.t.Helper()
	b.until(`document.querySelector("#live").dataset.state === "live"`)
}

// size makes the window that large.
func size(width, height int64) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
		return err
	})
}

// scheme makes the browser one whose person wants light or dark pages.
func scheme(name string) step { return media("", "prefers-color-scheme", name) }

// media makes the browser one with a medium, such as print, and a feature that its person has chosen.
func media(medium, feature, value string) step {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium, Features: []*emulation.MediaFeature{{Name: feature, Value: value}}})
		return err
	})
}
