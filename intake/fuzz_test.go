package intake

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// FuzzRead reads any text in each format. Each item names its place, and what a plan makes of the items
// is taken by a pipeline.
func FuzzRead(f *testing.F) {
	testdata := os.DirFS("testdata")
	err := fs.WalkDir(testdata, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(p, ".golden") || strings.HasPrefix(p, "fuzz") {
			return err
		}
		data, err := fs.ReadFile(testdata, p)
		for i := range Formats() {
			f.Add(uint8(i), path.Base(p), data)
		}
		return err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, format uint8, name string, data []byte) {
		formats := append(Formats(), "")
		l, err := Read(Source{Name: name, Data: data}, Options{Format: formats[int(format)%len(formats)]})
		if err != nil {
			return
		}
		checkItems(t, l)
		p := NewPlan(l, &Index{}, PlanOptions{SkipBad: true, Slug: slug, Nested: format%2 == 0})
		if len(p.Create) > 200 {
			return // the pipeline of a test writes an op a story
		}
		w := newPlace(t)
		w.bring(p)
		if again := NewPlan(l, w.index(), PlanOptions{SkipBad: true}); len(again.Create) != 0 {
			t.Errorf("a second run creates %v", ids(again))
		}
		_ = p.Preview()
	})
}

func checkItems(t *testing.T, l *List) {
	t.Helper()
	for _, it := range l.Items {
		switch _, known := pipeline.ParseStage(string(it.Stage)); {
		case !known:
			t.Errorf("%s has the stage %q", it.At, it.Stage)
		case it.ID == "" || it.Origin == "":
			t.Errorf("%s has no identity: origin %q, ID %q", it.At, it.Origin, it.ID)
		case it.Name == "" && it.Origin != string(Huskies):
			t.Errorf("%s has no name", it.At)
		case it.At.Line < 0:
			t.Errorf("%q stands in line %d", it.Name, it.At.Line)
		}
	}
}

// FuzzFrontMatter: front matter and the text behind it are parts of the file.
func FuzzFrontMatter(f *testing.F) {
	f.Add([]byte("---\nname: a: b\n---\nbody"))
	f.Add([]byte("---\r\nassignee: @x\r\nlist:\r\n  - @y\r\n---\r\n"))
	f.Add([]byte("---\n- a\n---"))
	f.Add([]byte("---\na: &x [*x]\n---"))
	f.Fuzz(func(t *testing.T, data []byte) {
		front, body, lines := cutFrontMatter(data)
		if !strings.HasSuffix(string(data), string(body)) || len(front)+len(body) > len(data) {
			t.Fatalf("%q is cut into %q and %q", data, front, body)
		}
		if lines > strings.Count(string(data), "\n") {
			t.Errorf("%d lines stand before the text of %q", lines, data)
		}
		if m, err := yamlMapping(front); err == nil && m == nil {
			t.Errorf("%q gives neither a mapping nor an error", front)
		}
	})
}

// FuzzCut: a cut text is valid, within its bound, and begins as the whole does.
func FuzzCut(f *testing.F) {
	f.Add("wörter und mehr", 8)
	f.Add(strings.Repeat("é", 40), 33)
	f.Fuzz(func(t *testing.T, s string, most int) {
		if most < 8 || most > crdt.MaxNote || !utf8.ValidString(s) {
			return
		}
		for _, got := range []string{cutWords(s, most), cutText(s, most)} {
			if len(got) > most || !utf8.ValidString(got) {
				t.Errorf("%q cut at %d is %q", s, most, got)
			}
			if head := strings.TrimRight(strings.TrimSuffix(got, cutMark), "\n"); !strings.HasPrefix(s, head) {
				t.Errorf("%q does not begin with %q", s, head)
			}
		}
	})
}
