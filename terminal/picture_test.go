package terminal_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rivo/uniseg"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// TestPictures compares the pictures of commands in docs/pictures with what the commands print of the
// week of internal/demo. With -update it draws them anew.
func TestPictures(t *testing.T) {
	err := demoReplica(t).View(t.Context(), func(v *replica.View) error {
		board, err := terminal.ReadBoard(v, terminal.Choice{})
		if err != nil {
			return err
		}
		id, err := terminal.Resolve(v, "36")
		if err != nil {
			return err
		}
		detail, err := terminal.ReadDetail(v, id)
		if err != nil {
			return err
		}
		scene, err := terminal.ReadScene(v, 60)
		if err != nil {
			return err
		}
		scene.Name = "rota"
		screen := terminal.Screen{Width: 110, Now: now, Color: true}
		picture(t, "list", 110, board.Text(screen))
		picture(t, "show", 110, detail.Text(screen))
		overview, err := terminal.ReadOverview(v, "claude-1")
		if err != nil {
			return err
		}
		picture(t, "context", 110, overview.Text(screen))
		stats, err := terminal.ReadStats(v, screen)
		if err != nil {
			return err
		}
		picture(t, "stats", 80, stats.Text(screen))
		latest, err := v.Latest(20)
		if err != nil {
			return err
		}
		var events []terminal.Event
		for _, e := range latest {
			events = append(events, terminal.NewEvent(e.Op, phrase.Label(e.Op.Story), e.Op.Creates))
		}
		picture(t, "log", 110, terminal.History(screen, events))
		picture(t, "watch", 110, strings.Join(scene.Frame(screen, 36), "\n"))
		if st, err := v.Story(id); err != nil || st.Stage != pipeline.Backlog {
			t.Errorf("the story of show is in %s, %v", st.Stage, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// picture compares an SVG of what a command printed with the file of its name.
func picture(t *testing.T, command string, columns int, printed string) {
	t.Helper()
	got := svgOf("huskies-mcp "+strings.NewReplacer("show", "show 36", "log", "log -n 20", "context", "context --agent claude-1").Replace(command), columns, printed)
	if err := xml.Unmarshal(got, new(struct{})); err != nil {
		t.Errorf("%s: %v", command, err)
	}
	file := filepath.Join("..", "docs", "pictures", command+".svg")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s does not show what the command prints: go test ./terminal -run Pictures -update draws it anew", file)
	}
}

const (
	// cell and line are the size of a character, and margin is around the text, in pixels.
	cell   = 8.4
	line   = 20
	margin = 20
)

// svgStyle has the colours of a light and of a dark terminal, of which each pair has a contrast of 4.5
// to 1 or more. The classes are those of classes.
const svgStyle = `
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; fill: #1f2328; white-space: pre }
.back { fill: #ffffff; stroke: #d1d9e0 }
.b { font-weight: 600 } .f { fill: #59636e } .r { fill: #cf222e } .g { fill: #1a7f37 } .y { fill: #8a5a00 } .c { fill: #0f6f78 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .back { fill: #0d1117; stroke: #30363d }
  .f { fill: #9198a1 } .r { fill: #ff7b72 } .g { fill: #3fb950 } .y { fill: #d29922 } .c { fill: #39c5cf }
}
`

// classes are the looks that package terminal gives texts, by their number in ECMA-48.
var classes = map[string]string{"1": "b", "38;5;243": "f", "38;5;160": "r", "38;5;28": "g", "38;5;130": "y", "38;5;30": "c"}

// svgOf draws what a command printed, below the command. Each run of one look stands at its column and
// takes as many columns as in a terminal, whatever font the reader has.
func svgOf(command string, columns int, printed string) []byte {
	lines := append([]string{"\x1b[38;5;243m$\x1b[0m " + command, ""}, strings.Split(strings.TrimRight(printed, "\n"), "\n")...)
	width, height := float64(columns)*cell+2*margin, len(lines)*line+2*margin
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %d\" width=\"%.0f\" height=\"%d\" role=\"img\" aria-label=\"%s\">\n", width, height, width, height, command)
	fmt.Fprintf(&b, "<style>%s</style>\n<rect class=\"back\" x=\"0.5\" y=\"0.5\" width=\"%.0f\" height=\"%d\" rx=\"8\"/>\n", svgStyle, width-1, height-1)
	for i, text := range lines {
		column := 0
		for _, run := range runsOf(text) {
			taken := uniseg.StringWidth(run.text)
			if shown := strings.TrimRight(run.text, " "); shown != "" {
				blanks := len(shown) - len(strings.TrimLeft(shown, " "))
				shown = shown[blanks:]
				fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\" textLength=\"%.1f\"", margin+float64(column+blanks)*cell, margin+i*line+15, float64(uniseg.StringWidth(shown))*cell)
				if run.class != "" {
					fmt.Fprintf(&b, " class=\"%s\"", run.class)
				}
				b.WriteString(">")
				_ = xml.EscapeText(&b, []byte(shown))
				b.WriteString("</text>\n")
			}
			column += taken
		}
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// run is a part of a line with one look.
type run struct{ text, class string }

// runsOf splits a line at its control sequences, which only choose looks.
func runsOf(text string) (runs []run) {
	class := ""
	for text != "" {
		before, rest, ok := strings.Cut(text, "\x1b[")
		if before != "" {
			runs = append(runs, run{before, class})
		}
		if !ok {
			break
		}
		look, after, _ := strings.Cut(rest, "m")
		class, text = classes[look], after
	}
	return runs
}
