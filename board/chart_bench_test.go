package board_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/workload"
)

// BenchmarkCharts measures the page of charts. HUSKIES_CHARTS_OPS says how many ops there are, 20,000 if
// it does not, and HUSKIES_CHARTS_DIR where the pipeline is kept for the next run.
func BenchmarkCharts(b *testing.B) {
	ops := 20_000
	if n, err := strconv.Atoi(os.Getenv("HUSKIES_CHARTS_OPS")); err == nil {
		ops = n
	}
	dir := os.Getenv("HUSKIES_CHARTS_DIR")
	if dir == "" {
		dir = b.TempDir()
	}
	path := filepath.Join(dir, "p.db")
	if _, err := os.Stat(path); err != nil {
		r := newReplica(b, path)
		var batch []crdt.SignedOp
		for _, signed := range workload.Ops(workload.Config{Seed: 1, Ops: ops, Stories: ops / 10}) {
			if batch = append(batch, signed); len(batch) == min(ops, 10_000) {
				if _, err := r.Admit(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				batch = batch[:0]
			}
		}
	}
	c := newClient(newSiteAt(b, path, nil))
	for _, days := range []string{"30", "365"} {
		b.Run(days, func(b *testing.B) {
			bytes := 0
			for b.Loop() {
				_, page := c.get("/charts?days=" + days)
				bytes = len(page)
			}
			b.ReportMetric(float64(bytes)/1000, "KB")
		})
	}
}
