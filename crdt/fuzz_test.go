package crdt_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// FuzzVerify: whatever the bytes, Decode says of them what the oracle says; and
// what Verify admits says the same when it is signed anew, in bytes that need no
// third form.
func FuzzVerify(f *testing.F) {
	f.Add(mustSign(f, exampleOp()).Payload)
	for _, p := range fuzzSeeds() {
		f.Add(signMap(f, p).Payload)
	}
	f.Add([]byte{})
	f.Add([]byte{0xbf, 0xff})
	f.Add([]byte{0xa1, 0x01, 0x03})
	me := crdt.AuthorOf(keyOf("a"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, _ = crdt.Verify(payload, crdt.Signature{})
		if !agrees(t, payload) {
			return
		}
		op, err := crdt.Decode(payload)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(payload, op.Author[:]) > 1 {
			return // its bytes are also elsewhere, where others may not fit
		}
		payload = bytes.Replace(payload, op.Author[:], me[:], 1) // so that it can be signed
		op, err = crdt.Verify(payload, signBytes(payload, "a").Signature)
		if err != nil {
			t.Fatalf("the same op of another author: %v", err)
		}
		again, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			t.Fatalf("an admitted op cannot be signed: %v", err)
		}
		if len(again.Payload) > len(payload)+2 { // Sign writes parents also if there are none
			t.Fatalf("signed anew the op grows from\n%x to\n%x", payload, again.Payload)
		}
		read, err := crdt.Verify(again.Payload, again.Signature)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(op, read, sameOp); diff != "" {
			t.Fatalf("signed anew the op says something else (-before +after):\n%s", diff)
		}
		if third := mustSign(t, read); !bytes.Equal(third.Payload, again.Payload) {
			t.Fatalf("Sign has two forms:\n%x\n%x", again.Payload, third.Payload)
		}
	})
}

// fuzzSeeds has an op of each kind, ops at the bounds, and near misses.
func fuzzSeeds() []fields {
	key := func(n uint64) any { return n }
	id := bytes.Repeat([]byte{7}, 32)
	edits := func(e ...any) fields { return with(baseMap(), key(6), e) }
	return []fields{
		baseMap(),
		with(baseMap(), key(4), nil),
		with(baseMap(), key(4), []any{make([]byte, 32), id}),
		with(with(baseMap(), key(7), ""), key(8), 0),
		with(with(baseMap(), key(3), 1<<53-1), key(8), 1<<53-1),
		with(baseMap(), key(1), 2),
		with(with(baseMap(), key(1), 2), key(10), []any{uint64(1), uint64(1<<53 - 1)}),
		with(with(baseMap(), key(1), 2), key(10), []any{uint64(0), uint64(7)}),
		with(baseMap(), key(10), []any{uint64(1), uint64(7)}),
		withEdit(key(3), "\u00e9\U0001f43a"),
		withEdit(key(3), -7),
		withEdit(key(3), -(1<<53 - 1)),
		withEdit(key(3), true),
		withEdit(key(3), raw("f97e00")),
		withEdit(key(8), []byte{}),
		withEdit(key(8), id[:8]),
		withEdit(key(8), id[:7]),
		withEdit(key(8), "eight by"),
		edits(fields{key(1): 4, key(3): "a note", key(8): id[:8]}),
		edits(fields{key(1): 2, key(2): "n", key(4): 3}),
		edits(fields{key(1): 2, key(2): "n", key(4): 1 << 20, key(5): id}),
		edits(fields{key(1): 2, key(2): "n", key(4): 3, key(5): make([]byte, 32)}),
		edits(fields{key(1): 3, key(3): true, key(6): 0}, fields{key(1): 3, key(3): false, key(6): 1<<32 - 1}),
		edits(fields{key(1): 4, key(3): "a note"}),
		edits(fields{key(1): 5}),
		edits(fields{key(1): 5, key(5): id}),
		edits(fields{key(1): 5, key(7): "9_story_before"}),
		edits(fields{key(1): 99, key(2): 5, key(7): []any{fields{"a": id}}}, editMap()),
		with(baseMap(), key(0), raw("3bffffffffffffffff")),
		with(baseMap(), key(9), []any{1, fields{"a": []byte{1}, "b": raw("81818181 01"), int64(-1): -25}}),
		with(baseMap(), key(9), 1.5),
		manyMore(65),
	}
}

// FuzzApply searches the histories of TestLaws with coverage: all kinds of
// edits, trust, damaged rows, repeats. A history is bounded in steps, so memory
// is too. Run it with -fuzzminimizetime 1x: rapid shrinks by itself, and better.
func FuzzApply(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{64, 512, 2048, 8192, 1 << 14} { // the last is enough for any history
		seed := make([]byte, n)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(checkLaws))
}
