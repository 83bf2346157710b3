package sourcetest_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/pipeline/sourcetest"
)

// filled returns a model that has some of everything that a source can tell.
func filled(t *testing.T) *pipeline.Model {
	t.Helper()
	m := pipeline.NewModel()
	set := func(name, value string) crdt.Edit { return crdt.Set(name, crdt.String(value)) }
	apply := func(story string, edits ...crdt.Edit) {
		t.Helper()
		parents, seq := m.Doc().Next()
		op := &crdt.Op{ID: crdt.OpID{byte(seq), 31: 1}, Seq: seq, Parents: parents, Story: story, Edits: edits, At: int64(seq), Agent: "ann"}
		if _, err := m.Apply(op); err != nil {
			t.Fatal(err)
		}
	}
	apply("1_story_login", set("stage", "6_archived"), set("name", "Log in"))
	apply("2_bug_crash", set("stage", "1_backlog"), crdt.Dep(1, true), crdt.Dep(3, true), crdt.Note("one"), crdt.Note("two"))
	apply("3_story_a", set("stage", "2_current"), set("agent", "ann"), set("claim", "2023-11-14T22:13:20Z/.."), crdt.Dep(2, true))
	apply("3_story_b", set("stage", "1_backlog"), crdt.Set("blocked", crdt.Bool(true)), crdt.Place(m.Doc().Story("2_bug_crash").Anchor()))
	apply("4_story_unseen", set("name", "no stage yet"))
	apply("7_story_gone", set("stage", "1_backlog"), crdt.Set(crdt.DeletedField, crdt.Bool(true)))
	apply("notes", set("stage", "0_triage"), set("description", "words to find"), crdt.Inc("retry_count", 2, crdt.OpID{}))
	apart := set("stage", "2_current")
	apart.Over = crdt.OverOp(crdt.OpID{99})
	apply("3_story_b", apart)
	apply("3_story_b", set("stage", "1_backlog"))
	m.Lose()
	return m
}

func TestEqualSources(t *testing.T) {
	sourcetest.Compare(t, filled(t), filled(t))
	sourcetest.Compare(t, pipeline.NewModel(), pipeline.NewModel())
}

// TestDifferences: a source that answers any kind of question with nothing, or with an
// error, is found out.
func TestDifferences(t *testing.T) {
	methods := reflect.TypeFor[pipeline.Source]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		for _, err := range []error{nil, errors.New("disk on fire")} {
			wrong := &sourcetest.Hooked{Source: filled(t), Hook: func(method string) (bool, error) {
				if method != name {
					return true, nil
				}
				return false, err
			}}
			diff := sourcetest.Difference(filled(t), wrong)
			if !strings.HasPrefix(diff, name+"(") || err != nil && !strings.Contains(diff, "disk on fire") {
				t.Errorf("%s answers nothing, %v: got difference %q", name, err, diff)
			}
			if err != nil && sourcetest.Difference(wrong, filled(t)) == "" {
				t.Errorf("%s of the first source fails: got no difference", name)
			}
		}
	}
}

// TestDifferenceOfOneOp: sources that differ by one edit differ.
func TestDifferenceOfOneOp(t *testing.T) {
	for name, edit := range map[string]crdt.Edit{
		"name":       crdt.Set("name", crdt.String("other")),
		"note":       crdt.Note("three"),
		"dependency": crdt.Dep(9, true),
		"place":      crdt.Place(crdt.Anchor{}),
		"stage":      crdt.Set("stage", crdt.String("3_qa")),
		"unknown":    crdt.Set("a later field", crdt.Int(1)),
	} {
		other := filled(t)
		parents, seq := other.Doc().Next()
		if _, err := other.Apply(&crdt.Op{ID: crdt.OpID{9}, Seq: seq, Parents: parents, Story: "2_bug_crash", Edits: []crdt.Edit{edit}}); err != nil {
			t.Fatal(err)
		}
		if sourcetest.Difference(filled(t), other) == "" {
			t.Errorf("%s: got no difference", name)
		}
	}
}
