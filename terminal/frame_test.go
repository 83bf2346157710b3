package terminal_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/internal/demo"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// demoReplica returns the pipeline of a made-up week that ends now.
func demoReplica(t *testing.T) *replica.Replica {
	t.Helper()
	path, quiet := filepath.Join(t.TempDir(), "p.db"), slog.New(slog.DiscardHandler)
	err := demo.Fill(t.Context(), demo.Config{
		Path: path, Now: now, Draw: rand.New(rand.NewPCG(1, 0)).IntN, Rand: rand.NewChaCha8([32]byte{1}), Logger: quiet,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := replica.New(replica.Config{Path: path, Now: func() time.Time { return now }, Rand: rand.NewChaCha8([32]byte{2}), Logger: quiet})
	t.Cleanup(func() { r.Close() })
	return r
}

// TestWatch shows frames of a week of five agents.
func TestWatch(t *testing.T) {
	var scene terminal.Scene
	err := demoReplica(t).View(t.Context(), func(v *replica.View) (err error) {
		scene, err = terminal.ReadScene(v, 60)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	scene.Name = "rota"
	for _, size := range [][2]int{{40, 30}, {80, 24}, {120, 40}, {200, 50}} {
		s := terminal.Screen{Width: size[0], Now: now}
		lines := scene.Frame(s, size[1])
		if len(lines) != size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		golden(t, fmt.Sprintf("watch_%d.txt", size[0]), trimmed(lines))
		s.Color = true
		golden(t, fmt.Sprintf("watch_%d_color.txt", size[0]), trimmed(scene.Frame(s, size[1])))
	}
}

// trimmed returns lines as one text without blanks at their ends.
func trimmed(lines []string) string {
	var out strings.Builder
	for _, line := range lines {
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return out.String()
}

// TestFramesFit shows that a frame fits any screen of 40 columns or more, whatever is in the stories, and that nothing of
// them drives the terminal.
func TestFramesFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := terminal.Screen{Width: rapid.IntRange(1, 240).Draw(t, "width"), Now: now}
		height := rapid.IntRange(0, 60).Draw(t, "height")
		scene := anyScene(t)
		lines := scene.Frame(s, height)
		if len(lines) != height {
			t.Fatalf("%d lines, want %d", len(lines), height)
		}
		for _, line := range lines {
			if n := uniseg.StringWidth(line); n > s.Width && s.Width >= 40 {
				t.Fatalf("a line has %d columns, more than %d: %q", n, s.Width, line)
			}
			for _, r := range line {
				if unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r >= 0xE0000 && r <= 0xE01EF {
					t.Fatalf("prints %U: %q", r, line)
				}
			}
		}
	})
}

// TestFrameShowsTheHub: the first line says how the machine and its hub are doing, where there is room.
func TestFrameShowsTheHub(t *testing.T) {
	sc := terminal.Scene{Name: "rota", Hub: "hub away since 09:15, 3 to send", HubAway: true}
	if head := sc.Frame(terminal.Screen{Width: 80, Now: now}, 24)[0]; !strings.Contains(head, "hub away since 09:15, 3 to send") {
		t.Errorf("the first line is %q", head)
	}
	sc.Hub = ""
	if head := sc.Frame(terminal.Screen{Width: 80, Now: now}, 24)[0]; strings.Contains(head, "hub") {
		t.Errorf("without a hub the first line is %q", head)
	}
}

func anyScene(t *rapid.T) (sc terminal.Scene) {
	sc.Name, sc.Trouble, sc.Hub = anyText(t, "name"), anyText(t, "trouble"), anyText(t, "hub")
	sc.HubAway = rapid.Bool().Draw(t, "away")
	sc.Missing = pipeline.Gaps{Pending: rapid.IntRange(0, 2).Draw(t, "pending")}
	for i, stage := range []pipeline.Stage{pipeline.Backlog, pipeline.Current, pipeline.QA, pipeline.Merge} {
		column := terminal.SceneColumn{Stage: stage, Total: rapid.IntRange(0, 100_000).Draw(t, "total")}
		column.Ready = rapid.IntRange(0, column.Total).Draw(t, "ready")
		for n := range min(column.Total, rapid.IntRange(0, 40).Draw(t, "stories")) {
			column.Stories = append(column.Stories, anyStory(t, fmt.Sprintf("%d%d_story", i+1, n), stage))
		}
		sc.Columns = append(sc.Columns, column)
		for n := range column.Stories[:min(3, len(column.Stories))] {
			st := &column.Stories[n]
			sc.Workers = append(sc.Workers, terminal.Worker{Agent: st.Agent, Story: st, Last: now})
			sc.Needs = append(sc.Needs, terminal.Need{Story: *st, Why: terminal.BlockedWhy(st)})
		}
	}
	sc.Workers = append(sc.Workers, terminal.Worker{Agent: anyText(t, "idle"), Last: now.Add(-time.Hour)})
	sc.NeedCount = len(sc.Needs) + rapid.IntRange(0, 5).Draw(t, "more needs")
	sc.Closed = []pipeline.StageCount{{Stage: pipeline.Done, Count: 3}, {Stage: pipeline.Stage(anyText(t, "stage")), Count: 1}}
	sc.Events = events()
	return sc
}
