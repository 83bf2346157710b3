//go:build unix

package oplog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkRead reads 100,000 rows with payloads of 250 bytes and does nothing
// with them: what replay pays for the storage. As pages are read ahead, wall
// time and processor time differ, so both are given.
func BenchmarkRead(b *testing.B) {
	const rows = 100_000
	cfg := Config{Path: filepath.Join(b.TempDir(), "p.db"), Now: time.Now, Rand: keySource(7), Logger: slog.New(slog.DiscardHandler)}
	l, err := create(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	if err := write(l, func(tx *Tx) error {
		for i := range rows {
			text := strings.Repeat("x", 100)
			op, signed, err := nextOp(tx, l.Key(), fmt.Sprint(i%10_000), crdt.Set("name", crdt.String(text)))
			if err := errors.Join(err, appendOp(tx, op, signed)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		got := 0
		if err := l.View(context.Background(), func(s *Snapshot) error { return s.Rows(0, func(SignedRow) error { got++; return nil }) }); err != nil || got != rows {
			b.Fatalf("read %d rows, want %d: %v", got, rows, err)
		}
	}
	b.ReportMetric((processorTime(b)-before).Seconds()/float64(b.N), "cpu-s/op")
}

// processorTime returns what this process has used of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
