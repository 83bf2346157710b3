package crdt_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestApplyStatuses: what Apply says of an op, in the order in which it may say
// it.
func TestApplyStatuses(t *testing.T) {
	a, b := newReplica("a"), newReplica("b")
	first := a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	second := a.write(t, "1_story_x", crdt.Set("stage", crdt.String("2_current")))
	third := a.write(t, "2_story_y", crdt.Set("stage", crdt.String("3_qa")))
	steps := []struct {
		op       *crdt.Op
		status   crdt.Status
		released []*crdt.Op
		pending  int
	}{
		{third, crdt.Pending, nil, 1},
		{third, crdt.Duplicate, nil, 1},
		{second, crdt.Pending, nil, 2},
		{first, crdt.Applied, []*crdt.Op{second, third}, 0},
		{first, crdt.Duplicate, nil, 0},
		{second, crdt.Duplicate, nil, 0},
		{third, crdt.Duplicate, nil, 0},
	}
	for i, s := range steps {
		res := b.receive(t, s.op)
		if res.Status != s.status || !sameOps(res.Released, s.released) || len(res.Refused) > 0 {
			t.Errorf("step %d: got %s, released %v, refused %v, want %s, released %v", i, res.Status, res.Released, res.Refused, s.status, s.released)
		}
		if b.doc.PendingLen() != s.pending || b.doc.Has(s.op.ID) != (s.pending == 0) {
			t.Errorf("step %d: %d ops pending, has the op: %t", i, b.doc.PendingLen(), b.doc.Has(s.op.ID))
		}
	}
	if diff := cmp.Diff(text(a.doc), text(b.doc)); diff != "" {
		t.Errorf("the documents differ (-a +b):\n%s", diff)
	}
	if b.doc.Len() != 3 || b.doc.StoryCount() != 2 {
		t.Errorf("got %d ops and %d stories, want 3 and 2", b.doc.Len(), b.doc.StoryCount())
	}
}

// TestTextIsWhole: the text names heads and pending ops in full. Short IDs can
// be forged in pairs, and then different documents would print the same.
func TestTextIsWhole(t *testing.T) {
	a, b := newReplica("a"), newReplica("b")
	first := a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	second := a.write(t, "1_story_x", crdt.Set("stage", crdt.String("2_current")))
	b.receive(t, second)
	if got, want := text(b.doc), "order\nheads\npending "+second.ID.String()+"\n"; got != want {
		t.Errorf("text with a pending op: got %q, want %q", got, want)
	}
	b.receive(t, first)
	if want := "heads " + second.ID.String() + "\npending\n"; !strings.HasSuffix(text(b.doc), want) {
		t.Errorf("text: got %q, want it to end in %q", text(b.doc), want)
	}
}

// TestStoryReaders: what a story says of itself.
func TestStoryReaders(t *testing.T) {
	a := newReplica("a")
	if a.doc.Story("1_story_x") != nil {
		t.Fatal("an empty document has a story")
	}
	set := a.write(t, "1_story_x",
		crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("blocked", crdt.Bool(true)),
		crdt.Set("retry_count", crdt.Int(-2)), crdt.Dep(9, true), crdt.Dep(3, true), crdt.Dep(4, false))
	s := a.doc.Story("1_story_x")
	if s.Writer(fieldRetry) != set.ID {
		t.Errorf("the counter's base is %s, want %s", s.Writer(fieldRetry), set.ID)
	}
	last := &crdt.Op{Story: s.ID(), Edits: []crdt.Edit{crdt.Inc("retry_count", 5, set.ID)}, At: 1234}
	last.Parents, last.Seq = a.doc.Next()
	a.receive(t, a.sign(t, last))
	if got := s.Str(fieldStage); got != "1_backlog" {
		t.Errorf("stage is %q", got)
	}
	if !s.Bool(fieldBlocked) || s.Deleted() || s.Str(fieldName) != "" || s.Count(fieldRetry) != 3 {
		t.Errorf("got blocked %t, deleted %t, name %q, retry_count %d", s.Bool(fieldBlocked), s.Deleted(), s.Str(fieldName), s.Count(fieldRetry))
	}
	if got := s.Dependencies(); !slices.Equal(got, []uint32{3, 9}) {
		t.Errorf("dependencies are %v, want [3 9]", got)
	}
	if s.Rev() != last.ID || s.UpdatedAt() != 1234 {
		t.Errorf("rev %s at %d, want %s at 1234", s.Rev(), s.UpdatedAt(), last.ID)
	}
	for only := range a.doc.Stories() {
		if only != s {
			t.Errorf("Stories yields story %q", only.ID())
		}
	}
}

// TestC20_WrongTypes: an op that writes a declared field with another type is
// refused as a whole, says why, and leaves the document as it was, whether its
// parents are here or not.
func TestC20_WrongTypes(t *testing.T) {
	tests := []struct {
		name string
		edit crdt.Edit
		want []string
	}{
		{"integer in a text", crdt.Set("stage", crdt.Int(2)), []string{"stage", "integer", "want string"}},
		{"boolean in a text", crdt.Set("name", crdt.Bool(true)), []string{"name", "boolean", "want string"}},
		{"text in a boolean", crdt.Set("blocked", crdt.String("true")), []string{"blocked", "string", "want boolean"}},
		{"integer in a boolean", crdt.Set("blocked", crdt.Int(1)), []string{"blocked", "integer", "want boolean"}},
		{"text in the deletion", crdt.Set("deleted", crdt.String("yes")), []string{"deleted", "want boolean"}},
		{"text in a counter", crdt.Set("retry_count", crdt.String("3")), []string{"retry_count", "want integer"}},
		{"boolean in a counter", crdt.Set("retry_count", crdt.Bool(false)), []string{"retry_count", "want integer"}},
		{"adding to a text", crdt.Inc("stage", 1, crdt.OpID{}), []string{"adds to stage", "string"}},
		{"adding to a boolean", crdt.Inc("blocked", 1, crdt.OpID{}), []string{"adds to blocked", "boolean"}},
		{"adding to the deletion", crdt.Inc("deleted", 1, crdt.OpID{}), []string{"adds to deleted", "boolean"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newReplica("a"), newReplica("b")
			a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
			op := &crdt.Op{Story: "1_story_x", Edits: []crdt.Edit{crdt.Set("agent", crdt.String("half")), tt.edit}}
			op.Parents, op.Seq = a.doc.Next()
			a.sign(t, op)
			for _, r := range []*replica{a, b} {
				before := text(r.doc)
				for range 2 { // the second time as well
					_, err := r.doc.Apply(op)
					wantError(t, err, crdt.ErrRefused, tt.want...)
				}
				if diff := cmp.Diff(before, text(r.doc)); diff != "" {
					t.Errorf("the refused op changed the document (-before +after):\n%s", diff)
				}
				r.check(t)
			}
		})
	}
}

// TestC15_SeqFollowsFromTheParents: ahead of them and behind them is refused.
func TestC15_SeqFollowsFromTheParents(t *testing.T) {
	a := newReplica("a")
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("2_current")))
	before := text(a.doc)
	parents, next := a.doc.Next()
	for _, seq := range []uint64{1, next - 1, next + 1, 1 << 32, crdt.MaxSeq} {
		op := &crdt.Op{Story: "1_story_x", Seq: seq, Parents: parents, Edits: []crdt.Edit{crdt.Set("stage", crdt.String("6_archived"))}}
		_, err := a.doc.Apply(a.sign(t, op))
		wantError(t, err, crdt.ErrRefused, "seq")
	}
	if got := text(a.doc); got != before {
		t.Errorf("refused ops changed the document:\n%s", got)
	}
	a.check(t)
}

// TestManyHeads: an author with more heads than an op may name takes the
// greatest by seq, so its seq is above all it has seen, and names the rest
// afterwards.
func TestManyHeads(t *testing.T) {
	a := newReplica("a")
	var greatest *crdt.Op
	for i := range 3 * crdt.MaxParents {
		r := newReplica(strings.Repeat("z", i+1))
		for range i%5 + 1 {
			greatest = r.write(t, "1_story_x", crdt.Dep(uint32(i), true))
		}
		a.pull(t, r)
	}
	for left := 3 * crdt.MaxParents; left > 1; {
		parents, seq := a.doc.Next()
		if want := min(left, crdt.MaxParents); len(parents) != want || seq <= greatest.Seq {
			t.Fatalf("with %d heads: got %d parents and seq %d, want %d and more than %d", left, len(parents), seq, want, greatest.Seq)
		}
		greatest = a.write(t, "1_story_x", crdt.Set("name", crdt.String("x")))
		left -= len(parents) - 1
	}
	if parents, _ := a.doc.Next(); len(parents) != 1 || parents[0] != greatest.ID {
		t.Errorf("heads left over: %v", parents)
	}
}

// TestLateFields: builds that did not declare a field admitted any write to it.
// A build that declares it late takes those that fit and leaves out the others;
// what else is in their ops counts, and what builds on them goes on.
func TestLateFields(t *testing.T) {
	old, late := newReplica("a"), crdt.NewDoc(crdt.NewSchema(
		crdt.FieldDef{Name: "stage", Type: crdt.FieldString},
		crdt.FieldDef{Name: "description", Type: crdt.FieldString, Late: true},
	))
	stage, description := crdt.Field(1), crdt.Field(2)
	old.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("description", crdt.String("kept")))
	old.write(t, "1_story_x", crdt.Set("stage", crdt.String("2_current")), crdt.Set("description", crdt.Int(7)))
	old.write(t, "1_story_x", crdt.Inc("description", 1, crdt.OpID{}))
	old.write(t, "1_story_x", crdt.Set("stage", crdt.String("3_qa")))
	for _, op := range old.ops() {
		mustApply(t, late, op, crdt.Applied)
	}
	if err := late.Check(); err != nil {
		t.Error(err)
	}
	if s := late.Story("1_story_x"); s.Str(stage) != "3_qa" || s.Str(description) != "kept" {
		t.Errorf("stage %q, description %q; want 3_qa, kept", s.Str(stage), s.Str(description))
	}
}
