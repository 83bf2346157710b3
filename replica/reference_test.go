package replica_test

import (
	"crypto/ed25519"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// The counterparts of the seven tests that the layer this project re-creates
// came with, under their names.

var referenceKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("k", ed25519.SeedSize)))

// sign makes a signed op on top of the model, as a replica would, and applies its bytes.
func sign(t *testing.T, state *pipeline.Model, story string, edits ...crdt.Edit) crdt.SignedOp {
	t.Helper()
	parents, seq := state.Doc().Next()
	signed, err := crdt.Sign(&crdt.Op{Seq: seq, Parents: parents, Story: story, Edits: edits}, referenceKey)
	if err != nil {
		t.Fatal(err)
	}
	admit(t, state, signed)
	return signed
}

func admit(t *testing.T, state *pipeline.Model, signed crdt.SignedOp) {
	t.Helper()
	op, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil {
		t.Fatal(err)
	}
	if res, err := state.Apply(op); err != nil || res.Status != crdt.Applied {
		t.Fatalf("apply: %v, %v", res.Status, err)
	}
}

func set(field, value string) crdt.Edit { return crdt.Set(field, crdt.String(value)) }

func mustStory(t *testing.T, state *pipeline.Model, id string) pipeline.Story {
	t.Helper()
	s, err := pipeline.NewState(state, nil).Story(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReference_crdt_doc_insert_and_view(t *testing.T) {
	state := pipeline.NewModel()
	sign(t, state, "10_story_test", set("stage", "2_current"), set("name", "Test Story"), set("agent", "coder-opus"))
	page, err := pipeline.NewState(state, nil).List(pipeline.Filter{}, nil, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Stories) != 1 || page.Stories[0].ID != "10_story_test" || page.Stories[0].Stage != pipeline.Current {
		t.Errorf("got %+v", page)
	}
}

func TestReference_crdt_doc_update_stage(t *testing.T) {
	state := pipeline.NewModel()
	sign(t, state, "20_story_move", set("stage", "1_backlog"), set("name", "Move Me"))
	sign(t, state, "20_story_move", set("stage", "2_current"))
	if got := mustStory(t, state, "20_story_move").Stage; got != pipeline.Current {
		t.Errorf("got %s", got)
	}
}

func TestReference_crdt_ops_replay_reconstructs_state(t *testing.T) {
	state := pipeline.NewModel()
	ops := []crdt.SignedOp{
		sign(t, state, "30_story_replay", set("stage", "1_backlog"), set("name", "Replay Test")),
		sign(t, state, "30_story_replay", set("stage", "2_current")),
		sign(t, state, "30_story_replay", set("name", "Updated Name")),
	}
	fresh := pipeline.NewModel()
	for _, op := range ops {
		admit(t, fresh, op)
	}
	if diff := cmp.Diff(string(state.Doc().AppendText(nil)), string(fresh.Doc().AppendText(nil))); diff != "" {
		t.Error(diff)
	}
	if s := mustStory(t, fresh, "30_story_replay"); s.Stage != pipeline.Current || s.Name != "Updated Name" {
		t.Errorf("got %+v", s)
	}
}

func TestReference_extract_item_view_parses_crdt_item(t *testing.T) {
	state := pipeline.NewModel()
	sign(t, state, "40_story_view", set("stage", "3_qa"), set("name", "View Test"), set("agent", "coder-1"),
		crdt.Set("retry_count", crdt.Int(2)), crdt.Set("blocked", crdt.Bool(true)), crdt.Dep(20, true), crdt.Dep(10, true))
	want := pipeline.Story{
		ID: "40_story_view", Stage: pipeline.QA, Name: "View Test", Agent: "coder-1",
		RetryCount: 2, Blocked: true, DependsOn: []uint32{10, 20}, WaitingOn: []uint32{10, 20},
	}
	if diff := cmp.Diff(want, mustStory(t, state, "40_story_view"), cmpopts.IgnoreFields(pipeline.Story{}, "Rev", "UpdatedAt", "Warnings", "Place")); diff != "" {
		t.Error(diff)
	}
}

func TestReference_rebuild_index_maps_story_ids(t *testing.T) {
	state := pipeline.NewModel()
	sign(t, state, "10_story_a", set("stage", "1_backlog"))
	sign(t, state, "20_story_b", set("stage", "2_current"))
	if n := state.Doc().StoryCount(); n != 2 {
		t.Errorf("got %d stories", n)
	}
	for id, stage := range map[string]pipeline.Stage{"10_story_a": pipeline.Backlog, "20_story_b": pipeline.Current} {
		if got := mustStory(t, state, id).Stage; got != stage {
			t.Errorf("%s is in %s, want %s", id, got, stage)
		}
	}
}

func TestReference_init_and_write_read_roundtrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "crdt_test.db")
	r := newReplica(t, path)
	write(t, r, "50_story_roundtrip", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("Roundtrip")})
	_ = r.Close()
	s, err := read(t, newReplica(t, path), "50_story_roundtrip")
	if err != nil || s.ID != "50_story_roundtrip" || s.Stage != pipeline.Backlog || s.Name != "Roundtrip" {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestReference_signed_op_serialization_roundtrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	r := newReplica(t, path)
	s := write(t, r, "60_story_serde", pipeline.Changes{Stage: ptr(pipeline.Backlog), Name: ptr("Serde Test")})
	_ = r.Close()
	var got []*crdt.Op
	if err := newReplica(t, path).History(t.Context(), func(e replica.Entry) error { got = append(got, e.Op); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].ID != s.Rev || got[0].Seq != 1 || got[0].Story != "60_story_serde" {
		t.Errorf("got %+v, want op %s", got, s.Rev)
	}
}
