package tools

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
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

// cursor returns where the log ends.
func (h *host) cursor() string {
	h.t.Helper()
	return cursorOf(h.t.(*testing.T), h.ok("list_items", `{"limit":1,"fields":["rev"]}`))
}

// TestWaitForChange: what agents get, to the letter, from the cursors before each call: each op once,
// by story and by stage.
func TestWaitForChange(t *testing.T) {
	const reset = `{"changed":true,"changes":[],"reset":true,"message":"what changed since this cursor is not known any more: read what you need anew, then go on with the cursor of this answer","cursor":"5.P"}`
	const (
		one   = `{"story_id":"1_s","name":"<one>","stage":"1_backlog","changed":["stage","name"],"by":"tester","at":"T"}`
		two   = `{"story_id":"2_s","stage":"1_backlog","changed":["stage"],"by":"tester","at":"T","note":"n"}`
		taken = `{"story_id":"1_s","name":"<one>","stage":"2_current","from":"1_backlog","changed":["stage","agent"],"by":"tester","at":"T"}`
		retry = `{"story_id":"1_s","name":"<one>","stage":"2_current","changed":["retry_count"],"by":"tester","at":"T"}`
		moved = `{"story_id":"1_s","name":"<one>","stage":"3_qa","from":"2_current","changed":["stage","agent"],"by":"tester","at":"T"}`
	)
	changes := func(cursor string, all ...string) string {
		return `{"changed":true,"changes":[` + strings.Join(all, ",") + `],"cursor":"` + cursor + `"}`
	}
	nothing := func(cursor string) string {
		return `{"changed":false,"changes":[],"message":"nothing yet","cursor":"` + cursor + `"}`
	}
	h := newTempHost(t)
	var cursors []string // before the calls
	for i, tt := range []struct {
		tool, args string // $n is the cursor before the n-th call, $n! the same row of another state
		want       string // "" for any
	}{
		{"wait_for_change", `{"since":"$0","timeout_seconds":0}`, nothing("0")},
		{"write_item", `{"story_id":"1_s","stage":"1_backlog","name":"<one>"}`, ""},
		{"write_item", `{"story_id":"2_s","stage":"1_backlog","note":"n"}`, ""},
		{"wait_for_change", `{"since":"$3","timeout_seconds":0}`, nothing("2.P")},
		{"write_item", `{"story_id":"1_s","stage":"2_current","agent":"ann"}`, ""},
		{"bump_retry", `{"story_id":"1_s"}`, ""},
		{"write_item", `{"story_id":"1_s","stage":"3_qa","clear":["agent"]}`, ""},
		{"wait_for_change", `{"since":"$1"}`, changes("5.P", one, strings.Replace(two, `["stage"]`, `["stage","note"]`, 1), taken, retry, moved)},
		{"wait_for_change", `{"since":0}`, changes("5.P", one, strings.Replace(two, `["stage"]`, `["stage","note"]`, 1), taken, retry, moved)},
		{"wait_for_change", `{"since":"$3"}`, changes("5.P", taken, retry, moved)},
		{"wait_for_change", `{"since":"$7","timeout_seconds":0}`, nothing("5.P")},
		{"wait_for_change", `{"since":"$3","story_id":"2_s","timeout_seconds":0}`, nothing("2.P")},
		{"wait_for_change", `{"since":"$3","story_id":"9_none","timeout_seconds":0}`, `{"changed":false,"changes":[],"message":"nothing yet; there is no story \"9_none\"; find the right story_id with list_items; write_item with a name and without story_id creates a new story","cursor":"2.P"}`},
		{"wait_for_change", `{"since":"$2","story_id":"2_s"}`, changes("5.P", strings.Replace(two, `["stage"]`, `["stage","note"]`, 1))},
		{"wait_for_change", `{"since":"$3","stage":"1_backlog"}`, changes("5.P", taken)},
		{"wait_for_change", `{"since":"$3","stage":"2_current"}`, changes("5.P", taken, retry, moved)},
		{"wait_for_change", `{"since":"$1","stage":"5_done","timeout_seconds":0}`, nothing("0")},
		{"wait_for_change", `{"since":"9.00000000.00000000"}`, reset},
		{"wait_for_change", `{"since":"3.00000000.00000000"}`, reset},
		{"wait_for_change", `{"since":"$7!"}`, reset},
	} {
		cursors = append(cursors, h.cursor())
		args := tt.args
		for n := i; n >= 0; n-- {
			another := cursors[n][:strings.LastIndex(cursors[n], ".")+1] + "00000000"
			args = strings.ReplaceAll(args, fmt.Sprint("$", n, "!"), another)
			args = strings.ReplaceAll(args, fmt.Sprint("$", n), cursors[n])
		}
		got := h.ok(tt.tool, args)
		if tt.want == "" {
			if strings.Contains(got, "cursor") {
				t.Errorf("%s answers a cursor, from which a wait would pass over what others did: %s", tt.tool, got)
			}
			continue
		}
		if diff := cmp.Diff(tt.want, noTime(got)); diff != "" {
			t.Errorf("%d: %s %s (-want +got):\n%s", i, tt.tool, args, diff)
		}
	}
}

// toldTo returns what wait_for_change tells without since, as "story by field,field".
func (h *host) toldTo(args string) (all []string) {
	h.t.Helper()
	var out waitForChangeOut
	if err := json.Unmarshal([]byte(h.ok("wait_for_change", args)), &out); err != nil {
		h.t.Fatal(err)
	}
	for _, c := range out.Changes {
		all = append(all, c.StoryID+" "+c.By+" "+strings.Join(c.Changed, ","))
	}
	return all
}

// TestWaitGoesOn: without since, each call goes on where the session was told last, at first where the
// session began, and leaves out what the session did in its own name.
func TestWaitGoesOn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	h, other := newHost(t, path), newHostOf(t, path, "other")
	other.ok("write_item", `{"story_id":"1_before","stage":"1_backlog"}`)
	for i, tt := range []struct {
		do   func()
		args string
		want []string
	}{
		{func() {}, `{"timeout_seconds":0}`, nil},
		{func() { other.ok("write_item", `{"story_id":"2_theirs","stage":"1_backlog"}`) }, `{"timeout_seconds":0}`, []string{"2_theirs other stage"}},
		{func() {
			other.ok("bump_retry", `{"story_id":"2_theirs"}`)
			h.ok("write_item", `{"story_id":"3_own","stage":"1_backlog"}`)
			h.ok("claim_item", `{"story_id":"3_own","agent":"helper"}`)
		}, `{"timeout_seconds":0}`, []string{"2_theirs other retry_count", "3_own helper stage,agent,claim"}},
		{func() {}, `{"timeout_seconds":0}`, nil},
		{func() { other.ok("bump_retry", `{"story_id":"1_before"}`) }, `{"timeout_seconds":0,"story_id":"2_theirs"}`, nil},
		{func() { other.ok("bump_retry", `{"story_id":"2_theirs"}`) }, `{"timeout_seconds":0,"story_id":"2_theirs"}`, []string{"2_theirs other retry_count"}},
		{func() {}, `{"timeout_seconds":0,"story_id":"2_theirs"}`, nil},
		{func() {}, `{"timeout_seconds":0}`, []string{"1_before other retry_count", "2_theirs other retry_count"}}, // nothing passes unseen
		{func() {}, `{"timeout_seconds":0,"stage":"1_backlog"}`, nil},                                              // it was told with everything
		{func() {}, `{"since":"0","story_id":"3_own"}`, []string{"3_own tester stage", "3_own helper stage,agent,claim"}},
	} {
		tt.do()
		if diff := cmp.Diff(tt.want, h.toldTo(tt.args)); diff != "" {
			t.Errorf("step %d %s (-want +got):\n%s", i, tt.args, diff)
		}
	}
}

// TestToldNotesAreCut, and the notes of long ops do not make an answer that hosts refuse.
func TestToldNotesAreCut(t *testing.T) {
	h := newTempHost(t)
	for n := range maxChanged {
		h.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog","name":%s,"note":%s}`, n, arg(t, strings.Repeat("\"", 256)), arg(t, strings.Repeat("\"", 9999))))
	}
	got := h.ok("wait_for_change", `{"since":"0"}`)
	if want := arg(t, strings.Repeat("\"", maxToldNote)+"..."); !strings.Contains(got, `"note":`+want) || len(got) > maxAnswerBytes+1024 {
		t.Errorf("%d bytes, or the note is not %s", len(got), want)
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
		writer.ok("write_item", fmt.Sprintf(`{"story_id":"%d_s","stage":"1_backlog"}`, n))
		got := <-done
		if want := fmt.Sprintf(`{"changed":true,"changes":[{"story_id":"%d_s","stage":"1_backlog","changed":["stage"],"by":"tester","at":"T"}],"cursor":"%d.P"}`, n, 2*n+2); noTime(got) != want {
			t.Errorf("got  %s\nwant %s", noTime(got), want)
		}
		if since = h.cursor(); since != cursorOf(t, got) {
			t.Errorf("the log ends at %s, the change stands at %s", since, cursorOf(t, got))
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
		lines = append(lines, string(bundle.AppendLine(nil, op)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	imports := func(lines ...string) {
		t.Helper()
		if _, err := here.Import(t.Context(), bundle.NewReader(strings.NewReader(strings.Join(lines, ""))), nil); err != nil {
			t.Fatal(err)
		}
	}
	imports(lines[1:]...) // they wait for the first
	h.ok("write_item", `{"story_id":"1000_s","stage":"5_done"}`)
	since := h.cursor()
	h.ok("write_item", `{"story_id":"1000_s","name":"no change in 1_backlog"}`)
	imports(lines[0])
	got := h.ok("wait_for_change", `{"since":"`+since+`","stage":"1_backlog"}`)
	if !strings.Contains(got, `"reset":true,"message":"too much changed at once`) {
		t.Errorf("got %s", got)
	}
}

// TestWaitForManyChanges: an answer tells of 50 changes at most, and the cursors
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
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
