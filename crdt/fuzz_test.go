package crdt_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// FuzzVerify: whatever the bytes, reading them does not panic; and what Verify
// admits says the same when it is signed anew, in bytes that need no third
// form.
func FuzzVerify(f *testing.F) {
	f.Add(mustSign(f, exampleOp()).Payload)
	for _, p := range []fields{
		baseMap(),
		with(baseMap(), uint64(4), []any{make([]byte, 32)}),
		with(baseMap(), uint64(9), []any{1.5, fields{"a": []byte{1}}}),
		with(baseMap(), uint64(1), 2),
		withEdit(uint64(1), 99),
		withEdit(uint64(3), -7),
		withEdit(uint64(3), raw("f97e00")),
		with(baseMap(), uint64(6), []any{fields{uint64(1): 2, uint64(2): "n", uint64(4): 3, uint64(5): make([]byte, 32)}}),
		with(baseMap(), uint64(6), []any{fields{uint64(1): 3, uint64(3): true, uint64(6): 7}}),
	} {
		f.Add(signMap(f, p).Payload)
	}
	f.Add([]byte{})
	f.Add([]byte{0xbf, 0xff})
	me := crdt.AuthorOf(keyOf("a"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		_, _ = crdt.Verify(payload, crdt.Signature{})
		op, err := crdt.Decode(payload)
		if err != nil {
			if op != nil {
				t.Fatal("Decode returns an op besides the error")
			}
			return
		}
		payload = bytes.ReplaceAll(payload, op.Author[:], me[:]) // so that it can be signed
		op, err = crdt.Verify(payload, signBytes(payload, "a").Signature)
		if err != nil {
			return // not deterministic
		}
		again, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			t.Fatalf("an admitted op cannot be signed: %v", err)
		}
		if len(again.Payload) > len(payload) {
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

// FuzzApply searches the histories of TestLaws with coverage. Run it with
// -fuzzminimizetime 1x: rapid shrinks by itself, and better.
func FuzzApply(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{64, 512, 2048, 8192} {
		seed := make([]byte, n)
		for i := range seed {
			seed[i] = byte(rng.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(rapid.MakeFuzz(checkLaws))
}
