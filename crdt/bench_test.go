package crdt_test

import (
	"crypto/ed25519"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkSign is Sign beside the signature alone.
func BenchmarkSign(b *testing.B) {
	op, key := exampleOp(), keyOf("a")
	beside(b, func() {
		if _, err := crdt.Sign(op, key); err != nil {
			b.Fatal(err)
		}
	}, func() {
		ed25519.Sign(key, op.ID[:])
	})
}

// BenchmarkVerify is Verify beside the check of the signature alone.
func BenchmarkVerify(b *testing.B) {
	op := exampleOp()
	signed := mustSign(b, op)
	message := append([]byte("huskies-op-v1\n"), op.ID[:]...)
	beside(b, func() {
		if _, err := crdt.Verify(signed.Payload, signed.Signature); err != nil {
			b.Fatal(err)
		}
	}, func() {
		if !ed25519.Verify(op.Author[:], message, signed.Signature[:]) {
			b.Fatal("the signature is not valid")
		}
	})
}

// beside runs ours and bare in turns, so that noise hits both, and reports what
// each takes and how much more ours does.
func beside(b *testing.B, ours, bare func()) {
	const turn = 8
	var times [2]time.Duration
	for b.Loop() {
		for i, run := range [...]func(){ours, bare} {
			start := time.Now()
			for range turn {
				run()
			}
			times[i] += time.Since(start)
		}
	}
	runs := float64(b.N * turn)
	b.ReportMetric(0, "ns/op") // of both, eight times
	b.ReportMetric(float64(times[0])/runs, "ns/ours")
	b.ReportMetric(float64(times[1])/runs, "ns/bare")
	b.ReportMetric(float64(times[0])/float64(times[1]), "ours/bare")
}

// BenchmarkDecode reads ops of one edit, of the few that doc.go shows, and of
// as many as there may be.
func BenchmarkDecode(b *testing.B) {
	for _, edits := range [][]crdt.Edit{exampleOp().Edits[:1], exampleOp().Edits, manyEdits(crdt.MaxEdits)} {
		b.Run(fmt.Sprintf("edits=%d", len(edits)), func(b *testing.B) {
			op := exampleOp()
			op.Edits, op.Parents = edits, []crdt.OpID{{1}}
			signed := mustSign(b, op)
			b.ReportAllocs()
			b.SetBytes(int64(len(signed.Payload)))
			for b.Loop() {
				if _, err := crdt.Decode(signed.Payload); err != nil {
					b.Fatal(err)
				}
			}
		})
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
