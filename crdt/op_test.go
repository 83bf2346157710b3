package crdt_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// sameOp compares what an op says.
var sameOp = cmp.Options{
	cmpopts.IgnoreUnexported(crdt.Op{}),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b crdt.Value) bool { return a == b }),
}

// mustSign signs op with a's key.
func mustSign(t testing.TB, op *crdt.Op) crdt.SignedOp {
	t.Helper()
	signed, err := crdt.Sign(op, keyOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// anyOp draws a well-formed op, near the bounds as well.
func anyOp() *rapid.Generator[*crdt.Op] {
	id := rapid.Custom(func(t *rapid.T) crdt.OpID {
		return sha256.Sum256([]byte{rapid.Byte().Draw(t, "id")})
	})
	value := rapid.OneOf(
		rapid.Map(rapid.String(), crdt.String),
		rapid.Map(rapid.Bool(), crdt.Bool),
		rapid.Map(rapid.Int64Range(-crdt.MaxSeq, crdt.MaxSeq), crdt.Int),
	)
	story := rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._-]{0,127}`)
	return rapid.Custom(func(t *rapid.T) *crdt.Op {
		op := &crdt.Op{
			Seq:     rapid.Uint64Range(1, crdt.MaxSeq).Draw(t, "seq"),
			Parents: rapid.SliceOfNDistinct(id, 0, crdt.MaxParents, rapid.ID).Draw(t, "parents"),
			Story:   story.Draw(t, "story"),
			Agent:   rapid.StringN(0, -1, crdt.MaxAgent).Draw(t, "agent"),
			At:      rapid.Int64Range(0, crdt.MaxSeq).Draw(t, "at"),
		}
		if rapid.Bool().Draw(t, "fenced") {
			part := rapid.Uint64Range(1, crdt.MaxSeq)
			op.Fence = crdt.Fence{Epoch: part.Draw(t, "epoch"), Revision: part.Draw(t, "revision")}
		}
		sortIDs(op.Parents)
		fields := rapid.SliceOfNDistinct(rapid.StringN(1, -1, crdt.MaxFieldName), 0, 8, rapid.ID).Draw(t, "fields")
		for _, f := range fields {
			if rapid.Bool().Draw(t, "inc") {
				base := rapid.OneOf(rapid.Just(crdt.OpID{}), id).Draw(t, "base")
				op.Edits = append(op.Edits, crdt.Inc(f, rapid.Uint64Range(1, crdt.MaxIncrement).Draw(t, "by"), base))
			} else {
				set := crdt.Set(f, value.Draw(t, "value"))
				if rapid.Bool().Draw(t, "says what it overwrites") {
					set.Over = crdt.OverOp(rapid.OneOf(rapid.Just(crdt.OpID{}), id).Draw(t, "over"))
				}
				op.Edits = append(op.Edits, set)
			}
		}
		for _, n := range rapid.SliceOfNDistinct(rapid.Uint32(), 0, 4, rapid.ID).Draw(t, "deps") {
			op.Edits = append(op.Edits, crdt.Dep(n, rapid.Bool().Draw(t, "on")))
		}
		if rapid.Bool().Draw(t, "note") {
			op.Edits = append(op.Edits, crdt.Note(rapid.StringN(1, -1, 256).Draw(t, "text")))
		}
		switch rapid.IntRange(0, 3).Draw(t, "place") {
		case 1:
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{}))
		case 2:
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{Op: id.Draw(t, "after op")}))
		case 3:
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{Story: story.Draw(t, "after story")}))
		}
		for _, kind := range rapid.SliceOfN(rapid.Uint64Range(6, math.MaxUint64), 0, 2).Draw(t, "unknown kinds") {
			op.Edits = append(op.Edits, crdt.Edit{Kind: crdt.EditKind(kind)})
		}
		if len(op.Edits) == 0 {
			op.Edits = []crdt.Edit{crdt.Dep(0, true)}
		}
		op.Edits = rapid.Permutation(op.Edits).Draw(t, "order")
		return op
	})
}

func sortIDs(ids []crdt.OpID) {
	for i := range ids { // insertion sort: the order is the format's, spelt out
		for j := i; j > 0 && bytes.Compare(ids[j][:], ids[j-1][:]) < 0; j-- {
			ids[j], ids[j-1] = ids[j-1], ids[j]
		}
	}
}

// TestSignVerifyRoundTrip: what Sign makes, Verify and Decode read back as the
// same op, and the same op signs to the same bytes.
func TestSignVerifyRoundTrip(t *testing.T) {
	gen := anyOp()
	rapid.Check(t, func(t *rapid.T) {
		op := gen.Draw(t, "op")
		signed, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		read, err := crdt.Verify(signed.Payload, signed.Signature)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(op, read, sameOp); diff != "" {
			t.Fatalf("Verify reads another op (-signed +read):\n%s", diff)
		}
		again, err := crdt.Sign(read, keyOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(signed, again); diff != "" {
			t.Fatalf("the same op signs to other bytes (-first +again):\n%s", diff)
		}
	})
}

// TestC19_IDIsTheHashOfTheStoredBytes: of all of them, and of nothing else.
func TestC19_IDIsTheHashOfTheStoredBytes(t *testing.T) {
	op := exampleOp()
	signed := mustSign(t, op)
	want := crdt.OpID(sha256.Sum256(signed.Payload))
	read, err := crdt.Decode(signed.Payload)
	if err != nil {
		t.Fatal(err)
	}
	if op.ID != want || signed.ID != want || read.ID != want {
		t.Errorf("op ID: Sign sets %s, returns %s, Decode reads %s, want %s", op.ID, signed.ID, read.ID, want)
	}
	if !ed25519.Verify(op.Author[:], append([]byte("huskies-op-v1\n"), want[:]...), signed.Signature[:]) {
		t.Error("the signature is not over the domain separation and the ID")
	}
	// Unknown keys are part of what is hashed.
	p := baseMap()
	plain := signMap(t, p)
	p[uint64(40)] = "later"
	if withMore := signMap(t, p); withMore.ID == plain.ID {
		t.Error("an unknown key does not change the ID")
	}
}

// TestSignRefuses: nothing is signed that would not be read, and a refused op
// is not changed into a signed one.
func TestSignRefuses(t *testing.T) {
	id := func(b byte) crdt.OpID { return crdt.OpID{b} }
	seventeen := make([]crdt.OpID, 17)
	for i := range seventeen {
		seventeen[i] = id(byte(i + 1))
	}
	tests := []struct {
		name   string
		change func(*crdt.Op)
		want   string
	}{
		{"C15 seq 0", func(op *crdt.Op) { op.Seq = 0 }, "seq 0"},
		{"C15 seq 2^53", func(op *crdt.Op) { op.Seq = 1 << 53 }, "seq"},
		{"C15 seq 2^64-1", func(op *crdt.Op) { op.Seq = math.MaxUint64 }, "seq"},
		{"17 parents", func(op *crdt.Op) { op.Parents = seventeen }, "17 parents"},
		{"unsorted parents", func(op *crdt.Op) { op.Parents = []crdt.OpID{id(2), id(1)} }, "sorted"},
		{"double parent", func(op *crdt.Op) { op.Parents = []crdt.OpID{id(1), id(1)} }, "distinct"},
		{"no edits", func(op *crdt.Op) { op.Edits = nil }, "0 edits"},
		{"257 edits", func(op *crdt.Op) { op.Edits = manyEdits(crdt.MaxEdits + 1) }, "257 edits"},
		{"agent too long", func(op *crdt.Op) { op.Agent = strings.Repeat("a", crdt.MaxAgent+1) }, "agent"},
		{"agent not UTF-8", func(op *crdt.Op) { op.Agent = "\xff" }, "agent"},
		{"at before 1970", func(op *crdt.Op) { op.At = -1 }, "at -1"},
		{"at beyond 2^53-1", func(op *crdt.Op) { op.At = crdt.MaxSeq + 1 }, "at"},
		{"no kind", func(op *crdt.Op) { op.Edits[0].Kind = 0 }, "no kind"},
		{"two sets of one field", func(op *crdt.Op) { op.Edits = append(op.Edits, crdt.Set("stage", crdt.String("x"))) }, "same thing"},
		{"set and inc of one field", func(op *crdt.Op) { op.Edits = append(op.Edits, crdt.Set("retry_count", crdt.Int(0))) }, "same thing"},
		{"two incs of one field", func(op *crdt.Op) { op.Edits = append(op.Edits, crdt.Inc("retry_count", 1, id(1))) }, "same thing"},
		{"two deps of one number", func(op *crdt.Op) { op.Edits = append(op.Edits, crdt.Dep(7, false)) }, "same thing"},
		{"no value", func(op *crdt.Op) { op.Edits[0] = crdt.Set("stage", crdt.Value{}) }, "no value"},
		{"C18 value not UTF-8", func(op *crdt.Op) { op.Edits[0] = crdt.Set("stage", crdt.String("a\xffb")) }, "UTF-8"},
		{"integer beyond 2^53-1", func(op *crdt.Op) { op.Edits[0] = crdt.Set("n", crdt.Int(1<<53)) }, "2^53-1"},
		{"integer below -(2^53-1)", func(op *crdt.Op) { op.Edits[0] = crdt.Set("n", crdt.Int(-1<<53)) }, "2^53-1"},
		{"field empty", func(op *crdt.Op) { op.Edits[0] = crdt.Set("", crdt.Int(1)) }, "no field"},
		{"field too long", func(op *crdt.Op) { op.Edits[0] = crdt.Set(strings.Repeat("f", crdt.MaxFieldName+1), crdt.Int(1)) }, "field name"},
		{"field not UTF-8", func(op *crdt.Op) { op.Edits[0] = crdt.Inc("\xc3", 1, crdt.OpID{}) }, "field name"},
		{"inc by 0", func(op *crdt.Op) { op.Edits[0] = crdt.Inc("n", 0, crdt.OpID{}) }, "no by"},
		{"inc by 2^20+1", func(op *crdt.Op) { op.Edits[0] = crdt.Inc("n", crdt.MaxIncrement+1, crdt.OpID{}) }, "inc by"},
		{"set with by", func(op *crdt.Op) { op.Edits[0].By = 1 }, "another kind"},
		{"inc with value", func(op *crdt.Op) { op.Edits[2].Value = crdt.Int(1) }, "another kind"},
		{"dep with field", func(op *crdt.Op) { op.Edits[3].Field = "f" }, "another kind"},
		{"dep with text", func(op *crdt.Op) { op.Edits[3].Value = crdt.String("true") }, "boolean"},
		{"empty note", func(op *crdt.Op) { op.Edits[0] = crdt.Note("") }, "note"},
		{"note too long", func(op *crdt.Op) { op.Edits[0] = crdt.Note(strings.Repeat("n", crdt.MaxNote+1)) }, "note"},
		{"note not UTF-8", func(op *crdt.Op) { op.Edits[0] = crdt.Note("\xff") }, "UTF-8"},
		{"note of a number", func(op *crdt.Op) { op.Edits[0] = crdt.Edit{Kind: crdt.KindNote, Value: crdt.Int(1)} }, "note"},
		{"two notes", func(op *crdt.Op) { op.Edits = append(op.Edits, crdt.Note("a"), crdt.Note("b")) }, "same thing"},
		{"place after op and story", func(op *crdt.Op) { op.Edits[0] = crdt.Place(crdt.Anchor{Op: id(1), Story: "1"}) }, "place"},
		{"place after no story ID", func(op *crdt.Op) { op.Edits[0] = crdt.Place(crdt.Anchor{Story: "a b"}) }, "story ID"},
		{"two places", func(op *crdt.Op) {
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{}), crdt.Place(crdt.Anchor{Op: id(1)}))
		}, "same thing"},
		{"256 edits, two of one field", func(op *crdt.Op) {
			op.Edits = append(manyEdits(crdt.MaxEdits-1), crdt.Inc("f7", 1, crdt.OpID{}))
		}, "edits 7 and 255 change the same thing"},
		{"unknown kind with field", func(op *crdt.Op) { op.Edits[0].Kind = 99 }, "alone"},
		{"payload over 64 KiB", func(op *crdt.Op) { op.Edits[0] = crdt.Set("stage", crdt.String(strings.Repeat("x", crdt.MaxPayload))) }, "bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			op := exampleOp()
			tt.change(op)
			_, err := crdt.Sign(op, keyOf("a"))
			wantError(t, err, crdt.ErrMalformed, tt.want)
			if !op.ID.IsZero() {
				t.Errorf("the refused op has the ID %s", op.ID)
			}
		})
	}
}

// TestSignAtTheBounds: the greatest of everything is signed and read.
func TestSignAtTheBounds(t *testing.T) {
	op := exampleOp()
	op.Seq, op.At = crdt.MaxSeq, crdt.MaxSeq
	op.Story = strings.Repeat("s", crdt.MaxStoryID)
	op.Agent = strings.Repeat("é", crdt.MaxAgent/2)
	op.Edits = manyEdits(crdt.MaxEdits)
	for i := range crdt.MaxParents {
		op.Parents = append(op.Parents, crdt.OpID{byte(i)})
	}
	signed := mustSign(t, op)
	// Fill the payload to its last byte.
	fill := crdt.MaxPayload - len(signed.Payload)
	name := op.Edits[0].Field
	op.Edits[0] = crdt.Set(name, crdt.String(strings.Repeat("x", fill-2)))
	signed = mustSign(t, op)
	if len(signed.Payload) != crdt.MaxPayload {
		t.Fatalf("the payload has %d bytes, want %d", len(signed.Payload), crdt.MaxPayload)
	}
	if _, err := crdt.Verify(signed.Payload, signed.Signature); err != nil {
		t.Error(err)
	}
	op.Edits[0] = crdt.Set(name, crdt.String(strings.Repeat("x", fill-1)))
	if _, err := crdt.Sign(op, keyOf("a")); !errors.Is(err, crdt.ErrMalformed) {
		t.Errorf("one byte more: got error %v, want %v", err, crdt.ErrMalformed)
	}
}

// TestC21_StoryIDs: what is a story's identity, and what is not.
func TestC21_StoryIDs(t *testing.T) {
	good := []string{"1", "a", "Z", "10_story_add_login", "a.b-c_d", "1..2", strings.Repeat("x", 128)}
	bad := []string{
		"", ".", "..", "_x", "-x", ".x", "a/b", "../x", `a\b`, "a b", " a", "a ", "a\n", "a\x00", "é", "a\u0301",
		"a\xff", "🐺", "a:b", "a*", strings.Repeat("x", 129),
	}
	for _, id := range good {
		op := exampleOp()
		op.Story = id
		if _, err := crdt.Sign(op, keyOf("a")); err != nil || !crdt.ValidStoryID(id) {
			t.Errorf("story ID %q: got error %v, want none", id, err)
		}
	}
	for _, id := range bad {
		op := exampleOp()
		op.Story = id
		_, err := crdt.Sign(op, keyOf("a"))
		wantError(t, err, crdt.ErrMalformed, "story ID")
		p := baseMap()
		p[uint64(5)] = id
		signed := signMap(t, p)
		_, err = crdt.Verify(signed.Payload, signed.Signature)
		wantError(t, err, crdt.ErrMalformed)
	}
}

// TestIdentityText: op IDs and authors are read as they are printed.
func TestIdentityText(t *testing.T) {
	op := exampleOp()
	mustSign(t, op)
	id, err := crdt.ParseOpID(op.ID.String())
	if err != nil || id != op.ID {
		t.Errorf("ParseOpID(%s) = %s, %v", op.ID, id, err)
	}
	author, err := crdt.ParseAuthor(op.Author.String())
	if err != nil || author != op.Author {
		t.Errorf("ParseAuthor(%s) = %s, %v", op.Author, author, err)
	}
	for _, s := range []string{"", "00", op.ID.String() + "0", op.ID.String()[1:], "zz" + op.ID.String()[2:]} {
		if _, err := crdt.ParseOpID(s); err == nil {
			t.Errorf("ParseOpID(%q) reports no error", s)
		}
		if err := new(crdt.Author).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("author UnmarshalText(%q) reports no error", s)
		}
	}
}
