package crdt_test

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
)

// agrees fails unless Decode and the oracle say the same of payload. It reports
// whether they admit it.
func agrees(t rapid.TB, payload []byte) bool {
	t.Helper()
	got, err := crdt.Decode(payload)
	want, wantErr := oracle(payload)
	switch {
	case err == nil && wantErr == nil:
		if diff := cmp.Diff(want, got, sameOp); diff != "" {
			t.Fatalf("payload %x\nDecode reads another op (-oracle +Decode):\n%s", payload, diff)
		}
		return true
	case errors.Is(err, crdt.ErrVersion) && wantErr != nil: // Decode looks no further than the version
	case err == nil || wantErr == nil || !errors.Is(err, crdt.ErrMalformed) || !errors.Is(wantErr, crdt.ErrMalformed):
		t.Fatalf("payload %x\nDecode:     %v\nthe oracle: %v", payload, err, wantErr)
	}
	return false
}

// mapOf is the payload of an op as a map.
func mapOf(op *crdt.Op) fields {
	parents, edits := []any{}, []any{}
	for _, p := range op.Parents {
		parents = append(parents, p[:])
	}
	for _, e := range op.Edits {
		m := fields{uint64(1): uint64(e.Kind)}
		set := func(key uint64, there bool, v any) {
			if there {
				m[key] = v
			}
		}
		set(2, e.Field != "", e.Field)
		switch e.Value.Type() {
		case crdt.TypeString:
			m[uint64(3)] = e.Value.Str()
		case crdt.TypeBool:
			m[uint64(3)] = e.Value.Bool()
		case crdt.TypeInt:
			m[uint64(3)] = e.Value.Int()
		}
		set(4, e.By != 0, e.By)
		set(5, !e.Base.IsZero(), e.Base[:])
		set(6, e.Kind == crdt.KindDep, e.Number)
		set(7, e.Anchor != "", e.Anchor)
		if e.Over.Op != ([8]byte{}) {
			m[uint64(8)] = e.Over.Op[:]
		} else if e.Over.Said {
			m[uint64(8)] = []byte{}
		}
		edits = append(edits, m)
	}
	m := fields{
		uint64(1): 1, uint64(2): op.Author[:], uint64(3): op.Seq, uint64(4): parents, uint64(5): op.Story, uint64(6): edits,
	}
	if op.Agent != "" {
		m[uint64(7)] = op.Agent
	}
	if op.At != 0 {
		m[uint64(8)] = op.At
	}
	if op.Fence != (crdt.Fence{}) {
		m[uint64(1)], m[uint64(10)] = 2, []any{op.Fence.Epoch, op.Fence.Revision}
	}
	return m
}

// TestEncodingIsTheLibrarys: the payload is, byte for byte, the deterministic
// encoding that a CBOR library makes of the same map.
func TestEncodingIsTheLibrarys(t *testing.T) {
	check := func(t rapid.TB, op *crdt.Op) {
		signed, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			t.Fatal(err)
		}
		want, err := deterministic.Marshal(mapOf(op))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(signed.Payload, want) {
			t.Fatalf("Sign writes\n%x, the library\n%x", signed.Payload, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) { check(t, someOp.Draw(t, "op")) })
	for _, n := range []int64{0, 23, 24, 1<<8 - 1, 1 << 8, 1<<16 - 1, 1 << 16, 1<<32 - 1, 1 << 32, crdt.MaxSeq} {
		op := exampleOp()
		op.At, op.Seq = n, uint64(max(n, 1))
		op.Edits = []crdt.Edit{
			crdt.Set("up", crdt.Int(n)), crdt.Set("down", crdt.Int(-n)), crdt.Set("one below", crdt.Int(max(-n-1, -crdt.MaxSeq))),
			{Kind: max(crdt.EditKind(n), 6)},
			crdt.Dep(uint32(min(n, math.MaxUint32)), true),
		}
		if n < 60<<10 {
			op.Edits = append(op.Edits, crdt.Set("text", crdt.String(strings.Repeat("x", int(n)))))
		}
		check(t, op)
	}
}

// anyData draws data that nests at most so deep: what ops may have, and now and
// then what they may not.
func anyData(deep int) *rapid.Generator[any] {
	one := func(v ...any) *rapid.Generator[any] { return rapid.SampledFrom(v) }
	gens := []*rapid.Generator[any]{
		one(0, 1, 2, 3, 5, 23, 24, 255, 256, 1<<16-1, 1<<16, 1<<20, 1<<20+1, 1<<32-1, 1<<32, 1<<53-1, 1<<53, uint64(math.MaxUint64)),
		one(-1, -24, -25, -(1<<53 - 1), -1<<53, math.MinInt64, raw("3bffffffffffffffff")),
		one("", "a", "1_story_x", "stage", "a b", "é", raw("61ff")),
		one(true, false),
		one(make([]byte, 32), bytes.Repeat([]byte{7}, 32), []byte{}, []byte{1}, bytes.Repeat([]byte{7}, 33)),
		one(1.5, math.Inf(1), raw("f6"), raw("f7"), raw("f0"), raw("f820"), raw("c100"), raw("1805"), raw("61c3")),
	}
	if deep > 0 {
		inner := anyData(deep - 1)
		gens = append(
			gens,
			rapid.Map(rapid.SliceOfN(inner, 0, 3), func(s []any) any { return s }),
			rapid.Map(rapid.MapOfN(anyKey(), inner, 0, 3), func(m fields) any { return m }),
		)
	}
	return rapid.OneOf(gens...)
}

func anyKey() *rapid.Generator[any] {
	return rapid.OneOf(
		rapid.Map(rapid.Uint64Range(0, 10), func(n uint64) any { return n }),
		rapid.SampledFrom([]any{
			uint64(23), uint64(24), uint64(math.MaxInt64), uint64(1 << 63), int64(-1), int64(-25), int64(math.MinInt64),
			"", "1", "stage", 1.5, true, cbor.ByteString("x"),
		}),
	)
}

var someOp, someKey, someData = anyOp(), anyKey(), anyData(7)

// anyPayload draws the payload of an op and changes some of it: keys of the op
// and its edits, and bytes.
func anyPayload(t *rapid.T) []byte {
	op := someOp.Draw(t, "op")
	op.Author = crdt.AuthorOf(keyOf("a"))
	p := mapOf(op)
	edits := p[uint64(6)].([]any)
	for range rapid.IntRange(0, 3).Draw(t, "changed keys") {
		m := p
		if i := rapid.IntRange(-1, len(edits)-1).Draw(t, "edit"); i >= 0 {
			m = edits[i].(fields)
		}
		key := someKey.Draw(t, "key")
		if rapid.IntRange(0, 3).Draw(t, "drop") == 0 {
			delete(m, key)
		} else {
			m[key] = someData.Draw(t, "data")
		}
	}
	payload, err := deterministic.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	for range max(0, rapid.IntRange(-3, 2).Draw(t, "changed bytes")) {
		i := rapid.IntRange(0, len(payload)-1).Draw(t, "at")
		switch b := rapid.Byte().Draw(t, "byte"); rapid.IntRange(0, 3).Draw(t, "change") {
		case 0:
			payload[i] = b
		case 1:
			payload[i] ^= 1 << (b % 8)
		case 2:
			payload = slices.Insert(payload, i, b)
		case 3:
			payload = slices.Delete(payload, i, min(len(payload), i+1+int(b%4)))
			if len(payload) == 0 {
				return nil
			}
		}
	}
	return payload
}

// TestDecodeAgreesWithTheOracle: on ops with some keys and bytes changed, it
// admits the same ones and reads the same from them.
func TestDecodeAgreesWithTheOracle(t *testing.T) {
	var admitted, refused int
	rapid.Check(t, func(t *rapid.T) {
		if agrees(t, anyPayload(t)) {
			admitted++
		} else {
			refused++
		}
	})
	if admitted == 0 || refused == 0 {
		t.Errorf("%d payloads admitted, %d refused: the test says nothing", admitted, refused)
	}
	t.Logf("%d payloads admitted, %d refused", admitted, refused)
}
