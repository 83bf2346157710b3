package board_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/pipeline"
)

var chartIDs = []string{"flow", "throughput", "cycle", "stages", "aging", "agents"}

func table(t *testing.T, c *client, id string) [][]string {
	t.Helper()
	status, text := c.get("/charts/" + id + ".csv")
	if status != http.StatusOK {
		t.Fatalf("%s: got %d:\n%s", id, status, text)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// TestChartsOfNothing: an empty pipeline has no charts and no rows, and the page says so.
func TestChartsOfNothing(t *testing.T) {
	t.Parallel()
	c := newClient(newSite(t, nil))
	status, page := c.get("/charts")
	if status != http.StatusOK || strings.Contains(page, `class="chart"`) || strings.Count(page, `class="none"`) != len(chartIDs) {
		t.Errorf("got %d:\n%s", status, page)
	}
	for _, id := range chartIDs {
		if rows := table(t, c, id); len(rows) != 1 || len(rows[0]) < 2 {
			t.Errorf("%s: got %q, want a row of names alone", id, rows)
		}
	}
	if status, _ := c.get("/charts/other.csv"); status != http.StatusNotFound {
		t.Errorf("a chart that is none: got %d", status)
	}
}

// TestChartsOfOneStory: each chart has the one story that was claimed and done, in a table and as CSV.
func TestChartsOfOneStory(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.add("1_bug_crash", pipeline.Changes{Name: ptr("crash")})
	s.claim("=coder", "1_bug_crash")
	c := newClient(s)
	today := time.Now().UTC().Format(time.DateOnly)
	if rows := table(t, c, "aging"); len(rows) != 2 || rows[1][0] != "1_bug_crash" || rows[1][1] != "Current" {
		t.Errorf("in hand: got %q", rows)
	}
	if rows := table(t, c, "agents"); len(rows) != 3 || rows[2][0] != "'=coder" || rows[2][1] != "1_bug_crash" || rows[2][3] != "now" {
		t.Errorf("agents: got %q", rows)
	}
	_, page := c.get("/charts")
	if !strings.Contains(page, "<title>1 crash: Current, in hand for ") || !strings.Contains(page, `<a href="/story/1_bug_crash">1 crash</a>`) {
		t.Errorf("in hand: the story is not named:\n%s", page)
	}
	s.do("=coder", func(tx *pipeline.Tx) error {
		tx.By(pipeline.Caller{Session: s.session.ID(), Name: "=coder"})
		_, _, err := tx.Write("1_bug_crash", pipeline.Changes{Stage: ptr(pipeline.Done)})
		return err
	})
	if rows := table(t, c, "throughput"); len(rows) != 2 || rows[1][0] != today || rows[1][1] != "1" {
		t.Errorf("throughput: got %q", rows)
	}
	if rows := table(t, c, "flow"); len(rows) != 2 || strings.Join(rows[1], " ") != today+" 0 0 0 0 1 0" {
		t.Errorf("flow: got %q", rows)
	}
	if rows := table(t, c, "cycle"); len(rows) != 2 || rows[1][0] != "1_bug_crash" {
		t.Errorf("cycle: got %q", rows)
	}
	if rows := table(t, c, "stages"); len(rows) != 3 || rows[1][0] != "Backlog" || rows[2][0] != "Current" {
		t.Errorf("stages: got %q", rows)
	}
	if rows := table(t, c, "aging"); len(rows) != 1 {
		t.Errorf("in hand: got %q, want none", rows)
	}
	_, page = c.get("/charts")
	if strings.Count(page, `class="chart"`) != len(chartIDs)-1 || strings.Contains(page, "style=") || !strings.Contains(page, `href="/story/1_bug_crash"`) {
		t.Errorf("got the page:\n%s", page)
	}
	if _, page := c.get("/charts?type=spike"); strings.Contains(page, "1_bug_crash") {
		t.Error("the charts of spikes have a bug")
	}
}

// TestTimelineOfLapsedClaims: the bar of a claim ends when the claim lapsed, not when another agent took the story,
// unless its agent worked on the story for longer.
func TestTimelineOfLapsedClaims(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.three()
	claim := func(ago time.Duration, agent, id string) {
		t.Helper()
		s.doAgo(ago, agent, func(tx *pipeline.Tx) error {
			_, err := tx.Claim(id, s.session.ClaimOptions(agent, 1800))
			return err
		})
	}
	claim(6*time.Hour, "gone", "1_a")
	claim(6*time.Hour, "slow", "2_b")
	s.doAgo(4*time.Hour, "slow", func(tx *pipeline.Tx) error { return tx.AddNote("2_b", nil, "half done") })
	claim(2*time.Hour, "left", "3_c")
	for _, id := range []string{"1_a", "2_b"} {
		s.claim("next", id)
	}
	got := map[string]string{}
	for _, row := range table(t, newClient(s), "agents")[1:] {
		from, _ := time.Parse(time.RFC3339, row[2]) // a claim that goes on has no time
		to, err := time.Parse(time.RFC3339, row[3])
		if err == nil {
			got[row[0]+" "+row[1]] = to.Sub(from).Round(time.Minute).String()
		}
	}
	want := map[string]string{"gone 1_a": "30m0s", "slow 2_b": "2h0m0s", "left 3_c": "30m0s"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the claims lasted (-want +got):\n%s", diff)
	}
}
