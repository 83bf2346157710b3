package crdt_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata")

// TestHistories runs the scripts in testdata/histories. A script is blocks of
// command lines, a line "----" and the output they have to print, up to a
// blank line; -update rewrites the output. Lines that begin with # are
// comments. Replica a writes an op, which is named a1, the next one a2:
//
//	a: set STORY FIELD VALUE
//	a: inc STORY FIELD BY [on OP]   on top of the set that a sees, or of OP's
//	                                ("-": on none)
//	a: dep STORY NUMBER true|false
//	a: note STORY "TEXT"
//	a: place STORY first            as a's document shows the order: at the
//	a: place STORY after STORY2     start, or right behind or before another
//	a: place STORY before STORY2    story
//	a: place STORY behind OP        behind the element of an op, or behind the
//	a: place STORY own STORY2       one that STORY2 has without any op, wherever
//	                                they are and whether a knows of them or not
//	a: op STORY EDIT; EDIT; ...     one op of several edits: as above without
//	                                STORY, or "kind N"
//	a after b1 c2: ...              the op names these parents ("-": none)
//	a seq 9: ...                    the op claims this seq
//	a fence 1.7: ...                the op has this fence
//
// A hostile op that its own replica refuses prints the error. What becomes of
// ops and replicas:
//
//	a -> b                          a sends b all it has; "all" are all replicas
//	a <-> b                         and the other way round
//	a ~> b                          in random order, half of it twice
//	deliver a1 to b                 one op alone; prints what Apply says
//	restart b                       b reads its log anew, and prints the same
//	lose a1 at b                    b's row of a1 is damaged, and b restarts
//	trust b a c                     b restarts and trusts itself, a and c
//	trust b all                     or everybody, as it does at first
//	print a                         the document, with ops by name
//	order a                         the stories in the order of their places
//	heads a                         the number of heads and of Next's parents
//	check                           every op reaches every replica. Replicas that
//	                                trust the same authors print the same, and so
//	                                do fresh documents that get the ops in 24
//	                                random orders with repeats; and all show what
//	                                the model of model_test.go says
//
// Every replica is checked after each command.
func TestHistories(t *testing.T) {
	files, err := filepath.Glob("testdata/histories/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("testdata/histories: got %d scripts, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newWorld(t).runScript(string(script))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.Split(string(script), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, diff)
			}
		})
	}
}

// world is the replicas of one history and every op signed in it.
type world struct {
	t        *testing.T
	replicas map[string]*replica
	ops      []*crdt.Op
	byName   map[string]*crdt.Op
	names    map[string]string // by short op ID
	out      bytes.Buffer
}

func newWorld(t *testing.T) *world {
	return &world{t: t, replicas: map[string]*replica{}, byName: map[string]*crdt.Op{}, names: map[string]string{}}
}

// runScript runs every block and returns the script with the output there is.
func (w *world) runScript(script string) string {
	var b strings.Builder
	inOutput := false
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case inOutput:
			inOutput = line != ""
			if inOutput {
				continue // the old output
			}
		case line == "----":
			b.WriteString("----\n" + w.out.String())
			w.out.Reset()
			inOutput = true
			continue
		case line != "" && line[0] != '#':
			w.command(line)
		}
		b.WriteString(line + "\n")
	}
	if w.out.Len() > 0 {
		w.t.Fatalf("the script prints something that no ---- follows:\n%s", w.out.String())
	}
	return b.String()
}

func (w *world) command(line string) {
	w.t.Helper()
	f := strings.Fields(line)
	head, rest, isWrite := strings.Cut(line, ": ")
	switch {
	case isWrite:
		w.write(strings.Fields(head), rest)
	case f[0] == "print":
		fmt.Fprint(&w.out, w.print(w.replica(f[1]).doc))
	case f[0] == "order":
		fmt.Fprintln(&w.out, strings.Join(append([]string{f[1] + ":"}, order(w.replica(f[1]).doc)...), " "))
	case f[0] == "heads":
		d := w.replica(f[1]).doc
		parents, _ := d.Next()
		fmt.Fprintf(&w.out, "%d heads, %d parents\n", len(d.Heads()), len(parents))
	case f[0] == "check":
		w.converge()
	case f[0] == "deliver":
		w.deliver(w.op(f[1]), w.replica(f[3]))
	case f[0] == "restart":
		w.restart(w.replica(f[1]))
	case f[0] == "lose":
		w.lose(w.op(f[1]), w.replica(f[3]))
	case f[0] == "trust":
		w.trust(w.replica(f[1]), f[2:])
	case f[1] == "->":
		w.send(f[0], f[2])
	case f[1] == "~>":
		w.shuffle(w.replica(f[0]), w.replica(f[2]))
	case f[1] == "<->":
		w.send(f[0], f[2])
		w.send(f[2], f[0])
	default:
		w.t.Fatalf("unknown command %q", line)
	}
	for _, r := range w.sorted() {
		r.check(w.t)
	}
}

func (w *world) replica(name string) *replica {
	if w.replicas[name] == nil {
		w.replicas[name] = newReplica(name)
	}
	return w.replicas[name]
}

func (w *world) op(name string) *crdt.Op {
	w.t.Helper()
	if w.byName[name] == nil {
		w.t.Fatalf("there is no op %q yet", name)
	}
	return w.byName[name]
}

// sorted returns the replicas named, or all of them by name.
func (w *world) sorted(names ...string) []*replica {
	if len(names) == 0 || names[0] == "all" {
		names = nil
		for name := range w.replicas {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	var rs []*replica
	for _, name := range names {
		rs = append(rs, w.replica(name))
	}
	return rs
}

func (w *world) send(from, to string) {
	w.t.Helper()
	for _, r := range w.sorted(to) {
		for _, s := range w.sorted(from) {
			if r != s {
				r.pull(w.t, s)
			}
		}
	}
}

// deliver applies one op and prints the outcome.
func (w *world) deliver(op *crdt.Op, r *replica) {
	w.t.Helper()
	res, err := r.tryReceive(w.t, op)
	if err != nil {
		fmt.Fprintf(&w.out, "%s: %s\n", r.name, w.named(err.Error()))
		return
	}
	fmt.Fprintf(&w.out, "%s: %s %s", r.name, w.named(op.ID.Short()), res.Status)
	for _, rel := range res.Released {
		fmt.Fprintf(&w.out, ", released %s", w.named(rel.ID.Short()))
	}
	for _, bad := range res.Refused {
		fmt.Fprintf(&w.out, ", refused %s", w.named(bad.ID.Short()))
	}
	fmt.Fprintln(&w.out)
}

var printedID = regexp.MustCompile(`\b[0-9a-f]{12}(?:[0-9a-f]{52})?\b`)

// named puts names in the place of op IDs.
func (w *world) named(s string) string {
	return printedID.ReplaceAllStringFunc(s, func(id string) string {
		if name, ok := w.names[id[:12]]; ok {
			return name
		}
		return id
	})
}

// print prints a document with the names of ops, and the lists of ops in the
// order in which they were written, which no change of an encoding disturbs.
func (w *world) print(d *crdt.Doc) string {
	lines := strings.Split(w.named(text(d)), "\n")
	for i, line := range lines {
		f := strings.Fields(line)
		if len(f) > 1 && slices.Contains([]string{"heads", "held", "pending"}, f[0]) {
			slices.SortFunc(f[1:], func(a, b string) int {
				return slices.Index(w.ops, w.byName[a]) - slices.Index(w.ops, w.byName[b])
			})
			lines[i] = strings.Join(f, " ")
		}
	}
	return strings.Join(lines, "\n")
}
