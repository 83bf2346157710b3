package crdt_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestStoryEncoding shows that every story of a random document is the same after
// its encoding was decoded, and that no part of an encoding is one.
func TestStoryEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		for _, r := range h.replicas {
			for s := range r.doc.Stories() {
				b := crdt.AppendStory(nil, &s.Story)
				got, err := crdt.DecodeStory(s.ID(), b)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(b, crdt.AppendStory(nil, got)); diff != "" {
					t.Fatalf("story %s encodes otherwise after decoding (-want +got):\n%s", s.ID(), diff)
				}
				if got.Rev() != s.Rev() || got.UpdatedAt() != s.UpdatedAt() || got.Anchor() != s.Anchor() || got.NoteCount() != s.NoteCount() || got.Fence() != s.Fence() {
					t.Fatalf("story %s is another after decoding", s.ID())
				}
				for f := range crdt.Field(testSchema.Len()) {
					if got.Str(f) != s.Str(f) || got.Bool(f) != s.Bool(f) || got.Count(f) != s.Count(f) || got.Writer(f) != s.Writer(f) || got.WrittenAt(f) != s.WrittenAt(f) {
						t.Fatalf("story %s: field %s is another after decoding", s.ID(), testSchema.Name(f))
					}
				}
				cut := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
				if _, err := crdt.DecodeStory(s.ID(), b[:cut]); err == nil {
					t.Fatalf("the first %d of %d bytes decode", cut, len(b))
				}
			}
		}
	})
}

// FuzzDecodeStory shows that no bytes make DecodeStory panic or take much memory.
func FuzzDecodeStory(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := crdt.DecodeStory("1_s", b); err == nil {
			_ = crdt.AppendStory(nil, s)
		}
	})
}
