package board_test

import (
	"bufio"
	"crypto/rand"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

var figures = flag.String("figures", "", "the built command, with which TestFigures measures")

// built runs the built command on a pipeline.
type built struct {
	t    *testing.T
	path string
	env  []string
}

// newBuilt makes a pipeline of so many ops and stories. Half of the work is left open, so that the columns are full.
func newBuilt(t *testing.T, ops, stories int) *built {
	b := &built{t: t, path: filepath.Join(t.TempDir(), "p.db")}
	b.env = append(os.Environ(), "HUSKIES_DB="+b.path, "XDG_STATE_HOME="+t.TempDir(), "HUSKIES_AGENT=ann")
	r := replica.New(replica.Config{Path: b.path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)})
	var batch []crdt.SignedOp
	flush := func() {
		if _, err := r.Admit(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		batch = batch[:0]
	}
	for _, op := range workload.Ops(workload.Config{Seed: 1, Ops: ops, Stories: stories}) {
		if batch = append(batch, op); len(batch) == 10_000 {
			flush()
		}
	}
	flush()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	move := exec.Command(*figures, "note", workload.StoryID(1), "moved in") // the file's home becomes that of the command
	move.Env = b.env
	if out, err := move.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return b
}

// board starts the built board and returns the address it prints and its process.
func (b *built) board() (cmd *exec.Cmd, address string) {
	cmd = exec.Command(*figures, "board")
	cmd.Env = b.env
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.t.Fatal(err)
	}
	_, address, _ = strings.Cut(strings.TrimSpace(line), "Open ")
	return cmd, address
}

// resident returns the memory of a process in MiB, now and at its peak.
func resident(t *testing.T, cmd *exec.Cmd) (now, peak int) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &now)
		_, _ = fmt.Sscanf(line, "VmHWM: %d kB", &peak)
	}
	return now >> 10, peak >> 10
}

// quantiles returns the median and the 99th percentile.
func quantiles(d []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(d)
	return d[len(d)/2].Round(time.Millisecond), d[len(d)*99/100].Round(time.Millisecond)
}

// TestFigures measures what docs/performance.md says of the board: go build -o /tmp/huskies-mcp ./cmd/huskies-mcp &&
// go test ./board -count 1 -run TestFigures -v -figures /tmp/huskies-mcp.
func TestFigures(t *testing.T) {
	if *figures == "" {
		t.Skip("figures are measured with -figures COMMAND")
	}
	t.Run("5,000 stories", func(t *testing.T) { paint(t, newBuilt(t, 25_000, 5_000)) })
	t.Run("100,000 stories", func(t *testing.T) { paint(t, newBuilt(t, 100_000, 100_000)) })
	t.Run("latency", latency)
	t.Run("writers", writers)
	t.Run("weight", weight)
}

// paint measures from the start of the command until the page has loaded, and the memory after scrolling.
func paint(t *testing.T, b *built) {
	open(t, "about:blank")
	var times, loads []time.Duration
	var cmd *exec.Cmd
	for range 7 {
		if cmd != nil {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
		page := open(t, "about:blank")
		began := time.Now()
		var address string
		cmd, address = b.board()
		loading := time.Now()
		page.run(chromedp.Navigate(address))
		times, loads = append(times, time.Since(began)), append(loads, time.Since(loading))
		page.live()
		if len(times) < 7 {
			continue
		}
		longest := js[float64](page, `new Promise((done) => {
			let longest = 0;
			new PerformanceObserver((l) => { for (const e of l.getEntries()) longest = Math.max(longest, e.duration); }).observe({ type: "longtask" });
			const list = [...document.querySelectorAll(".cards")].sort((a, b) => b.scrollHeight - a.scrollHeight)[0];
			let n = 0;
			const step = () => { list.scrollTop += 40; if (++n < 240) requestAnimationFrame(step); else setTimeout(() => done(longest), 200); };
			requestAnimationFrame(step);
		})`)
		cards := js[int](page, `document.querySelectorAll(".card").length`)
		t.Logf("longest task while a column scrolls: %.0f ms, %d cards then", longest, cards)
	}
	p50, _ := quantiles(times)
	load, _ := quantiles(loads)
	now, peak := resident(t, cmd)
	t.Logf("exec to load event, median of 7: %v (of it from the address to the load event %v); memory %d MiB, peak %d MiB", p50, load, now, peak)
}

// latency measures from the answer of an agent's write until the page has the change.
func latency(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	page := open(t, s.token("/"))
	page.live()
	page.run(chromedp.Evaluate[chromedp.Void](`window.seen = {}; new MutationObserver(() => {
		const title = document.querySelector("#c-1_a > a")?.textContent ?? ""; window.seen[title.trim().split(" ").pop()] ??= Date.now();
	}).observe(document.querySelector("#board"), { childList: true, subtree: true, characterData: true })`))
	var all []time.Duration
	var began []time.Time
	for i := range 120 {
		s.do("coder", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write("1_a", pipeline.Changes{Name: ptr(fmt.Sprintf("change n%d", i))})
			return err
		})
		began = append(began, time.Now())
		time.Sleep(150 * time.Millisecond)
	}
	page.until(`"n119" in window.seen`)
	for i, at := range began {
		seen := js[float64](page, fmt.Sprintf(`window.seen["n%d"] ?? 0`, i))
		if seen > 0 {
			all = append(all, max(0, time.UnixMilli(int64(seen)).Sub(at)))
		}
	}
	p50, p99 := quantiles(all)
	t.Logf("an agent's write to the card's change, %d writes: p50 %v, p99 %v", len(all), p50, p99)
}

// writers measures how fast an agent writes without streams and with eight, in turns.
func writers(t *testing.T) {
	b := newBuilt(t, 10_000, 1_000)
	_, address := b.board()
	r := newReplica(t, b.path)
	writes := 0
	count := func() (n int) {
		for began := time.Now(); time.Since(began) < 500*time.Millisecond; n++ {
			writes++
			_, err := r.Update(t.Context(), "coder", func(tx *pipeline.Tx) error {
				return tx.AddNote(workload.StoryID(1+writes%900), nil, fmt.Sprint(writes))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		return n
	}
	jar, _ := cookiejar.New(nil) // never fails
	browser := &http.Client{Jar: jar}
	answer, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	base, _, _ := strings.Cut(address, "?")
	var without, with int // in short turns, since the machine has other work
	for range 30 {
		without += count()
		var streams sync.WaitGroup
		var close []func()
		for range 8 {
			stream, err := browser.Get(base + "events")
			if err != nil {
				t.Fatal(err)
			}
			close = append(close, func() { stream.Body.Close() })
			streams.Go(func() {
				lines := bufio.NewScanner(stream.Body)
				lines.Buffer(nil, 4<<20)
				for lines.Scan() {
				}
			})
		}
		with += count()
		for _, c := range close {
			c()
		}
		streams.Wait()
	}
	t.Logf("an agent's writes in 15 s: %d without streams, %d with eight: %.2f x", without, with, float64(with)/float64(without))
}

// weight measures what a browser loads first of a board with 200 open stories.
func weight(t *testing.T) {
	s := newSite(t, nil)
	err := s.agents.UpdateAll(t.Context(), "planner", func(*pipeline.State) (all []func(*pipeline.Tx) error, _ error) {
		stages := []pipeline.Stage{pipeline.Backlog, pipeline.Current, pipeline.QA, pipeline.Merge}
		for i := range 200 {
			all = append(all, func(tx *pipeline.Tx) error {
				c := pipeline.Changes{Stage: &stages[i%4], Name: ptr(fmt.Sprintf("A story whose name is as long as usual, the %d.", i)), Note: ptr("x")}
				if i%3 == 0 && i > 0 {
					c.DependsOn = &[]uint32{uint32(i)}
				}
				_, _, err := tx.Write(fmt.Sprintf("%d_story_with_a_usual_name", i+1), c)
				return err
			})
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	in := newClient(s)
	sum := 0
	for _, path := range []string{"/", "/static/board.css", "/static/board.js"} {
		_, page := in.get(path)
		t.Logf("%s: %.1f KB", path, float64(len(page))/1000)
		sum += len(page)
	}
	t.Logf("in all: %.1f KB", float64(sum)/1000)
}
