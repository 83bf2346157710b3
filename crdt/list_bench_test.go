//go:build unix

package crdt_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkEditingTrace applies the trace of TestEditingTrace by position. The
// CPU time is that of the whole process, so the garbage collector's counts too.
func BenchmarkEditingTrace(b *testing.B) {
	trace, err := editingTrace()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var cpu float64
	for b.Loop() {
		before := cpuSeconds(b)
		l, err := trace.apply()
		cpu += cpuSeconds(b) - before
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		wantRunes(b, l, trace.FinalText)
		b.StartTimer()
	}
	b.ReportMetric(cpu/float64(b.N), "cpu-s/trace")
}

// cpuSeconds returns what this process has used, its own and the system's.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkListInsert builds a list, each element after any earlier one.
func BenchmarkListInsert(b *testing.B) {
	eachListSize(b, func(b *testing.B, size int) {
		b.ReportAllocs()
		for b.Loop() {
			scatteredList(b, size)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/insert")
	})
}

func BenchmarkListAt(b *testing.B) {
	eachListSize(b, func(b *testing.B, size int) {
		l, rng := scatteredList(b, size), rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			if _, ok := l.At(rng.IntN(size)); !ok {
				b.Fatal("no element")
			}
		}
	})
}

func BenchmarkListPosition(b *testing.B) {
	eachListSize(b, func(b *testing.B, size int) {
		l, rng := scatteredList(b, size), rand.New(rand.NewPCG(1, 2))
		for b.Loop() {
			if _, err := l.Position(1 + crdt.Elem(rng.IntN(size))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachListSize(b *testing.B, bench func(b *testing.B, size int)) {
	for _, size := range []int{10, 100_000} {
		b.Run(fmt.Sprintf("elements=%d", size), func(b *testing.B) { bench(b, size) })
	}
}

// scatteredList returns a list of which each element follows any earlier one.
func scatteredList(b *testing.B, size int) *crdt.List[int] {
	l, rng := crdt.NewList(cmp.Compare[int]), rand.New(rand.NewPCG(3, 4))
	for i := range size {
		if _, err := l.Insert(crdt.Elem(rng.IntN(i+1)), uint64(i), i); err != nil {
			b.Fatal(err)
		}
	}
	return l
}
