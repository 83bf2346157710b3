//go:build unix

package replica_test

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
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

// cpuSeconds returns what this process has used, its own and the system's.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
