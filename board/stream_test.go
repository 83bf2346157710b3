package board_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// follower reads a stream of events.
type follower struct {
	t     testing.TB
	lines *bufio.Scanner
	stop  context.CancelFunc
}

// event is one of a stream.
type event struct {
	kind, id string
	data     struct {
		Reset bool
		Cards []struct{ ID, Stage, Before, HTML string }
		Gone  []string
		Heads map[string]string
		Needs string
		Hub   *string
	}
}

// follow opens a stream behind a mark.
func (c *client) follow(since string) *follower {
	c.s.t.Helper()
	ctx, cancel := context.WithCancel(c.s.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.s.url+"/events?since="+since, nil)
	if err != nil {
		c.s.t.Fatal(err)
	}
	answer, err := (&http.Client{Jar: c.Jar}).Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	c.s.t.Cleanup(func() { cancel(); answer.Body.Close() })
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 4<<20)
	return &follower{c.s.t, lines, cancel}
}

// next returns the next event.
func (f *follower) next() (e event, ok bool) {
	f.t.Helper()
	for f.lines.Scan() {
		name, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch name {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				f.t.Fatalf("%s: %v", value, err)
			}
		case "":
			return e, true
		}
	}
	return e, false
}

// change returns the next event in which a story changed.
func (f *follower) change(id string) event {
	f.t.Helper()
	for {
		e, ok := f.next()
		if !ok {
			f.t.Fatalf("the stream ended before %s changed", id)
		}
		if e.changes(id) {
			return e
		}
	}
}

// changes reports whether a story changed in the event.
func (e *event) changes(id string) bool {
	for _, c := range e.data.Cards {
		if c.ID == id {
			return true
		}
	}
	return false
}

// until reads events until one says what is wanted.
func (f *follower) until(what string, says func(event) bool) {
	f.t.Helper()
	for e, ok := f.next(); !says(e); e, ok = f.next() {
		if !ok {
			f.t.Fatalf("the stream ended before it said %s", what)
		}
	}
}

// mark returns where a page stands.
func (c *client) mark() string {
	c.s.t.Helper()
	_, page := c.get("/")
	_, after, _ := strings.Cut(page, `data-mark="`)
	mark, _, _ := strings.Cut(after, `"`)
	return mark
}

// TestStreamOutlivesTimeouts: a server that bounds how long requests take bounds no stream.
func TestStreamOutlivesTimeouts(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	const timeout = 500 * time.Millisecond
	s.server.ReadTimeout, s.server.WriteTimeout = timeout, timeout
	s.restart()
	in := newClient(s)
	f := in.follow(in.mark())
	f.next()
	time.Sleep(2 * timeout)
	s.add("2_b", pipeline.Changes{})
	f.change("2_b")
}

// TestStream: a page is told of each change of any process, with the card and its place, and of nothing twice.
func TestStream(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	in := newClient(s)
	mark := in.mark()
	f := in.follow(mark)
	if e, ok := f.next(); !ok || e.kind != "hello" || e.data.Reset {
		t.Fatalf("got %+v", e)
	}
	s.add("2_b", pipeline.Changes{Before: ptr("1_a"), Name: ptr("Second")})
	e := f.change("2_b")
	if card := e.data.Cards[0]; card.Before != "1_a" || card.Stage != "1_backlog" || !strings.Contains(card.HTML, "Second") {
		t.Errorf("got %+v", card)
	}
	if !strings.Contains(e.data.Heads["1_backlog"], ">2<") {
		t.Errorf("got the heads %v", e.data.Heads)
	}
	s.do("coder", func(tx *pipeline.Tx) error { _, err := tx.SetBlocked("1_a", true, ptr("stuck")); return err })
	changed := false
	f.until("that it is stuck", func(e event) bool { // with the change, or soon after
		changed = changed || e.changes("1_a")
		return changed && strings.Contains(e.data.Needs, "stuck")
	})
	s.do("coder", func(tx *pipeline.Tx) error { _, err := tx.Delete("2_b"); return err })
	f.until("that it is gone", func(e event) bool { return len(e.data.Gone) > 0 })
	// A page that comes later hears of what it missed, and one from another run reads anew.
	late := in.follow(mark)
	if e, _ := late.next(); e.data.Reset {
		t.Error("a page that missed little must read anew")
	}
	if e := late.change("2_b"); e.id == "" {
		t.Error("an event has no ID")
	}
	for _, since := range []string{"", "x", "abc-1", strings.Split(mark, "-")[0] + "-999"} {
		if e, _ := in.follow(since).next(); !e.data.Reset {
			t.Errorf("behind %q: got %+v, want that the page reads anew", since, e)
		}
	}
	if status, text := in.get("/missed?since=" + mark); status != 200 || !strings.Contains(text, "stuck") || strings.Contains(text, `"reset":true`) {
		t.Errorf("got %d %s", status, text)
	}
}

// TestHubOnTheBoard: a page says how the machine and its hub are doing, and is told when that changes.
func TestHubOnTheBoard(t *testing.T) {
	var state atomic.Value
	state.Store("hub since 09:15, 0 to send")
	s := newSite(t, func(cfg *board.Config) { cfg.Hub = func(context.Context) string { return state.Load().(string) } })
	in := newClient(s)
	if _, page := in.get("/"); !strings.Contains(page, `id="hub" class="who">hub since 09:15, 0 to send<`) {
		t.Errorf("the page does not say how the hub is: %s", page)
	}
	f := in.follow(in.mark())
	state.Store("hub away since 09:20, 3 to send")
	f.until("that the hub is away", func(e event) bool { return e.data.Hub != nil && *e.data.Hub == "hub away since 09:20, 3 to send" })
	state.Store("")
	f.until("that the hub was left", func(e event) bool { return e.data.Hub != nil && *e.data.Hub == "" })
	if _, page := newClient(newSite(t, nil)).get("/"); !strings.Contains(page, `id="hub" class="who" hidden></p>`) {
		t.Errorf("without a hub the page speaks of one: %s", page)
	}
}

// TestDependentsToo: when a story is done, the cards of those that waited for it change.
func TestDependentsToo(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	s.add("2_b", pipeline.Changes{DependsOn: &[]uint32{1}})
	in := newClient(s)
	f := in.follow(in.mark())
	s.do("coder", func(tx *pipeline.Tx) error {
		done := pipeline.Done
		_, err := tx.Advance("1_a", &done)
		return err
	})
	e := f.change("2_b")
	for _, c := range e.data.Cards {
		if c.ID == "2_b" && !strings.Contains(c.HTML, "ready") {
			t.Errorf("got %s", c.HTML)
		}
	}
}

// TestDependenciesThatEnd: when a story no longer waits for another one, or is deleted, the other's card says so.
func TestDependenciesThatEnd(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	s.add("2_b", pipeline.Changes{DependsOn: &[]uint32{1}})
	s.add("3_c", pipeline.Changes{DependsOn: &[]uint32{1}})
	in := newClient(s)
	f := in.follow(in.mark())
	blocks := func(want string) {
		t.Helper()
		f.until(want, func(e event) bool {
			for _, c := range e.data.Cards {
				if c.ID == "1_a" && (strings.Contains(c.HTML, "blocks "+want) || want == "" && !strings.Contains(c.HTML, "blocks")) {
					return true
				}
			}
			return false
		})
	}
	s.do("x", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write("2_b", pipeline.Changes{DependsOn: &[]uint32{}})
		return err
	})
	blocks("1 story")
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Delete("3_c"); return err })
	blocks("")
}

// TestManyDependenciesThatEnd: of a story that was deleted after it had depended on very many numbers, nobody looks for all of
// them. Pages read anew.
func TestManyDependenciesThatEnd(t *testing.T) {
	s := newSite(t, nil)
	for i := range uint32(20) {
		numbers := make([]uint32, crdt.MaxDependencies)
		for j := range numbers {
			numbers[j] = 10 + i*crdt.MaxDependencies + uint32(j)
		}
		s.add("1_a", pipeline.Changes{DependsOn: &numbers})
	}
	in := newClient(s)
	f := in.follow(in.mark())
	s.do("x", func(tx *pipeline.Tx) error { _, err := tx.Delete("1_a"); return err })
	f.until("to read anew", func(e event) bool { return e.data.Reset })
}

// TestManyChanges: a page that cannot be told of so much at once reads anew, and goes on from there.
func TestManyChanges(t *testing.T) {
	s := newSite(t, nil)
	in := newClient(s)
	f := in.follow(in.mark())
	if _, ok := f.next(); !ok {
		t.Fatal("the stream ended")
	}
	err := s.agents.UpdateAll(t.Context(), "planner", func(*pipeline.State) (all []func(*pipeline.Tx) error, _ error) {
		for i := range 400 {
			all = append(all, func(tx *pipeline.Tx) error {
				_, _, err := tx.Write(fmt.Sprintf("%d_s", i+1), pipeline.Changes{Stage: ptr(pipeline.Backlog)})
				return err
			})
		}
		return all, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	f.until("to read anew", func(e event) bool { return e.data.Reset })
	s.add("500_s", pipeline.Changes{})
	f.change("500_s")
}

// TestShutdown: a board with open streams ends at once when it is told to.
func TestShutdown(t *testing.T) {
	s := newSite(t, nil)
	in := newClient(s)
	var streams []*follower
	for range 8 {
		f := in.follow(in.mark())
		if _, ok := f.next(); !ok {
			t.Fatal("the stream ended")
		}
		streams = append(streams, f)
	}
	ended := make(chan struct{})
	go func() { s.stop(); close(ended) }()
	timer := time.NewTimer(10 * time.Second) // 2 s are promised; a test machine may stand still
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		t.Fatal("the board does not end")
	}
	for _, f := range streams {
		for _, ok := f.next(); ok; _, ok = f.next() {
		}
	}
}

// TestNothingIsMissed: of changes that come at any moment, also just when the reader looks at the clock, a page
// hears of each.
func TestNothingIsMissed(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_a", pipeline.Changes{})
	in := newClient(s)
	f := in.follow(in.mark())
	for i := range 40 {
		name := fmt.Sprintf("name %d.", i)
		s.do("x", func(tx *pipeline.Tx) error { _, _, err := tx.Write("1_a", pipeline.Changes{Name: &name}); return err })
		f.until(name, func(e event) bool { return len(e.data.Cards) > 0 && strings.Contains(e.data.Cards[0].HTML, name) })
		time.Sleep(time.Duration(i*7) * time.Millisecond) // around the pause of 200 ms after which counts are read
	}
}
