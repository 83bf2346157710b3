// Package floors holds the laws of the code base as tests. It has no code.
//
// A package imports only packages of lower floors, so siblings never import
// each other; third-party modules stay where they belong; only the command
// writes to standard output and reads the wall clock, the environment and
// randomness. In packages with a table of files a file uses only files of its
// own floor and of lower ones. Test files are free.
package floors

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/huskies/huskies-mcp"

// floor of every package, by its folder. A new package needs a line here.
var floor = map[string]int{
	// Above all, since no package but tests may import it.
	"internal/vfstest": 9,
	"cmd/huskies-mcp":  9,
	"cmd/huskies-hub":  9,
	// A command, too, for tests alone.
	"internal/conformance": 9,
	// Compares two sources of the rules, for tests alone.
	"pipeline/sourcetest": 9,
	// Measures the built command; for developers.
	"internal/figures": 9,
	// Makes the ops of a year of work, and of malicious authors, for measurements and tests.
	"internal/workload": 8,
	// Makes a week of work, for the command demo and for pictures.
	"internal/demo":   8,
	"tools/stdio":     8,
	"internal/doctor": 8,
	"tools":           7,
	"export":          7,
	"mirror":          7,
	"terminal":        7,
	"board":           7,
	"intake":          7,
	"relay":           7,
	// What the tests of all transports share, for tests alone.
	"tools/calls/callstest": 7,
	"tools/calls":           6,
	"internal/phrase":       6,
	"internal/backups":      6,
	"replica":               5,
	"replica/bell":          4,
	"oplog":                 3,
	"oplog/bundle":          2,
	"oplog/dbfile":          2,
	// Words for what is wrong with a command line, for both commands.
	"internal/cmdline": 2,
	"pipeline":         1,
	"members":          1,
	"internal/hosts":   1,
	"internal/durable": 0,
	"internal/layered": 0,
	"internal/locate":  0,
	"internal/visible": 0,
	"internal/chart":   0,
	"crdt":             0,
	"db":               0,
	"migrations":       0,
	"schemas":          0,
}

// thirdParty lists who may import which modules besides the standard library
// and, by the floors, this module. A package without a line may import none.
var thirdParty = map[string][]string{
	"cmd/huskies-mcp": {"github.com/spf13/cobra", "github.com/gofrs/flock", "github.com/mark3labs/mcp-go", "github.com/schollz/progressbar", "github.com/aymanbagabas/go-udiff", "golang.org/x/term", "golang.org/x/sys"},
	// The only place that knows the server.
	"cmd/huskies-hub": {"github.com/spf13/cobra", "github.com/nats-io/nats-server", "github.com/nats-io/nats.go", "github.com/nats-io/nkeys", "github.com/gofrs/flock", "golang.org/x/time"},
	"relay":           {"github.com/nats-io/nats.go", "github.com/nats-io/nkeys"},
	// Parsers of the hosts' files, which keep the place of everything.
	"internal/hosts":        {"github.com/tailscale/hujson", "github.com/pelletier/go-toml"},
	"tools":                 {"github.com/mark3labs/mcp-go", "github.com/santhosh-tekuri/jsonschema", "github.com/invopop/jsonschema", "github.com/agnivade/levenshtein", "golang.org/x/text/unicode/norm"},
	"tools/stdio":           {"github.com/mark3labs/mcp-go"},
	"tools/calls":           {"github.com/mark3labs/mcp-go"},
	"tools/calls/callstest": {"github.com/mark3labs/mcp-go", "github.com/google/go-cmp"},
	"internal/doctor":       {"golang.org/x/sys/unix"},
	"internal/phrase":       {"github.com/rivo/uniseg"},
	"internal/backups":      {"golang.org/x/sys/unix"},
	"internal/cmdline":      {"github.com/spf13/cobra", "github.com/spf13/pflag"},
	"intake":                {"github.com/yuin/goldmark", "go.yaml.in/yaml"},
	// Markdown of stories as HTML, and what cleans that.
	"board":                {"github.com/yuin/goldmark", "github.com/microcosm-cc/bluemonday"},
	"replica/bell":         {"github.com/fsnotify/fsnotify", "golang.org/x/sys"},
	"pipeline":             {"golang.org/x/text/unicode/norm"},
	"oplog":                {"modernc.org/sqlite"},
	"oplog/dbfile":         {"modernc.org/sqlite", "github.com/gofrs/flock"},
	"internal/conformance": {"github.com/mark3labs/mcp-go"},
	// SQLite's C interface, on which its VFS is put.
	"internal/vfstest": {"modernc.org/sqlite", "modernc.org/libc"},
}

// pure packages have no I/O, no clock, no randomness: they may import these
// standard packages and no others.
var pure = map[string][]string{
	"crdt": {
		"bytes", "cmp", "crypto/ed25519", "crypto/sha256", "encoding/binary", "encoding/hex", "errors", "fmt", "iter", "maps",
		"math", "math/bits", "slices", "strconv", "strings", "unicode/utf8",
		"unsafe", // for Decoder alone, whose texts are the payload's own bytes: a copy of each payload is a fifth of a replay
	},
	"members":  {"cmp", "encoding/base64", "slices", "strings", "unicode/utf8"},
	"pipeline": {"cmp", "crypto/sha256", "encoding/base32", "errors", "fmt", "iter", "maps", "math", "regexp", "slices", "strconv", "strings", "time", "unicode", "unicode/utf8"},
}

// outside are the standard packages that only the command may import.
var outside = []string{"crypto/rand", "flag", "math/rand", "math/rand/v2", "net", "net/http", "os/exec", "os/signal"}

// inside are exceptions from outside, by package.
var inside = map[string][]string{
	// A board is a handler of requests. The command makes the listener and the server.
	"board": {"net/http"},
}

// TestEveryPackageHasAFloor: a folder with Go files stands in the table.
func TestEveryPackageHasAFloor(t *testing.T) {
	seen := map[string]bool{}
	for file := range sources(t) {
		seen[path.Dir(file)] = true
	}
	for dir := range seen {
		if _, ok := floor[dir]; !ok {
			t.Errorf("package %s has no floor: give it one in internal/floors", dir)
		}
	}
	for dir := range floor {
		if !seen[dir] {
			t.Errorf("internal/floors names package %s, which does not exist: remove the line", dir)
		}
	}
}

// TestImports: packages import from lower floors only, and third-party modules
// only where they are listed.
func TestImports(t *testing.T) {
	for file, f := range sources(t) {
		dir := path.Dir(file)
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if inner, ok := strings.CutPrefix(imp, module+"/"); ok {
				if wrong := wrongArrow(dir, inner); wrong != "" {
					t.Errorf("%s: %s", file, wrong)
				}
				continue
			}
			checkOutside(t, file, dir, imp)
		}
	}
}

// wrongArrow says what is wrong with an import between two packages of this
// module, "" if it leads downwards.
func wrongArrow(from, to string) string {
	at, known := floor[to]
	switch {
	case !known:
		return fmt.Sprintf("%s imports %s, which has no floor: give it one in internal/floors", from, to)
	case at == floor[from]:
		return fmt.Sprintf("%s imports its sibling %s (both on floor %d): move what both need to a lower floor, or let the floor above join the two", from, to, at)
	case at > floor[from]:
		return fmt.Sprintf("%s (floor %d) imports %s (floor %d): import downwards only, or move what both need to a lower floor", from, floor[from], to, at)
	}
	return ""
}

// TestWrongArrows: imports upwards and sideways are wrong, imports downwards are not.
func TestWrongArrows(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"tools", "replica", ""},
		{"oplog", "oplog/bundle", ""},
		{"tools", "tools/stdio", "import downwards only"},
		{"replica", "tools", "import downwards only"},
		{"tools", "export", "its sibling"},
		{"internal/locate", "internal/visible", "its sibling"},
		{"internal/doctor", "tools/stdio", "its sibling"},
		{"replica", "somewhere/else", "has no floor"},
	} {
		got := wrongArrow(c.from, c.to)
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s imports %s: got %q, want %q in it", c.from, c.to, got, c.want)
		}
	}
}

// checkOutside checks the import of a package that is not of this module.
func checkOutside(t *testing.T, file, dir, imp string) {
	t.Helper()
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		if allowed, isPure := pure[dir]; isPure && !slices.Contains(allowed, imp) {
			t.Errorf("%s imports %s: %s is pure; take what you need as an argument", file, imp, dir)
		}
		if floor[dir] < floor["cmd/huskies-mcp"] && slices.Contains(outside, imp) && !slices.Contains(inside[dir], imp) {
			t.Errorf("%s imports %s: only the command may; take what you need in a config", file, imp)
		}
		return
	}
	allowed := slices.ContainsFunc(thirdParty[dir], func(m string) bool { return imp == m || strings.HasPrefix(imp, m+"/") })
	if !allowed {
		t.Errorf("%s imports %s: it is not listed for %s in internal/floors; a dependency needs a reason", file, imp, dir)
	}
}

// forbidden outside cmd, and what to do instead.
var forbidden = map[string]string{
	"os.Stdout":           "stdout is the protocol: take an io.Writer",
	"os.Stdin":            "take an io.Reader",
	"os.Args":             "take an argument",
	"os.Getenv":           "take an argument",
	"os.LookupEnv":        "take an argument",
	"os.Environ":          "take an argument",
	"os.Exit":             "return an error",
	"fmt.Print":           "stdout is the protocol: take an io.Writer or log",
	"fmt.Printf":          "stdout is the protocol: take an io.Writer or log",
	"fmt.Println":         "stdout is the protocol: take an io.Writer or log",
	"log.Print":           "take a *slog.Logger",
	"log.Printf":          "take a *slog.Logger",
	"log.Println":         "take a *slog.Logger",
	"log.Fatal":           "return an error",
	"log.Fatalf":          "return an error",
	"slog.Default":        "take a *slog.Logger",
	"slog.Info":           "take a *slog.Logger",
	"slog.Warn":           "take a *slog.Logger",
	"slog.Error":          "take a *slog.Logger",
	"slog.Debug":          "take a *slog.Logger",
	"time.Now":            "take Now func() time.Time in the config",
	"time.Since":          "take Now func() time.Time in the config",
	"time.Until":          "take Now func() time.Time in the config",
	"ed25519.GenerateKey": "take Rand io.Reader in the config",
	"os.NewFile":          "take an io.Writer",
	"syscall.Write":       "take an io.Writer",
	"syscall.Read":        "take an io.Reader",
	"syscall.Exit":        "return an error",
	"time.After":          "use a timer, and stop it",
	"time.Tick":           "use a ticker, and stop it",
	"time.Sleep":          "wait for what you are waiting for",
}

// TestOnlyTheCommandTouchesTheWorld: standard streams, environment, clock and
// randomness are for commands alone.
func TestOnlyTheCommandTouchesTheWorld(t *testing.T) {
	for file, f := range sources(t) {
		if f.Name.Name == "main" {
			continue
		}
		imported := importNames(f)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && imported[x.Name] != "" {
					name := path.Base(imported[x.Name]) + "." + n.Sel.Name
					if why, bad := forbidden[name]; bad {
						t.Errorf("%s uses %s: %s", file, name, why)
					}
				}
			case *ast.CallExpr:
				if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "println" || id.Name == "print") {
					t.Errorf("%s uses the builtin %s: take a *slog.Logger", file, id.Name)
				}
			}
			return true
		})
	}
}

// importNames maps the names under which a file knows its imports to their
// paths.
func importNames(f *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range f.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		name := path.Base(imp)
		if len(name) == 2 && name[0] == 'v' { // .../v2
			imp = path.Dir(imp)
			name = path.Base(imp)
		}
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imp
	}
	return names
}

// TestDatabasePackageIsGenerated: nothing in db is written by hand but doc.go.
func TestDatabasePackageIsGenerated(t *testing.T) {
	for file, f := range sources(t) {
		if path.Dir(file) == "db" && path.Base(file) != "doc.go" && !ast.IsGenerated(f) {
			t.Errorf("%s is not generated: put SQL into queries/ and run make generate", file)
		}
	}
}

// sources parses the module's Go files that are no tests, by their path from
// the module's root, slashes between.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	root := filepath.Join("..", "..")
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); p != root && (name == "testdata" || strings.HasPrefix(name, ".") || isModule(p)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		files[filepath.ToSlash(rel)] = f
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// isModule reports whether the folder is a module of its own.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
