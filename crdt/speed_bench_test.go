//go:build unix

package crdt_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// inTurns runs work in chunks and, after each chunk, as many of the bare
// operations it is compared with, so that both meet the same noise. It reports
// the CPU time of the whole process: "x-bare" is the ratio.
func inTurns(b *testing.B, n int, work, bare func(from, to int)) {
	const chunk = 500
	var worked, bared float64
	for from := 0; from < n; from += chunk {
		to := min(from+chunk, n)
		start := cpuSeconds(b)
		work(from, to)
		middle := cpuSeconds(b)
		bare(from, to)
		worked += middle - start
		bared += cpuSeconds(b) - middle
	}
	b.ReportMetric(worked/bared, "x-bare")
	b.ReportMetric(worked, "cpu-s")
	b.ReportMetric(bared, "bare-cpu-s")
}

// message stands for an op's ID in bare signatures.
var message = []byte("huskies-op-v1\n0123456789abcdef0123456789abcdef")

// BenchmarkTraceAsOps is the editing trace as a pipeline: each edit is one
// signed op, a one-character story placed behind its neighbour or a deletion,
// written by one replica, verified and applied by another. The bare operations
// are one Ed25519 signature and one verification an op.
func BenchmarkTraceAsOps(b *testing.B) {
	trace, err := editingTrace()
	if err != nil {
		b.Fatal(err)
	}
	key := keyOf("a")
	public := key.Public().(ed25519.PublicKey)
	for b.Loop() {
		writer, reader := crdt.NewDoc(testSchema), crdt.NewDoc(testSchema)
		inTurns(b, len(trace.Edits), func(from, to int) {
			for i := from; i < to; i++ {
				signed := writeTraceEdit(b, writer, key, i, trace.Edits[i])
				op, err := crdt.Verify(signed.Payload, signed.Signature)
				if err != nil {
					b.Fatal(err)
				}
				applied(b, reader, op)
			}
		}, func(from, to int) {
			for range to - from {
				if !ed25519.Verify(public, message, ed25519.Sign(key, message)) {
					b.Fatal("bare signature is not valid")
				}
			}
		})
		var got strings.Builder
		for s := range reader.Placed() {
			got.WriteString(s.Str(fieldName))
		}
		if got.String() != trace.FinalText {
			b.Fatal("the names in order are not the final text")
		}
	}
}

// writeTraceEdit makes edit i an op of the document.
func writeTraceEdit(b *testing.B, d *crdt.Doc, key ed25519.PrivateKey, i int, e traceEdit) crdt.SignedOp {
	op := &crdt.Op{Agent: "coder-1", At: 1767225600000 + int64(i)}
	op.Parents, op.Seq = d.Next()
	if e.char == 0 {
		op.Story = d.PlacedAt(e.position).ID()
		op.Edits = []crdt.Edit{crdt.Set(crdt.DeletedField, crdt.Bool(true))}
	} else {
		var after crdt.Anchor
		if e.position > 0 {
			after = d.PlacedAt(e.position - 1).Anchor()
		}
		op.Story = fmt.Sprintf("%d_c", i)
		op.Edits = []crdt.Edit{crdt.Set("name", crdt.String(string(e.char))), crdt.Place(after)}
	}
	signed, err := crdt.Sign(op, key)
	if err != nil {
		b.Fatal(err)
	}
	applied(b, d, op)
	return signed
}

func applied(b *testing.B, d *crdt.Doc, op *crdt.Op) {
	if res, err := d.Apply(op); err != nil || res.Status != crdt.Applied {
		b.Fatalf("apply op: got %s, error %v", res.Status, err)
	}
}

// signedLog is 100,000 signed ops over 10,000 stories, one edit each: a long
// life of one replica.
var signedLog = sync.OnceValue(func() []crdt.SignedOp {
	const stories = 10_000
	var parents []crdt.OpID
	ops := make([]crdt.SignedOp, 10*stories)
	for i := range ops {
		op := &crdt.Op{
			Seq: uint64(i) + 1, Parents: parents, Agent: "coder-1", At: 1767225600000 + int64(i),
			Story: fmt.Sprintf("%d_story_number_%[1]d", i%stories),
			Edits: []crdt.Edit{crdt.Set([]string{"stage", "name", "agent"}[i%3], crdt.String(fmt.Sprintf("value %d", i)))},
		}
		signed, err := crdt.Sign(op, keyOf("a"))
		if err != nil {
			panic(err)
		}
		ops[i], parents = signed, []crdt.OpID{op.ID}
	}
	return ops
})

// BenchmarkApplySigned verifies and applies 100,000 signed ops over 10,000
// stories. The bare operation is one Ed25519 verification an op.
func BenchmarkApplySigned(b *testing.B) {
	ops := signedLog()
	public := keyOf("a").Public().(ed25519.PublicKey)
	signature := ed25519.Sign(keyOf("a"), message)
	for b.Loop() {
		d := crdt.NewDoc(testSchema)
		inTurns(b, len(ops), func(from, to int) {
			for _, signed := range ops[from:to] {
				op, err := crdt.Verify(signed.Payload, signed.Signature)
				if err != nil {
					b.Fatal(err)
				}
				applied(b, d, op)
			}
		}, func(from, to int) {
			for range to - from {
				if !ed25519.Verify(public, message, signature) {
					b.Fatal("bare signature is not valid")
				}
			}
		})
	}
}

// pipelineOf returns a document of n stories with all fields set, one op each.
func pipelineOf(b *testing.B, n int) *crdt.Doc {
	d := crdt.NewDoc(testSchema)
	for i := range n {
		applied(b, d, storyOp(b, d, i))
	}
	return d
}

// storyOp creates story i with every field set, last in the order.
func storyOp(b *testing.B, d *crdt.Doc, i int) *crdt.Op {
	op := &crdt.Op{
		Story: fmt.Sprintf("%d_story_number_%[1]d", i), Agent: "coder-1", At: 1767225600000 + int64(i),
		Edits: []crdt.Edit{
			crdt.Set("stage", crdt.String("2_current")),
			crdt.Set("name", crdt.String(fmt.Sprintf("The headline of story %d", i))),
			crdt.Set("agent", crdt.String(fmt.Sprintf("coder-%d", i%16))),
			crdt.Set("blocked", crdt.Bool(true)),
			crdt.Set("blocked_reason", crdt.String(fmt.Sprintf("waits for the answer to question %d", i))),
			crdt.Inc("retry_count", 1, crdt.OpID{}),
			crdt.Dep(uint32(i+1), true),
			crdt.Place(d.LastPlace()),
		},
	}
	op.Parents, op.Seq = d.Next()
	if _, err := crdt.Sign(op, keyOf("a")); err != nil {
		b.Fatal(err)
	}
	return op
}

var storyCounts = []int{10, 1_000, 100_000}

// BenchmarkInsertStory writes one story: next, sign, apply.
func BenchmarkInsertStory(b *testing.B) {
	for _, n := range storyCounts {
		b.Run(fmt.Sprintf("stories=%d", n), func(b *testing.B) {
			d := pipelineOf(b, n)
			for i := n; b.Loop(); i++ {
				applied(b, d, storyOp(b, d, i))
			}
		})
	}
}

// BenchmarkReadStory reads every field of one story, any of them in turn.
func BenchmarkReadStory(b *testing.B) {
	for _, n := range storyCounts {
		b.Run(fmt.Sprintf("stories=%d", n), func(b *testing.B) {
			d := pipelineOf(b, n)
			ids := make([]string, 0, n)
			for s := range d.Stories() {
				ids = append(ids, s.ID())
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				s := d.Story(ids[rng.IntN(n)])
				if s.Str(fieldStage) == "" || s.Str(fieldName) == "" || s.Str(fieldAgent) == "" || !s.Bool(fieldBlocked) ||
					s.Count(fieldRetry) == 0 || len(s.Dependencies()) == 0 || s.Deleted() {
					b.Fatal("a field is missing")
				}
			}
		})
	}
}

// BenchmarkStoryMemory reports the bytes that a story takes in a document.
func BenchmarkStoryMemory(b *testing.B) {
	const n = 100_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	for b.Loop() {
		before := heap()
		d := pipelineOf(b, n)
		b.ReportMetric(float64(heap()-before)/n, "B/story")
		runtime.KeepAlive(d)
	}
}
