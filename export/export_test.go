package export_test

import (
	"bytes"
	"encoding/csv"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/export"
	"github.com/huskies/huskies-mcp/intake"
	"github.com/huskies/huskies-mcp/pipeline"
)

var update = flag.Bool("update", false, "rewrite the expected output; review the diff as code")

// forms are the forms of an export, by the names of their files.
var forms = map[string]func([]export.Story) ([]byte, error){
	"stories.json": export.JSON,
	"stories.csv":  export.CSV,
	"stories.md":   func(s []export.Story) ([]byte, error) { return export.Markdown(s), nil },
}

var at = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func stories() []export.Story {
	return []export.Story{
		{Story: pipeline.Story{ID: "3_bug_crash", Name: `Fix <crash> & "burn", please`, Stage: pipeline.Done, UpdatedAt: at}},
		{
			Story: pipeline.Story{
				ID: "10_story_add_login", Name: "Add login", Stage: pipeline.QA, Agent: "coder-1", RetryCount: 2,
				Blocked: true, BlockedReason: "no key", DependsOn: []uint32{3, 4},
				Description: "Users sign in.\n\n## Steps\n\n- [ ] one\n<!-- huskies:story 1_x -->\n\\<!-- huskies:note -->\n",
			},
			Notes: []pipeline.Note{
				{Text: "source: beads gt-1\nBrought in from x.", At: at},
				{Text: "two\nlines", Agent: "coder -->", At: at},
				{Text: "nobody's", At: time.Time{}},
			},
		},
		{Story: pipeline.Story{ID: "4_spike_x", Name: "", Stage: pipeline.Backlog, DependsOn: []uint32{3}}},
		{Story: pipeline.Story{ID: "5_story_y", Name: " odd\nname ", Stage: pipeline.Current, Description: "=1+1"}},
		{Story: pipeline.Story{ID: "6_story_z", Name: "'=twice", Stage: pipeline.Current, Agent: "@sum", Blocked: true, BlockedReason: "'tis so", Description: "- a list\n- of two"}},
	}
}

// TestForms compares each form with testdata.
func TestForms(t *testing.T) {
	for name, write := range forms {
		t.Run(name, func(t *testing.T) {
			got, err := write(stories())
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestNoFormulas: no cell of CSV begins as a formula does in a spreadsheet.
func TestNoFormulas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		data, err := export.CSV(append(anyStories(rt), stories()...))
		if err != nil {
			rt.Fatal(err)
		}
		rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll()
		if err != nil {
			rt.Fatal(err)
		}
		for _, row := range rows {
			for _, cell := range row {
				if strings.IndexAny(cell, "=+-@\t\r\n") == 0 {
					rt.Fatalf("a cell is %q", cell)
				}
			}
		}
	})
}

// back is what comes back of a story.
type back struct {
	ID, Name, Agent, Description string
	Stage                        pipeline.Stage
	Blocked                      bool
	BlockedReason                string
	RetryCount                   int64
	DependsOn                    []string
	Notes                        []string
}

// TestRoundTrip: what is written in each form is read back as the same stories, which the pipeline that
// they are from holds already, and which another pipeline gets with the same IDs.
func TestRoundTrip(t *testing.T) {
	for name, write := range forms {
		t.Run(name, func(t *testing.T) {
			checkRoundTrip(t, name, write, stories())
			rapid.Check(t, func(rt *rapid.T) {
				all := anyStories(rt)
				for i := range all {
					if s := &all[i]; name == "stories.csv" { // a reader of CSV takes CRLF in a cell for LF
						s.Name, s.Description = unix(s.Name), unix(s.Description)
					}
				}
				checkRoundTrip(rt, name, write, all)
			})
		})
	}
}

// reporter is what a test and a property have in common.
type reporter interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func checkRoundTrip(t reporter, name string, write func([]export.Story) ([]byte, error), all []export.Story) {
	t.Helper()
	data, err := write(all)
	if err != nil {
		t.Fatal(err)
	}
	l, err := intake.Read(intake.Source{Name: name, Data: data}, intake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Broken) > 0 {
		t.Fatalf("broken: %v in:\n%s", l.Broken, data)
	}
	var got, want []back
	for _, it := range l.Items {
		got = append(got, back{it.ID, it.Name, it.Holder, it.Description, it.Stage, it.Blocked, it.BlockedReason, it.RetryCount, it.DependsOn, it.Notes})
	}
	x := &intake.Index{}
	for _, s := range all {
		x.Add(s.ID)
		b := back{s.ID, s.Name, s.Agent, s.Description, s.Stage, s.Blocked, s.BlockedReason, s.RetryCount, nil, nil}
		for _, n := range s.DependsOn {
			b.DependsOn = append(b.DependsOn, text(n))
		}
		for _, n := range s.Notes {
			b.Notes = append(b.Notes, noteText(n))
		}
		want = append(want, b)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("other stories come back (-want +got):\n%s\nfrom:\n%s", diff, data)
	}
	if again := intake.NewPlan(l, x, intake.PlanOptions{}); len(again.Create) != 0 {
		t.Fatalf("%d stories are new to the pipeline that they are from", len(again.Create))
	}
	elsewhere := intake.NewPlan(l, &intake.Index{}, intake.PlanOptions{})
	ids := map[string]bool{}
	for _, s := range elsewhere.Create {
		ids[s.ID] = true
	}
	for _, s := range all {
		if elsewhere.Err() == nil && !ids[s.ID] {
			t.Fatalf("another pipeline does not get %s", s.ID)
		}
	}
}

func unix(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

func text(n uint32) string {
	out := ""
	for ; n > 0 || out == ""; n /= 10 {
		out = string(rune('0'+n%10)) + out
	}
	return out
}

// noteText returns a note as a story has it that was brought in.
func noteText(n pipeline.Note) string {
	switch {
	case strings.HasPrefix(n.Text, "source: ") || n.Agent == "":
		return n.Text
	case n.At.IsZero():
		return n.Agent + " wrote: " + n.Text
	}
	return n.Agent + " wrote on " + n.At.Format("2006-01-02") + ": " + n.Text
}

// anyStories draws stories whose texts are made of what the forms could stumble over.
func anyStories(t *rapid.T) []export.Story {
	pieces := []string{
		"word", " ", "\n", "\r\n", "<!-- huskies:story 1_x -->", "<!-- huskies:description -->", `\`, `"`, "-->", "- stage: 5_done", "## x", ",", ";", ":", "#", "é", "\t", "[{", "---",
	}
	draw := func(label string) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, label), "")
	}
	// A text of blanks alone is none, and a note has neither line ends nor blanks at its ends.
	written := func(label string) string { return "a" + draw(label) + "z" }
	var all []export.Story
	for i := range rapid.IntRange(0, 4).Draw(t, "stories") {
		s := export.Story{Story: pipeline.Story{
			ID:         text(uint32(i+1)) + "_story",
			Name:       written("name"),
			Stage:      rapid.SampledFrom(pipeline.Stages()).Draw(t, "stage"),
			Agent:      strings.Join(strings.Fields(draw("agent")), " "),
			RetryCount: rapid.Int64Range(0, 3).Draw(t, "retries"),
			Blocked:    rapid.Bool().Draw(t, "blocked"),
			DependsOn:  rapid.SliceOfNDistinct(rapid.Uint32Range(1, 9), 0, 3, rapid.ID).Draw(t, "depends on"),
		}}
		if s.Blocked && rapid.Bool().Draw(t, "with a reason") {
			s.BlockedReason = unix(written("reason"))
		}
		if rapid.Bool().Draw(t, "described") {
			s.Description = written("description")
		}
		for range rapid.IntRange(0, 2).Draw(t, "notes") {
			n := pipeline.Note{Text: unix(written("note")), Agent: strings.Join(strings.Fields(draw("by")), " ")}
			if rapid.Bool().Draw(t, "dated") {
				n.At = at
			}
			s.Notes = append(s.Notes, n)
		}
		all = append(all, s)
	}
	return all
}
