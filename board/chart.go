package board

import (
	"encoding/csv"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxInHand bounds the stories in hand that are drawn by age: more do not fit on a page.
	maxInHand = 30
	// daysShown is how many days the charts show unless told otherwise.
	daysShown = 30
	// maxNamed bounds the stories in the table of those that took longest.
	maxNamed = 20
	// maxRows bounds the rows of a table on the page. CSV has all.
	maxRows = 100
)

// spans are the numbers of days that a person can choose.
var spans = []int{7, daysShown, 90, 365}

// figure is one chart, with all that it shows as a table.
type figure struct {
	ID, Title, Desc string
	SVG             template.HTML
	Head            []string
	Rows            [][]cell
	// None is what is said without rows.
	None string
}

// Shown returns the rows that the page shows.
func (f figure) Shown() [][]cell { return f.Rows[:min(maxRows, len(f.Rows))] }

// cell is a text of a table, with the story that it is about.
type cell struct{ Text, Story string }

func texts(all ...string) (row []cell) {
	for _, text := range all {
		row = append(row, cell{Text: text})
	}
	return row
}

// span is what the charts are about.
type span struct {
	// Type is that of the stories, "" for all.
	Type string
	Days int
}

// spanOf reads what the charts are about from an address. What it does not know is left out.
func spanOf(q url.Values) span {
	s := span{Days: daysShown}
	if slices.Contains(pipeline.Types(), q.Get("type")) {
		s.Type = q.Get("type")
	}
	if n, err := strconv.Atoi(q.Get("days")); err == nil && slices.Contains(spans, n) {
		s.Days = n
	}
	return s
}

// Query returns the address of what the charts are about.
func (s span) Query() string {
	return "type=" + url.QueryEscape(s.Type) + "&days=" + strconv.Itoa(s.Days)
}

// figures returns all charts.
func (b *Board) figures(r *http.Request) (all []figure, of span, err error) {
	of = spanOf(r.URL.Query())
	var read readings
	err = b.view(r.Context(), func(v *replica.View) (err error) {
		read, err = readCharts(v, of, b.now())
		return err
	})
	zone := b.cfg.Zone
	if zone == nil {
		zone = time.UTC
	}
	return draw(&read, zone), of, err
}

// getCharts shows the charts.
func (b *Board) getCharts(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "charts")
	p.Title = "Charts"
	all, of, err := b.figures(r)
	if err != nil {
		b.fail(w, err)
		return
	}
	b.render(w, http.StatusOK, "charts.html", map[string]any{"Page": p, "Figures": all, "Of": of, "Types": pipeline.Types(), "Spans": spans})
}

// getChartFile returns the figures of one chart as CSV (RFC 4180).
func (b *Board) getChartFile(w http.ResponseWriter, r *http.Request) {
	id, isFile := strings.CutSuffix(r.PathValue("file"), ".csv")
	all, _, err := b.figures(r)
	if err != nil {
		b.fail(w, err)
		return
	}
	i := slices.IndexFunc(all, func(f figure) bool { return f.ID == id })
	if i < 0 || !isFile {
		b.getNothing(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="`+id+`.csv"`)
	_ = writeCSV(csv.NewWriter(w), &all[i]) // a browser that has gone needs no file
}

func writeCSV(out *csv.Writer, f *figure) error {
	if err := out.Write(f.Head); err != nil {
		return err
	}
	for _, row := range f.Rows {
		var record []string
		for _, c := range row {
			text := c.Text
			if c.Story != "" {
				text = c.Story
			}
			record = append(record, plainCell(text))
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// plainCell returns a text that programs for tables do not take for a formula (OWASP, CSV Injection).
func plainCell(text string) string {
	text = phrase.Line(text)
	if text != "" && strings.ContainsRune("=+-@", rune(text[0])) {
		return "'" + text
	}
	return text
}
