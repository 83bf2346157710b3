package board_test

import (
	"flag"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	cryptorand "crypto/rand"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/internal/demo"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

var pictures = flag.String("pictures", "", "folder into which TestPictures puts pictures of the demo project")

// demoSite serves a board on the week that huskies-mcp demo makes.
func demoSite(t testing.TB) *site {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipeline.db")
	draw := rand.New(rand.NewPCG(1, 1))
	err := demo.Fill(t.Context(), demo.Config{Path: path, Now: time.Now(), Draw: draw.IntN, Rand: cryptorand.Reader, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return newSiteAt(t, path, func(c *board.Config) { c.Agent, c.Project = "mara", "rota" })
}

// TestPictures makes the pictures of the documents: go test ./board -run Pictures -pictures ../docs/pictures.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("pictures are made with -pictures FOLDER")
	}
	s := demoSite(t)
	picture := func(name, path string, width, height int64, colours string, steps ...step) {
		t.Helper()
		b := open(t, s.token(path), size(width, height), scheme(colours))
		b.live()
		b.run(steps...)
		b.run(chromedp.Evaluate[chromedp.Void](`document.activeElement.blur()`), chromedp.Sleep(300*time.Millisecond))
		png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	picture("board", "/", 1440, 900, "light")
	picture("dark", "/", 1440, 900, "dark")
	picture("phone", "/", 390, 844, "light")
	picture("activity", "/activity", 1100, 800, "light")
	picture("story", "/story/"+blockedStory(t, s), 1280, 900, "light")
	picture("menu", "/", 1440, 900, "light", chromedp.Click(`.card > button`), chromedp.WaitVisible(`#menu form`))
	picture("charts", "/charts", 1100, 800, "light")
}

// blockedStory returns a story that shows much: one that is blocked.
func blockedStory(t testing.TB, s *site) (id string) {
	t.Helper()
	yes := true
	err := s.agents.View(t.Context(), func(v *replica.View) error {
		page, err := v.List(pipeline.Filter{Blocked: &yes}, nil, 10)
		for _, st := range page.Stories {
			if id == "" || len(st.DependsOn) > 0 {
				id = st.ID
			}
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("no story is blocked (%v)", err)
	}
	return id
}
