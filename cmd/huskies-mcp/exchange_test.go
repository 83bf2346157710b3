package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// stressTime is how long stress tests run: as HUSKIES_STRESS says, e.g. 60s, or
// as long as a run of all tests can spare.
func stressTime(t *testing.T, spare time.Duration) time.Duration {
	t.Helper()
	s := os.Getenv("HUSKIES_STRESS")
	if s == "" {
		return spare
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("HUSKIES_STRESS: %v", err)
	}
	return d
}

// exchange is three machines without a server: a database each, on which a
// session works all the time, and bundles between them.
type exchange struct {
	rng      *rand.Rand
	sessions [3]*session
	dbs      [3]string
	counts   map[string]int
}

// TestExchange: three databases exchange bundles in random order, parts of
// bundles and the same ones again, while sessions write to all three. In the
// end all show the same bytes and have equal heads, and so does a fourth that
// takes in one bundle.
func TestExchange(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	x := &exchange{rng: rand.New(rand.NewPCG(seed, 0)), counts: map[string]int{}}
	dir := t.TempDir()
	for i := range x.dbs {
		x.dbs[i] = filepath.Join(dir, fmt.Sprintf("%d.db", i))
		x.sessions[i] = startSession(t, x.dbs[i])
		x.write(t, i)
	}
	for end := time.Now().Add(stressTime(t, 2*time.Second)); time.Now().Before(end); {
		for range x.rng.IntN(6) {
			x.write(t, x.rng.IntN(3))
		}
		x.send(t, x.rng.IntN(3), x.rng.IntN(3))
	}
	for range 2 { // the second round carries what came by way of a third
		for from := range x.dbs {
			for to := range x.dbs {
				x.importInto(t, to, output(t, nil, "export", "--db", x.dbs[from]))
			}
		}
	}
	list, heads := x.shows(t, 0)
	for i := 1; i < len(x.dbs); i++ {
		if otherList, otherHeads := x.shows(t, i); !bytes.Equal(list, otherList) || !bytes.Equal(heads, otherHeads) {
			t.Errorf("databases 0 and %d differ: lists\n%s\n%s\nheads\n%s\n%s", i, list, otherList, heads, otherHeads)
		}
	}
	x.dbs[0] = filepath.Join(dir, "fresh.db")
	x.importInto(t, 0, output(t, nil, "export", "--db", x.dbs[1]))
	if freshList, freshHeads := x.shows(t, 0); !bytes.Equal(list, freshList) || !bytes.Equal(heads, freshHeads) {
		t.Errorf("a fresh database differs: lists\n%s\n%s\nheads\n%s\n%s", list, freshList, heads, freshHeads)
	}
	t.Logf("%v; the list has %d bytes", x.counts, len(list))
}

// write makes one random change.
func (x *exchange) write(t *testing.T, i int) {
	t.Helper()
	story := func() string { return fmt.Sprintf("%d_story", 1+x.rng.IntN(40)) }
	stages := []string{"1_backlog", "2_current", "3_qa", "5_done"}
	id := story()
	args := arguments{"story_id": id, "stage": stages[x.rng.IntN(len(stages))], "name": fmt.Sprint("take ", x.rng.IntN(1000))}
	if other := story(); x.rng.IntN(3) == 0 && other != id {
		if _, err := x.sessions[i].call("read_item", arguments{"story_id": other}); err == nil {
			args[[]string{"after", "before"}[x.rng.IntN(2)]] = other
		}
	}
	if x.rng.IntN(3) == 0 {
		args["depends_on"] = []int{100 + x.rng.IntN(5), 100 + x.rng.IntN(5)}
	}
	x.sessions[i].must(t, "write_item", args)
	x.counts["writes"]++
	if x.rng.IntN(3) == 0 {
		x.sessions[i].must(t, "bump_retry", arguments{"story_id": id})
	}
}

// send brings ops from one database to another: all, what is missing there, or
// some of them in any order.
func (x *exchange) send(t *testing.T, from, to int) {
	t.Helper()
	args := []string{"export", "--db", x.dbs[from]}
	since := x.rng.IntN(2) == 0
	if since {
		args = append(args, "--since", string(output(t, nil, "heads", "--db", x.dbs[to])))
	}
	lines := strings.SplitAfter(string(output(t, nil, args...)), "\n")
	if x.rng.IntN(2) == 0 {
		x.rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		lines = lines[:x.rng.IntN(len(lines)+1)]
		x.counts["shuffled parts"]++
	}
	x.importInto(t, to, []byte(strings.Join(lines, "")))
}

func (x *exchange) importInto(t *testing.T, to int, bundle []byte) {
	t.Helper()
	output(t, bundle, "import", "--create", "-", "--db", x.dbs[to])
	x.counts["imports"]++
	x.counts["ops sent"] += bytes.Count(bundle, []byte("\n"))
}

// anyLoss finds the warning of what was written twice apart. What it names depends on the order in which ops came.
var anyLoss = regexp.MustCompile(`,"of what was written on several(?:[^"\\]|\\.)*"|"of what was written on several(?:[^"\\]|\\.)*",?`)

// shows returns what a new process prints of a database.
func (x *exchange) shows(t *testing.T, i int) (list, heads []byte) {
	t.Helper()
	args, err := json.Marshal(arguments{"limit": 200, "fields": allFields})
	if err != nil {
		t.Fatal(err)
	}
	list = output(t, nil, "call", "--db", x.dbs[i], "list_items", string(args))
	list = anyCursor.ReplaceAll(list, nil) // is each replica's own
	list = bytes.ReplaceAll(anyLoss.ReplaceAll(list, nil), []byte(`"warnings":[],`), nil)
	return list, output(t, nil, "heads", "--db", x.dbs[i])
}

// output runs the command, which must succeed, and returns what it prints.
func output(t *testing.T, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("huskies-mcp", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("huskies-mcp %s: %v: %s%s", args, err, stdout.String(), stderr.String())
	}
	return stdout.Bytes()
}

// TestImportIsInterrupted: one signal ends an import whose bundle does not end.
func TestImportIsInterrupted(t *testing.T) {
	cmd := exec.Command("huskies-mcp", "import", "--create", "-", "--db", filepath.Join(t.TempDir(), "x.db"))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	endless := bytes.Repeat([]byte("\n"), 1<<16)
	for n := 0; err == nil; n++ { // until nobody reads
		if _, err = stdin.Write(endless); n == 30 {
			err = cmd.Process.Signal(os.Interrupt)
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(stderr.String(), "huskies-mcp: interrupted. Taken in until then: 0 new") {
		t.Errorf("got %v, %s", err, stderr.String())
	}
}
