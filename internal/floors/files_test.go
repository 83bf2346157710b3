package floors

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ordered are the packages whose files have floors too. The comment of each package has the table.
var ordered = []string{"oplog"}

// TestFilesOfAPackage: in a package with a table of files each file stands in the table, and uses
// only what is declared in files of its own floor or of lower ones.
func TestFilesOfAPackage(t *testing.T) {
	for _, dir := range ordered {
		folder := filepath.Join("..", "..", filepath.FromSlash(dir))
		doc, err := os.ReadFile(filepath.Join(folder, "doc.go"))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := readTable(string(doc))
		if err != nil {
			t.Fatalf("%s/doc.go: %v", dir, err)
		}
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		texts := map[string]string{}
		for _, p := range paths {
			if name := filepath.Base(p); !strings.HasSuffix(name, "_test.go") && name != "doc.go" {
				text, err := os.ReadFile(p)
				if err != nil {
					t.Fatal(err)
				}
				texts[strings.TrimSuffix(name, ".go")] = string(text)
			}
		}
		for _, wrong := range wrongFiles(t, rows, texts) {
			t.Errorf("%s: %s", dir, wrong)
		}
	}
}

// TestWrongFiles: a name of a higher floor is found, be it a function, a method or a field.
func TestWrongFiles(t *testing.T) {
	rows, err := readTable("//\t2  uses: top*\n//\t1  has: low, other")
	if err != nil {
		t.Fatal(err)
	}
	const (
		low = "package p\nimport \"outside\"\ntype T struct{ x outside.X }\n"
		top = "package p\ntype U struct{ field int }\nfunc f() {}\nfunc (t *T) m() {}\n"
	)
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"downwards", map[string]string{"low": low, "top": top + "func g() { _ = T{} }", "other": "package p\nfunc h(T) {}"}, nil},
		{"a function", map[string]string{"low": low, "top": top, "other": "package p\nfunc h() { f() }"}, []string{"other.go (floor 1) uses f of top.go (floor 2)"}},
		{"a method", map[string]string{"low": low, "top": top, "other": "package p\nfunc h(t *T) { t.m() }"}, []string{"other.go (floor 1) uses m of top.go (floor 2)"}},
		{"a type and its field", map[string]string{"low": low, "top": top, "other": "package p\nfunc h(u U) { _ = u.field }"}, []string{"uses U of top.go", "uses field of top.go"}},
		{"not in the table", map[string]string{"low": low, "top": top, "other": "package p", "new": "package p"}, []string{"new.go has no floor"}},
		{"not in the folder", map[string]string{"low": low, "top": top}, []string{"names other.go, which does not exist"}},
	} {
		got := wrongFiles(t, rows, c.files)
		same := len(got) == len(c.want)
		for i := range got {
			same = same && strings.Contains(got[i], c.want[i])
		}
		if !same {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	rows[1].files = append(rows[1].files, "top")
	if got := wrongFiles(t, rows, map[string]string{"low": low, "top": top, "other": "package p"}); len(got) != 1 || !strings.Contains(got[0], "top.go stands in the table twice") {
		t.Errorf("a file in two rows: got %q", got)
	}
}

// tableRow is a row of the table of files.
type tableRow struct {
	floor int
	files []string // names without .go, or patterns of path.Match
}

var rowPattern = regexp.MustCompile(`(?m)^//\t(\d)  [^:\n]+: (.+)$`)

// readTable reads the table of files in a package's comment. A row has a floor, what its files are
// for, and the files.
func readTable(doc string) (rows []tableRow, err error) {
	for _, m := range rowPattern.FindAllStringSubmatch(doc, -1) {
		rows = append(rows, tableRow{int(m[1][0] - '0'), strings.Split(m[2], ", ")})
	}
	if rows == nil {
		return nil, errors.New("there is no table of files")
	}
	return rows, nil
}

// floorsOf gives each file its floor, and says which files are in the table or in the folder alone.
func floorsOf(rows []tableRow, texts map[string]string) (floors map[string]int, wrong []string) {
	floors = map[string]int{}
	for _, row := range rows {
		for _, pattern := range row.files {
			found := false
			for name := range texts {
				if is, _ := path.Match(pattern, name); !is {
					continue
				}
				if floors[name] > 0 {
					wrong = append(wrong, name+".go stands in the table twice: leave it in one row of doc.go")
				}
				floors[name], found = row.floor, true
			}
			if !found {
				wrong = append(wrong, fmt.Sprintf("the table names %s.go, which does not exist: remove it from doc.go", pattern))
			}
		}
	}
	for name := range texts {
		if floors[name] == 0 {
			wrong = append(wrong, name+".go has no floor: give it one in doc.go")
		}
	}
	return floors, wrong
}

// wrongFiles says what is wrong with the files of a package, sorted.
func wrongFiles(t *testing.T, rows []tableRow, texts map[string]string) []string {
	t.Helper()
	floors, wrong := floorsOf(rows, texts)
	fset, info := token.NewFileSet(), &types.Info{Uses: map[*ast.Ident]types.Object{}}
	var files []*ast.File
	for name, text := range texts {
		f, err := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// What other packages declare is not known, and does not matter here.
	config := types.Config{Importer: nothing{}, Error: func(error) {}}
	pkg, _ := config.Check("p", fset, files, info)
	for id, used := range info.Uses {
		from := fset.Position(id.Pos()).Filename
		if used.Pkg() != pkg || !used.Pos().IsValid() {
			continue
		}
		if to := fset.Position(used.Pos()).Filename; floors[from] > 0 && floors[to] > floors[from] {
			wrong = append(wrong, fmt.Sprintf("%s.go (floor %d) uses %s of %s.go (floor %d): a file uses its own floor and lower ones only; move what both need down, or the caller up",
				from, floors[from], used.Name(), to, floors[to]))
		}
	}
	slices.Sort(wrong)
	return slices.Compact(wrong)
}

// nothing imports packages without looking at them.
type nothing struct{}

func (nothing) Import(name string) (*types.Package, error) {
	pkg := types.NewPackage(name, path.Base(name))
	pkg.MarkComplete()
	return pkg, nil
}
