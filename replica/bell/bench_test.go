package bell_test

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkRing is what a commit pays for its ring, with nobody in this process listening.
func BenchmarkRing(b *testing.B) {
	rung := newBell(b, newDatabase(b))
	for b.Loop() {
		rung.Ring()
	}
	if err := rung.Err(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWakeAcrossProcesses is a ring, another process's wake-up, its ring and the wake-up by
// that. The metrics are for one way.
func BenchmarkWakeAcrossProcesses(b *testing.B) {
	there, back := newDatabase(b), newDatabase(b)
	rung, heard := newBell(b, there), newBell(b, back)
	heard.SetIntervals(look, time.Hour)
	l := heard.Subscribe()
	startProcess(b, "echo", there, back)
	now := uint64(0)
	trip := func() time.Duration {
		begin := time.Now()
		now++
		put(there, now)
		rung.Ring()
		for get(back) != now {
			receive(b, l.C())
		}
		return time.Since(begin)
	}
	trip() // the other process has begun to listen
	var times []time.Duration
	for b.Loop() {
		times = append(times, trip())
	}
	slices.Sort(times)
	oneWay := func(part int) float64 {
		return float64(times[(len(times)-1)*part/100].Nanoseconds()) / 2000
	}
	b.ReportMetric(oneWay(50), "p50-µs")
	b.ReportMetric(oneWay(99), "p99-µs")
}
