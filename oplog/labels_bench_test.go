//go:build unix

package oplog

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkLists shows for each case what an op costs among n, 2n and 4n elements.
func BenchmarkLists(b *testing.B) {
	for _, c := range listCases {
		for _, n := range []int{5_000, 10_000, 20_000} {
			b.Run(fmt.Sprintf("%s/%d", c.name, n), func(b *testing.B) {
				used := processorTime(b)
				for b.Loop() {
					l := benchLog(b)
					if _, err := c.fill(l, n); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/place")
				b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N*n), "cpu-µs/place")
			})
		}
	}
}

// BenchmarkHeads shows what a write costs in a log with n, 2n and 4n heads.
func BenchmarkHeads(b *testing.B) {
	for _, n := range []int{40_000, 80_000, 160_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := benchLog(b)
			heads := listCase{edit: func([]crdt.OpID) crdt.Edit { return crdt.Set("name", crdt.String("x")) }, low: true}
			if _, err := heads.fill(l, n); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if err := write(l, func(tx *Tx) error { _, err := appendNext(l, tx, "x"); return err }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchLog(b *testing.B) *Log {
	cfg := Config{Path: filepath.Join(b.TempDir(), "p.db"), Machine: "here", Now: clock(), Rand: keySource(7), Logger: slog.New(slog.DiscardHandler)}
	l, err := create(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	return l
}
