//go:build unix

package tools

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/replica"
)

// curveCalls are what agents do in a pipeline that a malicious bundle has been brought into.
var curveCalls = []struct{ metric, tool, args string }{
	{"list", "list_items", `{}`},
	{"find", "list_items", `{"ready":true,"query":"1"}`},
	{"read", "read_item", `{"story_id":"1","history":20}`},
	{"write", "write_item", `{"story_id":"1","retry_count":%d}`},
	{"claim", "claim_item", `{"agent":"agent-%d"}`},
}

// BenchmarkMalice shows what the bundles of malicious authors cost, at n, 2n and 4n: µs of the processor for
// each op that comes in and for each op of a rebuild, and ms of the processor for a call afterwards. Linear is
// what costs the same for each op, and for a call at most twice as much where there is twice as much.
func BenchmarkMalice(b *testing.B) {
	for _, m := range workload.Malices {
		for _, n := range m.Sizes {
			b.Run(fmt.Sprintf("%s/%d", m.Name, n), func(b *testing.B) {
				for b.Loop() {
					bringIn(b, &m, n)
				}
				b.ReportMetric(0, "ns/op") // the parts are what counts
			})
		}
	}
}

// bringIn imports the bundle into a new pipeline, makes the calls, and reports what each takes.
func bringIn(b *testing.B, m *workload.Malice, n int) {
	path := filepath.Join(b.TempDir(), "p.db")
	h, r := newHost(b, path), newReplica(b, path)
	all := workload.Bundle(m.Ops(n))
	ops := float64(bytes.Count(all, []byte("\n")))
	take := func(lines []byte) {
		if _, err := r.Import(b.Context(), bundle.NewReader(bytes.NewReader(lines)), nil); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(processorTime(b, func() { take(all) }).Microseconds())/ops, "import-µs/op")
	for _, c := range curveCalls {
		least := time.Duration(math.MaxInt64)
		for i := range 3 {
			args := c.args
			if bytes.Contains([]byte(args), []byte("%d")) {
				args = fmt.Sprintf(args, i+1)
			}
			least = min(least, processorTime(b, func() { h.ok(c.tool, args) }))
		}
		b.ReportMetric(float64(least.Microseconds())/1000, c.metric+"-ms")
	}
	if m.Then != nil {
		then := bundle.AppendLine(nil, m.Then(n))
		b.ReportMetric(float64(processorTime(b, func() { take(then) }).Microseconds())/1000, "then-ms")
	}
	rebuild := processorTime(b, func() {
		if err := r.Rebuild(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
	b.ReportMetric(float64(rebuild.Microseconds())/ops, "rebuild-µs/op")
	closeAll(b, r)
}

func closeAll(b *testing.B, r *replica.Replica) {
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
}

// processorTime returns what this process used of all processors during fn.
func processorTime(b *testing.B, fn func()) time.Duration {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	fn()
	return used() - before
}
