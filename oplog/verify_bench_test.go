//go:build unix

package oplog

import (
	"bytes"
	"crypto/ed25519"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkVerify verifies a log of 100,000 ops, and in turns with it as many
// bare Ed25519 signatures, the same, with as many goroutines. "x-bare" is the ratio
// of the clock, "x-bare-cpu" that of the processors' time.
func BenchmarkVerify(b *testing.B) {
	const rows = 100_000
	path := longLog(b, rows)
	ops := signedOps(b, path)
	public := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	var clock, cpu, bareClock, bareCPU time.Duration
	turn := func(clock, cpu *time.Duration, work func()) {
		runtime.GC()
		began, used := time.Now(), processorTime(b)
		work()
		*cpu += processorTime(b) - used
		*clock += time.Since(began)
	}
	for b.Loop() {
		turn(&clock, &cpu, func() {
			report, err := Verify(b.Context(), Verification{
				Path: path, Logger: slog.New(slog.DiscardHandler), Check: verifySchema.Check,
				Found: func(f Finding) { b.Error(f) },
			})
			if err != nil || report.Rows != rows {
				b.Fatalf("got %+v, %v", report, err)
			}
		})
		turn(&bareClock, &bareCPU, func() { verifyBare(b, public, ops) })
	}
	b.ReportMetric(clock.Seconds()/bareClock.Seconds(), "x-bare")
	b.ReportMetric(cpu.Seconds()/bareCPU.Seconds(), "x-bare-cpu")
	b.ReportMetric(rows*float64(b.N)/clock.Seconds(), "rows/s")
}

// verifyBare verifies the signatures and does nothing else.
func verifyBare(b *testing.B, public ed25519.PublicKey, ops []crdt.SignedOp) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			message := append([]byte("huskies-op-v1\n"), make([]byte, 32)...)
			for i := next.Add(1) - 1; int(i) < len(ops); i = next.Add(1) - 1 {
				copy(message[14:], ops[i].ID[:])
				if !ed25519.Verify(public, message, ops[i].Signature[:]) {
					b.Error("a signature is not valid")
				}
			}
		})
	}
	wg.Wait()
}

// signedOps returns the ops of a log.
func signedOps(b *testing.B, path string) (ops []crdt.SignedOp) {
	l, err := Open(b.Context(), Config{Path: path, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	rows, err := readRows(l, 0)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range rows {
		ops = append(ops, crdt.SignedOp{ID: r.ID, Signature: r.Signature})
	}
	return ops
}

// BenchmarkVerifyMemory reports the bytes that a row of a long log takes up in
// memory while the log is verified.
func BenchmarkVerifyMemory(b *testing.B) {
	const rows = 100_000
	for b.Loop() {
		v := &verifier{known: make(map[crdt.OpID]uint32), authors: make(map[crdt.Author]uint32), names: make([]crdt.Author, 1)}
		before := heapInUse()
		for i := range rows {
			var id crdt.OpID
			id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
			v.enter(verifiedOp{arrival: int64(i) + 1, id: id, seq: 1, author: 1})
		}
		b.ReportMetric(float64(heapInUse()-before)/rows, "B/row")
		runtime.KeepAlive(v)
	}
}

func heapInUse() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
