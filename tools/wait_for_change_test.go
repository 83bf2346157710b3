package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// cursorOf returns the cursor of an answer.
func cursorOf(t *testing.T, answer string) string {
	t.Helper()
	var out position
	if err := json.Unmarshal([]byte(answer), &out); err != nil || out.Cursor == "" {
		t.Fatalf("no cursor in %s (%v)", answer, err)
	}
	return out.Cursor
}

// TestWaitForChange: what agents get, to the letter, with the cursors of the
// answers before: each change once, by story and by stage, with the newest state.
func TestWaitForChange(t *testing.T) {
	h := newTempHost(t)
	cursors := []string{"0"}
	for i, tt := range []struct {
		tool, args string // $n is the cursor of the n-th answer, $n! the same row of another state
		want       string // "" for any
	}{
		{"wait_for_change", `{"since":"$0","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet","cursor":"0"}`},
		{"write_item", `{"story_id":"1_s","stage":"1_backlog","name":"<one>"}`, ""},
		{"write_item", `{"story_id":"2_s","stage":"1_backlog"}`, ""},
		{"wait_for_change", `{"since":"$3","timeout_seconds":0}`, ""},
		{"write_item", `{"story_id":"1_s","stage":"2_current","agent":"ann"}`, ""},
		{"bump_retry", `{"story_id":"1_s"}`, ""},
		{"write_item", `{"story_id":"1_s","stage":"3_qa","agent":""}`, ""},
		{
			"wait_for_change", `{"since":"$1"}`,
			`{"changed":true,"changes":[{"story_id":"1_s","name":"<one>","stage":"3_qa","changed":["stage","name","agent","retry_count"],"by":"tester","at":"T"},{"story_id":"2_s","stage":"1_backlog","changed":["stage"],"by":"tester","at":"T"}],"cursor":"5.P"}`,
		},
		{
			"wait_for_change", `{"since":"$3"}`,
			`{"changed":true,"changes":[{"story_id":"1_s","name":"<one>","stage":"3_qa","changed":["stage","agent","retry_count"],"by":"tester","at":"T"}],"cursor":"5.P"}`,
		},
		{"wait_for_change", `{"since":"$7","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet","cursor":"5.P"}`},
		{"wait_for_change", `{"since":"$3","story_id":"2_s","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet","cursor":"2.P"}`},
		{"wait_for_change", `{"since":"$3","story_id":"9_none","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet; there is no story \"9_none\"; find the right story_id with list_items; a new story is created with write_item (give story_id and stage)","cursor":"2.P"}`},
		{"wait_for_change", `{"since":"$2","story_id":"2_s"}`, `{"changed":true,"changes":[{"story_id":"2_s","stage":"1_backlog","changed":["stage"],"by":"tester","at":"T"}],"cursor":"5.P"}`},
		// 1_s left 1_backlog and passed through 2_current; nothing was in 5_done.
		{"wait_for_change", `{"since":"$3","stage":"1_backlog"}`, `{"changed":true,"changes":[{"story_id":"1_s","name":"<one>","stage":"3_qa","changed":["stage","agent","retry_count"],"by":"tester","at":"T"}],"cursor":"5.P"}`},
		{"wait_for_change", `{"since":"$5","stage":"2_current"}`, `{"changed":true,"changes":[{"story_id":"1_s","name":"<one>","stage":"3_qa","changed":["stage","agent","retry_count"],"by":"tester","at":"T"}],"cursor":"5.P"}`},
		{"wait_for_change", `{"since":"$1","stage":"5_done","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet","cursor":"0"}`},
		{"wait_for_change", `{"since":"9.00000000.00000000"}`, `{"changed":true,"changes":[],"reset":true,"message":"what changed since this cursor is not known any more: read what you need anew, then go on with the cursor of this answer","cursor":"5.P"}`},
		{"wait_for_change", `{"since":"3.00000000.00000000"}`, `{"changed":true,"changes":[],"reset":true,"message":"what changed since this cursor is not known any more: read what you need anew, then go on with the cursor of this answer","cursor":"5.P"}`},
		{"wait_for_change", `{"since":"$7!"}`, `{"changed":true,"changes":[],"reset":true,"message":"what changed since this cursor is not known any more: read what you need anew, then go on with the cursor of this answer","cursor":"5.P"}`},
	} {
		args := tt.args
		for n := i; n >= 0; n-- {
			another := cursors[n][:strings.LastIndex(cursors[n], ".")+1] + "00000000"
			args = strings.ReplaceAll(args, fmt.Sprint("$", n, "!"), another)
			args = strings.ReplaceAll(args, fmt.Sprint("$", n), cursors[n])
		}
		got := h.ok(tt.tool, args)
		cursors = append(cursors, cursorOf(t, got))
		if tt.want == "" {
			continue
		}
		if diff := cmp.Diff(tt.want, noTime(got)); diff != "" {
			t.Errorf("%d: %s %s (-want +got):\n%s", i, tt.tool, args, diff)
		}
	}
}

// TestWaitForChangeWakes: a call that waits is answered when another process, or
// another call, makes a change that matches, not when one does not.
func TestWaitForChangeWakes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, other := newHost(t, path), newHost(t, path)
	since := "0" // nobody made the database yet
	for n := range 10 {
		writer := []*host{h, other}[n%2]
		done := make(chan string)
		go func() {
			done <- h.ok("wait_for_change", fmt.Sprintf(`{"since":%q,"story_id":"%d_s","timeout_seconds":50}`, since, n))
		}()
		writer.ok("write_item", fmt.Sprintf(`{"story_id":"%d_other","stage":"1_backlog"}`, 100+n))
		written := writer.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog"}`, n))
		got := <-done
		if want := fmt.Sprintf(`{"changed":true,"changes":[{"story_id":"%d_s","stage":"1_backlog","changed":["stage"],"by":"tester","at":"T"}],"cursor":"%d.P"}`, n, 2*n+2); noTime(got) != want {
			t.Errorf("got  %s\nwant %s", noTime(got), want)
		}
		if since = cursorOf(t, written); since != cursorOf(t, got) {
			t.Errorf("the write stands at %s, the change at %s", since, cursorOf(t, got))
		}
	}
}

// TestWaitForOneRowOfManyChanges: what one row brought is not divided; when that is too much
// for an answer it says so, also behind rows that brought nothing to tell.
func TestWaitForOneRowOfManyChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h := newHost(t, path)
	here, there := newReplica(t, path), newReplica(t, filepath.Join(t.TempDir(), "there.db"))
	backlog := pipeline.Backlog
	for n := range maxChanged + 1 { // each op builds on the one before
		_, err := there.Update(t.Context(), "", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write(fmt.Sprintf("%d_s", n), pipeline.Changes{Stage: &backlog})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var lines []string
	_, err := there.Export(t.Context(), nil, func(op crdt.SignedOp) error {
		lines = append(lines, string(oplog.AppendBundleLine(nil, op)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	imports := func(lines ...string) {
		t.Helper()
		if _, err := here.Import(t.Context(), oplog.NewBundleReader(strings.NewReader(strings.Join(lines, ""))), nil); err != nil {
			t.Fatal(err)
		}
	}
	imports(lines[1:]...) // they wait for the first
	since := cursorOf(t, h.ok("write_item", `{"story_id":"1000_s","stage":"5_done"}`))
	h.ok("write_item", `{"story_id":"1000_s","name":"no change in 1_backlog"}`)
	imports(lines[0])
	got := h.ok("wait_for_change", `{"since":"`+since+`","stage":"1_backlog"}`)
	if !strings.Contains(got, `"reset":true,"message":"too much changed at once`) {
		t.Errorf("got %s", got)
	}
}

// TestWaitForManyChanges: an answer tells of 50 stories at most, and the cursors
// lead through all of them, each once.
func TestWaitForManyChanges(t *testing.T) {
	h := newTempHost(t)
	const stories = 120
	for n := range stories {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog"}`, n))
	}
	for n := range stories {
		h.ok("bump_retry", fmt.Sprintf(`{"story_id":"%d_s"}`, n))
	}
	var got []string
	since := "0"
	for answers := 1; ; answers++ {
		var out waitForChangeOut
		if err := json.Unmarshal([]byte(h.ok("wait_for_change", `{"since":"`+since+`","timeout_seconds":0}`)), &out); err != nil {
			t.Fatal(err)
		}
		for _, c := range out.Changes {
			got = append(got, c.StoryID+" "+strings.Join(c.Changed, ","))
		}
		if since = out.Cursor; !out.More {
			break
		}
		if len(out.Changes) != 50 || answers > 5 {
			t.Fatalf("answer %d has %d changes and more", answers, len(out.Changes))
		}
	}
	var want []string
	for _, did := range []string{"stage", "retry_count"} {
		for n := range stories {
			want = append(want, fmt.Sprintf("%d_s %s", n, did))
		}
	}
	// The answer that reaches the second round tells both of its stories at once.
	if len(got) > len(want) || got[0] != want[0] || got[len(got)-1] != want[len(want)-1] {
		t.Errorf("%d changes, %s to %s", len(got), got[0], got[len(got)-1])
	}
	told := strings.Join(got, "\n") + "\n"
	for n := range stories {
		if !strings.Contains(told, fmt.Sprintf("%d_s stage", n)) || !strings.Contains(told, fmt.Sprintf("%d_s retry_count\n", n)) && !strings.Contains(told, fmt.Sprintf("%d_s stage,retry_count\n", n)) {
			t.Errorf("%d_s is not told whole", n)
		}
	}
}
