package crdt_test

import (
	"bytes"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestFence: a fence makes an op one of version 2, which always has one. In version 1 the key says nothing,
// since earlier builds admit all of it.
func TestFence(t *testing.T) {
	pair := []any{uint64(7), uint64(9)}
	for name, tt := range map[string]struct {
		version, value any
		want           crdt.Fence
		refused        bool
	}{
		"fence":             {version: 2, value: pair, want: crdt.Fence{Epoch: 7, Revision: 9}},
		"greatest":          {version: 2, value: []any{uint64(1<<53 - 1), uint64(1<<53 - 1)}, want: crdt.Fence{Epoch: 1<<53 - 1, Revision: 1<<53 - 1}},
		"none":              {version: 2, refused: true},
		"zeros":             {version: 2, value: []any{uint64(0), uint64(0)}, refused: true},
		"no epoch":          {version: 2, value: []any{uint64(0), uint64(9)}, refused: true},
		"no revision":       {version: 2, value: []any{uint64(7), uint64(0)}, refused: true},
		"beyond the bounds": {version: 2, value: []any{uint64(7), uint64(1 << 53)}, refused: true},
		"one number":        {version: 2, value: pair[:1], refused: true},
		"three numbers":     {version: 2, value: append(pair, uint64(1)), refused: true},
		"text":              {version: 2, value: "7.9", refused: true},
		"in version 1":      {version: 1, value: pair},
		"text in version 1": {version: 1, value: "7.9"},
	} {
		payload, err := deterministic.Marshal(with(with(baseMap(), uint64(1), tt.version), uint64(10), tt.value))
		if err != nil {
			t.Fatal(err)
		}
		agrees(t, payload)
		op, err := crdt.Decode(payload)
		switch {
		case tt.refused:
			wantError(t, err, crdt.ErrMalformed)
		case err != nil || op.Fence != tt.want:
			t.Errorf("%s: got %+v, %v", name, op, err)
		}
	}
	op := &crdt.Op{Seq: 1, Story: "1_s", Edits: []crdt.Edit{crdt.Set("stage", crdt.String("x"))}, Fence: crdt.Fence{Epoch: 7, Revision: 9}}
	signed := mustSign(t, op)
	again, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil || again.Fence != op.Fence || !bytes.HasSuffix(signed.Payload, []byte{10, 0x82, 7, 9}) {
		t.Errorf("got %+v, %v", again, err)
	}
	op.Fence.Revision = 0
	if _, err := crdt.Sign(op, keyOf("a")); err == nil {
		t.Error("an op with half a fence is signed")
	}
}
