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

	"github.com/huskies/huskies-mcp/pipeline"
)

// bareLog is what a durable write costs without us: one connection of the same
// driver with the same settings, on which a row as large as an op is inserted.
type bareLog struct {
	conn   *sql.Conn
	insert *sql.Stmt
}

func newBareLog(b *testing.B, path string) *bareLog {
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
	if _, err := conn.ExecContext(context.Background(), "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, payload BLOB NOT NULL) STRICT"); err != nil {
		b.Fatal(err)
	}
	insert, err := conn.PrepareContext(context.Background(), "INSERT INTO rows (payload) VALUES (?)")
	if err != nil {
		b.Fatal(err)
	}
	return &bareLog{conn, insert}
}

// bareRow is as many bytes as all columns of the row of an op that sets a name:
// ID, author, payload and signature.
var bareRow = make([]byte, 32+32+180+64)

func (l *bareLog) write(b *testing.B) {
	ctx := context.Background()
	if _, err := l.conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		b.Fatal(err)
	}
	_, _ = rand.Read(bareRow)
	if _, err := l.insert.ExecContext(ctx, bareRow); err != nil {
		b.Fatal(err)
	}
	if _, err := l.conn.ExecContext(ctx, "COMMIT"); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSequentialWrite is one durable write after the other, and as many bare
// ones in turn with them: one in the two kinds of turn, so that both meet the same
// noise.
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
		bare.write(b)
		ours += middle.Sub(start)
		theirs += time.Since(middle)
	}
	b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "µs/write")
	b.ReportMetric(float64(theirs.Microseconds())/float64(b.N), "µs/bare")
	b.ReportMetric(float64(ours)/float64(theirs), "xbare")
}

// BenchmarkGroupCommit is 16 calls in flight in one process, against one call
// after the other.
func BenchmarkGroupCommit(b *testing.B) {
	const inFlight, round = 16, 160
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
