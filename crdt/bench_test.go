package crdt_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

func BenchmarkSign(b *testing.B) {
	op := exampleOp()
	for b.Loop() {
		if _, err := crdt.Sign(op, keyOf("a")); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	signed := mustSign(b, exampleOp())
	for b.Loop() {
		if _, err := crdt.Verify(signed.Payload, signed.Signature); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	signed := mustSign(b, exampleOp())
	for b.Loop() {
		if _, err := crdt.Decode(signed.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

// storedLog is 100,000 payloads over 10,000 stories, one edit each: a long
// life of one replica.
var storedLog = sync.OnceValue(func() [][]byte {
	const stories = 10_000
	payloads := make([][]byte, 0, 10*stories)
	var parents []crdt.OpID
	for i := range 10 * stories {
		op := &crdt.Op{
			Seq: uint64(i) + 1, Parents: parents, Agent: "coder-1", At: 1767225600000 + int64(i),
			Story: fmt.Sprintf("%d_story_number_%[1]d", i%stories),
			Edits: []crdt.Edit{crdt.Set([]string{"stage", "name", "agent"}[i%3], crdt.String(fmt.Sprintf("value %d", i)))},
		}
		signed, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			panic(err)
		}
		payloads, parents = append(payloads, signed.Payload), []crdt.OpID{op.ID}
	}
	return payloads
})

func decodeAll(b *testing.B, payloads [][]byte) []*crdt.Op {
	ops := make([]*crdt.Op, len(payloads))
	for i, p := range payloads {
		op, err := crdt.Decode(p)
		if err != nil {
			b.Fatal(err)
		}
		ops[i] = op
	}
	return ops
}

// BenchmarkApply is Doc.Apply alone.
func BenchmarkApply(b *testing.B) {
	ops := decodeAll(b, storedLog())
	b.ReportAllocs()
	for b.Loop() {
		d := crdt.NewDoc(testSchema)
		for _, op := range ops {
			if _, err := d.Apply(op); err != nil {
				b.Fatal(err)
			}
		}
	}
	perOp(b, len(ops))
}

// BenchmarkReplayDecodeApply is what a start does with every stored row.
func BenchmarkReplayDecodeApply(b *testing.B) {
	payloads := storedLog()
	b.ReportAllocs()
	for b.Loop() {
		d := crdt.NewDoc(testSchema)
		for _, op := range decodeAll(b, payloads) {
			if _, err := d.Apply(op); err != nil {
				b.Fatal(err)
			}
		}
	}
	perOp(b, len(payloads))
}

func perOp(b *testing.B, ops int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*ops), "ns/applied_op")
}
