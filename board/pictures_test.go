package board_test

import (
	"bytes"
	cryptorand "crypto/rand"
	"flag"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
		shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(*pictures, name+".png"), small(t, shot), 0o644); err != nil { // a document
			t.Fatal(err)
		}
	}
	picture("board", "/", 1280, 800, "light")
	picture("board-dark", "/", 1280, 800, "dark")
	picture("board-phone", "/", 390, 800, "light")
	picture("board-agents", "/", 1280, 340, "light")
	picture("board-activity", "/activity", 1000, 600, "light")
	picture("board-charts", "/charts", 1000, 860, "light")
	picture("board-story", "/story/"+heldStory(t, s), 1200, 860, "light")
	picture("board-graph", "/story/7?depth=2", 1440, 640, "light", chromedp.Evaluate[chromedp.Void](`document.querySelector("#dep-h").scrollIntoView()`))
}

// small returns a picture with 256 colours at most, which take a third of the room. A page has few colours; those
// between them, at the edges of letters, become the nearest of the most frequent ones.
func small(t testing.TB, data []byte) []byte {
	t.Helper()
	shot, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	box := shot.Bounds()
	count := map[color.RGBA]int{}
	at := func(x, y int) color.RGBA {
		c := color.RGBAModel.Convert(shot.At(x, y)).(color.RGBA)
		c.R, c.G, c.B = c.R&^3|c.R>>6, c.G&^3|c.G>>6, c.B&^3|c.B>>6
		return c
	}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			count[at(x, y)]++
		}
	}
	colours := slices.SortedFunc(maps.Keys(count), func(a, b color.RGBA) int { return count[b] - count[a] })
	var palette color.Palette
	for _, c := range colours[:min(256, len(colours))] {
		palette = append(palette, c)
	}
	out := image.NewPaletted(box, palette)
	nearest := map[color.RGBA]uint8{}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			c := at(x, y)
			i, known := nearest[c]
			if !known {
				i = uint8(palette.Index(c))
				nearest[c] = i
			}
			out.SetColorIndex(x, y, i)
		}
	}
	var file bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&file, out); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// heldStory returns a story that shows much: one that an agent has, with the most notes.
func heldStory(t testing.TB, s *site) (id string) {
	t.Helper()
	err := s.agents.View(t.Context(), func(v *replica.View) error {
		most := -1
		page, err := v.List(pipeline.Filter{Stages: []pipeline.Stage{pipeline.Current, pipeline.QA, pipeline.Merge}}, nil, 50)
		for _, st := range page.Stories {
			_, notes := v.Notes(st.ID, 1)
			if waiting, _ := v.WaitingFor(st.ID, 1); st.Agent != "" && st.Agent != "mara" && notes+len(waiting)+len(st.DependsOn) > most {
				id, most = st.ID, notes+len(waiting)+len(st.DependsOn)
			}
		}
		return err
	})
	if err != nil || id == "" {
		t.Fatalf("no agent has a story (%v)", err)
	}
	return id
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
