package chart_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/internal/chart"
)

var update = flag.Bool("update", false, "rewrite the expected charts in testdata")

var (
	first   = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	heading = chart.Heading{ID: "c", Title: "Work <b>", Desc: `What "there" is & was.`}
)

func hours(n int) time.Duration { return time.Duration(n) * time.Hour }

// TestCharts compares charts with those that somebody has looked at: go test ./internal/chart -update.
func TestCharts(t *testing.T) {
	many := make([]chart.Dot, 500)
	for i := range many {
		many[i] = chart.Dot{At: first.Add(hours(12)), Took: hours(3)}
	}
	for name, svg := range map[string]string{
		"areas":         chart.Areas(heading, first, 3, []chart.Series{{"Done", "s4", []int{0, 2, 3}}, {"Current", "s1", []int{4, 3, 0}}}),
		"areas-one-day": chart.Areas(heading, first, 1, []chart.Series{{"Backlog", "s0", []int{1}}}),
		"areas-empty":   chart.Areas(heading, first, 2, nil),
		"bars":          chart.Bars(heading, first, chart.Series{Class: "s4", Counts: []int{0, 7, 130}}),
		"scatter": chart.Scatter(heading, first, 2, []chart.Dot{{first.Add(hours(5)), hours(30), "1_story_<i>"}, {first.Add(hours(30)), time.Second, ""}},
			[]chart.Line{{"85%", hours(30)}}),
		"scatter-many":  chart.Scatter(heading, first, 2, many, nil),
		"scatter-empty": chart.Scatter(heading, first, 2, nil, nil),
		"rows": chart.Rows(heading, []chart.Row{
			{Name: "QA", Class: "s2", Long: hours(50), Mark: hours(2)},
			{Name: strings.Repeat("long & ", 20), Class: "late"},
			{Name: "7 QA", Full: "7 Look <again>", Tip: "7 Look <again>: QA, 3h", Class: "held", Long: hours(3)},
		},
			[]chart.Line{{"85%", hours(400)}}),
		"lanes": chart.Lanes(heading, first, first.Add(hours(24)), []chart.Lane{
			{
				"coder-1",
				[]chart.Bar{{first.Add(-hours(4)), first.Add(hours(2)), "1_story_a", false}, {first.Add(hours(20)), first.Add(hours(24)), "2_bug_b", true}},
				[]time.Time{first.Add(hours(1)), first.Add(hours(1)), first.Add(hours(21))},
			},
			{"<script>", nil, nil},
		}),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".svg")
			if *update {
				if err := os.WriteFile(path, []byte(svg+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimSpace(string(want)), svg); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			wellFormed(t, svg)
		})
	}
}

// wellFormed shows that a chart is XML, and that nothing in it is for a policy to refuse.
func wellFormed(t *testing.T, svg string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if e.Name.Local == "script" || e.Name.Local == "i" || e.Name.Local == "b" {
			t.Errorf("a text became the element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			if a.Name.Local == "style" || strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
			}
		}
	}
}
