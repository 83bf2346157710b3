package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/go-cmp/cmp"
)

const (
	linearServers = 6
	linearClients = 3 // of each server
	linearCalls   = 60
	linearStories = 5 // that all write to, in an epoch
	linearClaims  = 10
)

// record is what the clients of a fleet saw.
type record struct {
	fleet *fleet
	began time.Time

	mu      sync.Mutex            // guards all below
	history []porcupine.Operation // of this epoch
	items   map[string]shownItem  // by rev, of all epochs
	written map[string]bool       // revs that a change was answered with, of all epochs
	lost    int                   // changes that were not answered
	calls   int
	claims  map[string]*claim // by story; during an epoch mu guards the claims alone
}

// claim is a story that everybody wants, and what came of it.
type claim struct {
	rev     string   // before anybody had it
	winners []string // agents
	refused int
	lost    []string // agents that got no answer
}

// TestLinearizable: six processes on one file, with several calls in flight each, are killed with SIGKILL and started
// again all the time. What their clients saw is what one process would have shown that does one call after the
// other: nothing that was acknowledged is lost, nothing is won twice, nothing is half done, no read is stale, no call
// fails.
//
// The history is cut into epochs, each with stories of its own, since the cost of the check can grow fast.
func TestLinearizable(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	f := startFleet(t, filepath.Join(t.TempDir(), "x.db"), linearServers)
	r := &record{fleet: f, began: time.Now(), items: map[string]shownItem{}, written: map[string]bool{}}
	epochs, won := 0, 0
	for end := time.Now().Add(stressTime(t, time.Second)); epochs == 0 || time.Now().Before(end); epochs++ {
		r.epoch(t, rng, epochs)
		if t.Failed() {
			return
		}
		won += r.checkClaims(t)
		r.checkHistory(t)
	}
	r.checkWithoutAWin(t)
	f.end(t)
	landed := r.checkLog(t)
	t.Logf("%d epochs, %d kills, %d calls, %d changes acknowledged, %d claims won once, %d changes unanswered: %d of them on disk",
		epochs, f.kills, r.calls, len(r.written), won, r.lost, landed)
}

// epoch has all clients call all servers, while servers are killed, and in the end every server show every story.
func (r *record) epoch(t *testing.T, rng *rand.Rand, n int) {
	t.Helper()
	r.history, r.claims = nil, map[string]*claim{}
	var stories, claims []string
	for i := range linearStories {
		stories = append(stories, fmt.Sprintf("%d_story", 100*n+i))
	}
	for i := range linearClaims {
		id := fmt.Sprintf("%d_claim", 100*n+50+i)
		a, err := r.call(i%linearServers, 0, storyCall{Tool: "write_item", Story: id, Stage: ptr("1_backlog")})
		if err != nil {
			t.Fatal(err)
		}
		claims = append(claims, id)
		r.claims[id] = &claim{rev: a.Item.Rev}
	}
	var running sync.WaitGroup
	errs := make([]error, linearServers*linearClients)
	for id := range errs {
		c := &linearClient{
			record: r, id: id, server: id % linearServers, rng: rand.New(rand.NewPCG(rng.Uint64(), 0)),
			name: fmt.Sprintf("c%d-e%d", id, n), stories: stories, wants: claims,
		}
		running.Go(func() { errs[id] = c.run() })
	}
	finished := make(chan struct{})
	go func() {
		running.Wait()
		close(finished)
	}()
	r.fleet.killUntil(t, rng, 40*time.Millisecond, finished)
	for server := range linearServers {
		for _, id := range slices.Concat(stories, claims) {
			_, err := r.call(server, server, storyCall{Tool: "read_item", Story: id})
			errs = append(errs, err)
		}
		errs = append(errs, r.list(server, server, slices.Concat(stories, claims)))
	}
	for _, id := range slices.Concat(stories, claims) { // out of the way of the next epoch's, which stand on the first page
		_, err := r.call(n%linearServers, 0, storyCall{Tool: "write_item", Story: id, Stage: ptr("6_archived")})
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		t.Errorf("unexpected errors: %v", err)
	}
}

// call makes a call, and records it.
func (r *record) call(server, client int, c storyCall) (storyAnswer, error) {
	a, at, err := r.fleet.timedCall(server, c.Tool, c.arguments())
	out := storyAnswer{Item: a.Item, Created: a.Created, BlockedByLimit: a.BlockedByLimit}
	var said toolError
	switch {
	case err == nil:
	case errors.Is(err, errGone):
		out.Unanswered = true
	case errors.As(err, &said):
		var unexpected error
		if out, unexpected = refused(said); unexpected != nil {
			return storyAnswer{}, fmt.Errorf("%v: %w", c, unexpected)
		}
	default:
		return storyAnswer{}, fmt.Errorf("%v: %w", c, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.add(client, c, out, at)
	if out.Unanswered && c.Tool != "read_item" {
		r.lost++
	}
	if err == nil && (a.Created || len(a.Changed) > 0 || c.Tool == "bump_retry") {
		if r.written[a.Item.Rev] {
			return out, fmt.Errorf("%v: another change has the rev %s", c, a.Item.Rev)
		}
		r.written[a.Item.Rev] = true
	}
	if !out.Unanswered && out.Refused != absent {
		return out, r.sawItem(out.Item)
	}
	return out, nil
}

// refused reads an error that a correct server may give.
func refused(said toolError) (storyAnswer, error) {
	text := string(said)
	for _, why := range []refusal{absent, movedOn} {
		if !strings.Contains(text, string(why)) {
			continue
		}
		out := storyAnswer{Refused: why}
		if _, item, ok := strings.Cut(text, "\ncurrent item: "); ok {
			if err := json.Unmarshal([]byte(item), &out.Item); err != nil {
				return out, fmt.Errorf("current item of a refusal: %w", err)
			}
		}
		return out, nil
	}
	return storyAnswer{}, said
}

// add adds an operation to the history. The caller holds mu, or is alone.
func (r *record) add(client int, c storyCall, out storyAnswer, at times) {
	r.history = append(r.history, porcupine.Operation{
		ClientId: client, Input: c, Output: out, Call: at.call.Sub(r.began).Nanoseconds(), Return: at.end.Sub(r.began).Nanoseconds(),
	})
}

// sawItem makes sure that a rev names one state of one story, for ever. The caller holds mu.
func (r *record) sawItem(it shownItem) error {
	before, ok := r.items[it.Rev]
	r.items[it.Rev] = it
	if diff := cmp.Diff(before, it); ok && diff != "" {
		return fmt.Errorf("rev %s names two states of a story:\n%s", it.Rev, diff)
	}
	return nil
}

// list reads the first page of the list: of each of the stories that is a read.
func (r *record) list(server, client int, stories []string) error {
	a, at, err := r.fleet.timedCall(server, "list_items", arguments{"limit": 200, "fields": allFields})
	if errors.Is(err, errGone) {
		return nil
	} else if err != nil {
		return fmt.Errorf("list_items: %w", err)
	}
	shown := map[string]shownItem{}
	for _, stage := range a.Stages {
		for _, it := range stage.Items {
			if _, twice := shown[it.StoryID]; twice {
				return fmt.Errorf("list_items shows %s twice", it.StoryID)
			}
			it.Stage = stage.Stage // which stands above its items
			shown[it.StoryID] = it
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	for _, id := range stories {
		it, ok := shown[id]
		if !ok && a.NextCursor != "" {
			continue // on another page, or not there
		}
		out := storyAnswer{Item: it}
		if !ok {
			out.Refused = absent
		} else if err := r.sawItem(it); err != nil {
			return err
		}
		r.add(client, storyCall{Tool: "list_items", Story: id}, out, at)
	}
	return nil
}

// checkClaims counts, apart from the model: of all who claimed a story on one rev, one won. It returns how many
// stories were won.
func (r *record) checkClaims(t *testing.T) int {
	t.Helper()
	won := 0
	for id, c := range r.claims {
		may := slices.Concat(c.winners, c.lost)
		it := r.fleet.servers[0].Load().must(t, "read_item", arguments{"story_id": id}).Item
		if len(c.winners) > 1 || len(c.winners) == 1 && it.Agent != c.winners[0] || it.Agent != "" && !slices.Contains(may, it.Agent) ||
			it.Agent == "" && c.refused > 0 {
			t.Errorf("%s was won by %q (%d refused, %q unanswered), its agent is %q", id, c.winners, c.refused, c.lost, it.Agent)
		}
		won += len(c.winners)
	}
	return won
}

// checkHistory has the checker look for an order of the calls, one after the other, that explains every answer.
func (r *record) checkHistory(t *testing.T) {
	t.Helper()
	result, info := porcupine.CheckOperationsVerbose(storyModel(), r.history, hangGuard)
	if result == porcupine.Ok {
		return
	}
	t.Errorf("the history of %d operations is not linearizable: %s", len(r.history), result)
	page, err := os.CreateTemp("", "huskies-history-*.html") // stays
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	if err := porcupine.Visualize(storyModel(), info, page); err != nil {
		t.Error(err)
	}
	t.Logf("to look at: %s", page.Name())
}

// checkWithoutAWin takes an acknowledged claim out of the last epoch's history: the checker must miss it.
func (r *record) checkWithoutAWin(t *testing.T) {
	t.Helper()
	won := slices.IndexFunc(r.history, func(op porcupine.Operation) bool {
		call, a := op.Input.(storyCall), op.Output.(storyAnswer)
		return r.claims[call.Story] != nil && call.Agent != nil && !a.Unanswered && a.Refused == done
	})
	if won < 0 {
		t.Fatal("nobody won anything")
	}
	doctored := slices.Delete(slices.Clone(r.history), won, won+1)
	if got := porcupine.CheckOperationsTimeout(storyModel(), doctored, hangGuard); got != porcupine.Illegal {
		t.Errorf("the history without one acknowledged claim is %s, want %s", got, porcupine.Illegal)
	}
}

// checkLog compares the log with what the clients know, and returns how many of the changes that were not answered
// are in it.
func (r *record) checkLog(t *testing.T) (landed int) {
	t.Helper()
	missing := maps.Clone(r.written)
	for i, op := range readLog(t, r.fleet.db) {
		rev := op.OpID[:12]
		if !missing[rev] {
			landed++
		}
		delete(missing, rev)
		if op.Seq != i+1 {
			t.Fatalf("op %d of the log has seq %d: on one file the history is a chain", i+1, op.Seq)
		}
	}
	if len(missing) > 0 || landed > r.lost {
		t.Errorf("%d acknowledged changes are not in the log, and %d are that nobody was told of, of %d unanswered", len(missing), landed, r.lost)
	}
	return landed
}

func ptr[T any](v T) *T { return &v }
