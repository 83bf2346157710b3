package crdt_test

import (
	"bytes"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestCreates: true under key 9 says that an op creates its story. Whatever else stands there says
// nothing, since earlier builds admit it.
func TestCreates(t *testing.T) {
	for name, tt := range map[string]struct {
		value any
		want  bool
	}{
		"true": {true, true}, "false": {false, false}, "text": {"true", false}, "list": {[]any{true}, false}, "number": {21, false},
	} {
		payload, err := deterministic.Marshal(with(baseMap(), uint64(9), tt.value))
		if err != nil {
			t.Fatal(err)
		}
		op, err := crdt.Decode(payload)
		if err != nil || op.Creates != tt.want {
			t.Errorf("%s: got %+v, %v", name, op, err)
		}
	}
	op := &crdt.Op{Seq: 1, Story: "1_s", Edits: []crdt.Edit{crdt.Set("stage", crdt.String("x"))}, Creates: true}
	signed, err := crdt.Sign(op, keyOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil || !again.Creates || !bytes.HasSuffix(signed.Payload, []byte{9, 0xf5}) {
		t.Errorf("got %+v, %v", again, err)
	}
}

// TestMakers: the ops that created a story are counted, and two of them kept, in whatever order they come.
func TestMakers(t *testing.T) {
	schema := crdt.NewSchema(crdt.FieldDef{Name: "name", Type: crdt.FieldString, Label: true})
	var ops []*crdt.Op
	for _, who := range []string{"a", "b", "c"} {
		op := &crdt.Op{Seq: 1, Story: "1_s", Edits: []crdt.Edit{crdt.Set("name", crdt.String("by "+who))}, Agent: who, Creates: true}
		if _, err := crdt.Sign(op, keyOf(who)); err != nil {
			t.Fatal(err)
		}
		ops = append(ops, op)
	}
	want := ""
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 0, 2}, {0, 2, 1}, {2, 0, 1}} {
		doc := crdt.NewDoc(schema)
		for _, i := range order {
			if _, err := doc.Apply(ops[i]); err != nil {
				t.Fatal(err)
			}
		}
		first, count := doc.Story("1_s").Makers()
		if count != 3 || len(first) != 2 || first[0].Label != "by "+first[0].Agent || !first[0].By.Wins(first[1].By) {
			t.Errorf("%v: got %d, %+v", order, count, first)
		}
		text := string(crdt.AppendRegisters(nil, schema, &doc.Story("1_s").Story))
		if want == "" {
			want = text
		}
		decoded, err := crdt.DecodeStory("1_s", crdt.AppendStory(nil, &doc.Story("1_s").Story))
		if err != nil || text != want || string(crdt.AppendRegisters(nil, schema, decoded)) != want {
			t.Errorf("%v: got %s, want %s (%v)", order, text, want, err)
		}
	}
}
