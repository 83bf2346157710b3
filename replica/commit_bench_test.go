package replica_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"github.com/huskies/huskies-mcp/migrations"
	"github.com/huskies/huskies-mcp/pipeline"
)

// bareLog is what a durable write costs without us: one connection of the same driver that syncs in
// each commit. One row as large as an op is inserted into the op log's own table.
type bareLog struct {
	conn   *sql.Conn
	insert *sql.Stmt
	row    [32 + 32 + 180 + 64]byte
}

func newBareLog(b *testing.B, path string) *bareLog {
	b.Helper()
	return openBareLog(b, path, migrations.All()[0])
}

func openBareLog(b *testing.B, path, schema string) *bareLog {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	conn, err := db.Conn(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	if _, err := conn.ExecContext(context.Background(), schema); err != nil {
		b.Fatal(err)
	}
	insert, err := conn.PrepareContext(context.Background(), "INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at) VALUES (?, ?, ?, ?, ?, ?)")
	if err != nil {
		b.Fatal(err)
	}
	return &bareLog{conn: conn, insert: insert}
}

func (l *bareLog) write(b *testing.B, i int) {
	ctx := context.Background()
	_, _ = rand.Read(l.row[:])
	if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		b.Fatal(err)
	}
	if _, err := l.insert.ExecContext(ctx, l.row[:32], l.row[32:64], i+1, l.row[128:], l.row[64:128], i); err != nil {
		b.Fatal(err)
	}
	if _, err := l.conn.ExecContext(ctx, "COMMIT"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSequentialWrite is one durable write after the other, in turn with as many bare ones, so
// that both meet the same noise.
func BenchmarkSequentialWrite(b *testing.B) {
	folder := b.TempDir()
	path := filepath.Join(folder, "p.db")
	fill(b, path, 1001, 1000)
	r, bare := newReplica(b, path), newBareLog(b, filepath.Join(folder, "bare.db"))
	if _, err := read(b, r, "1_story_bench"); err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		write(b, r, fmt.Sprintf("%d_story_bench", 1+i%1000), pipeline.Changes{Name: ptr(fmt.Sprint("take ", i))})
		middle := time.Now()
		bare.write(b, i)
		ours += middle.Sub(start)
		theirs += time.Since(middle)
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/write")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "µs/bare")
	b.ReportMetric(float64(ours)/float64(theirs), "xbare")
}

// BenchmarkGroupCommit is 16 calls in flight in one process, against one call after the other.
func BenchmarkGroupCommit(b *testing.B) {
	const inFlight, round = 16, 1600
	path := filepath.Join(b.TempDir(), "p.db")
	fill(b, path, 1001, 1000)
	r := newReplica(b, path)
	if _, err := read(b, r, "1_story_bench"); err != nil {
		b.Fatal(err)
	}
	n := 0
	rename := func(i int) {
		write(b, r, fmt.Sprintf("%d_story_bench", 1+i%1000), pipeline.Changes{Name: ptr(fmt.Sprint("take ", i))})
	}
	var together, alone time.Duration
	for b.Loop() {
		start := time.Now()
		var callers sync.WaitGroup
		for c := range inFlight {
			callers.Go(func() {
				for i := range round / inFlight {
					rename(n + c*round/inFlight + i)
				}
			})
		}
		callers.Wait()
		middle := time.Now()
		for i := range round {
			rename(n + round + i)
		}
		together += middle.Sub(start)
		alone += time.Since(middle)
		n += 2 * round
	}
	b.ReportMetric(float64(together.Microseconds())/float64(b.N*round), "µs/write")
	b.ReportMetric(float64(alone.Microseconds())/float64(b.N*round), "µs/sequential")
	b.ReportMetric(float64(alone)/float64(together), "xsequential")
}

// BenchmarkBareContended is what BenchmarkContended costs without us: writers that queue by flock(2),
// each with a connection of its own, and insert one row a commit.
func BenchmarkBareContended(b *testing.B) {
	for _, writers := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(writers, "writers"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "bare.db")
			logs := []*bareLog{newBareLog(b, path)}
			for range writers - 1 {
				logs = append(logs, openBareLog(b, path, "SELECT 1"))
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, l := range logs {
				wg.Go(func() {
					lock := flock.New(path + ".lock")
					defer lock.Close()
					for n := i; n < b.N; n += writers {
						if err := lock.Lock(); err != nil {
							b.Error(err)
							return
						}
						l.write(b, n)
						if err := lock.Unlock(); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
