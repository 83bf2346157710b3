//go:build unix

package replica_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// BenchmarkStart opens a database and reads one story, in logs of several lengths.
func BenchmarkStart(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n, "ops"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			fill(b, path, n, max(n/10, 1))
			var cpu float64
			for b.Loop() {
				before := cpuSeconds(b)
				r := newReplica(b, path)
				if _, err := read(b, r, "1_story_bench"); err != nil {
					b.Fatal(err)
				}
				if err := r.Close(); err != nil {
					b.Fatal(err)
				}
				cpu += cpuSeconds(b) - before
			}
			b.ReportMetric(cpu/float64(b.N), "cpu-s/start")
		})
	}
}

// BenchmarkRebuild makes the state anew from logs of several lengths.
func BenchmarkRebuild(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n, "ops"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			fill(b, path, n, max(n/10, 1))
			r := newReplica(b, path)
			for b.Loop() {
				if err := r.Rebuild(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/op-of-the-log")
		})
	}
}

// BenchmarkImport imports a bundle into a new database, beside bare verifications of the same ops.
func BenchmarkImport(b *testing.B) {
	const n = 100_000
	path := filepath.Join(b.TempDir(), "p.db")
	fill(b, path, n, n/10)
	var ops []crdt.SignedOp
	if _, err := newReplica(b, path).Export(b.Context(), nil, func(op crdt.SignedOp) error {
		op.Payload = bytes.Clone(op.Payload)
		ops = append(ops, op)
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	op, err := crdt.Decode(ops[0].Payload)
	if err != nil {
		b.Fatal(err)
	}
	var lines []byte
	for _, op := range ops {
		lines = bundle.AppendLine(lines, op)
	}
	var cpu, bare float64
	for b.Loop() {
		r := newReplica(b, filepath.Join(b.TempDir(), "new.db"))
		before := cpuSeconds(b)
		report, err := r.Import(b.Context(), bundle.NewReader(bytes.NewReader(lines)), nil)
		if err != nil || report.New != n {
			b.Fatalf("got %+v, %v", report, err)
		}
		imported := cpuSeconds(b)
		for i := range ops {
			message := append([]byte("huskies-op-v1\n"), ops[i].ID[:]...)
			if !ed25519.Verify(op.Author[:], message, ops[i].Signature[:]) {
				b.Fatal("a signature is not valid")
			}
		}
		cpu, bare = cpu+imported-before, bare+cpuSeconds(b)-imported
	}
	b.ReportMetric(cpu/bare, "x-bare-cpu")
}

// cpuSeconds returns what this process has used, its own and the system's.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
