package floors

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestPicture prints the packages by floor, the highest first, with the packages of this module that
// each imports and their floors. See it with make floors.
func TestPicture(t *testing.T) {
	imports := map[string]map[string]bool{}
	for file, f := range sources(t) {
		dir := path.Dir(file)
		if imports[dir] == nil {
			imports[dir] = map[string]bool{}
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if inner, ok := strings.CutPrefix(imp, module+"/"); ok {
				imports[dir][inner] = true
			}
		}
	}
	byFloor := map[int][]string{}
	for dir := range imports {
		byFloor[floor[dir]] = append(byFloor[floor[dir]], dir)
	}
	var picture strings.Builder
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(byFloor))) {
		slices.Sort(byFloor[n])
		for _, dir := range byFloor[n] {
			var below []string
			for _, to := range slices.Sorted(maps.Keys(imports[dir])) {
				below = append(below, fmt.Sprintf("%s (%d)", to, floor[to]))
			}
			fmt.Fprintf(&picture, "%d  %-22s %s\n", n, dir, strings.Join(below, ", "))
		}
	}
	t.Logf("packages by floor, and what each imports:\n%s", &picture)
}

var (
	floorRow = regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*)\|`)
	ticked   = regexp.MustCompile("`([^`]+)`")
)

// TestFloorTables: the tables of floors in the documents agree with this one, and that of AGENTS.md
// is complete.
func TestFloorTables(t *testing.T) {
	for doc, complete := range map[string]bool{"AGENTS.md": true, filepath.Join("docs", "design.md"): false} {
		text, err := os.ReadFile(filepath.Join("..", "..", doc))
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]int{}
		for _, row := range floorRow.FindAllStringSubmatch(string(text), -1) {
			n, err := strconv.Atoi(row[1])
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range ticked.FindAllStringSubmatch(row[2], -1) {
				if _, ok := floor[name[1]]; ok {
					said[name[1]] = n
				}
			}
		}
		for dir, at := range floor {
			n, ok := said[dir]
			switch {
			case ok && n != at:
				t.Errorf("%s has %s on floor %d, internal/floors on %d", doc, dir, n, at)
			case !ok && complete:
				t.Errorf("%s does not name %s of floor %d in its table of floors", doc, dir, at)
			}
		}
	}
}
