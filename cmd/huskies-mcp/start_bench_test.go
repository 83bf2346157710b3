package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// BenchmarkStart is a server process from exec to its answer to initialize, and to its first answer to read_item, with
// 100,000 ops over 10,000 stories in the log and with one story, in turn.
//
// Metrics: x-of-empty is the time to initialize by that with one story; more-cpu-ms the CPU time that the process takes more until
// read_item is answered and its input ends.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	empty, full := filepath.Join(dir, "empty.db"), filepath.Join(dir, "full.db")
	fillPipeline(b, empty, 1, 1, 0)
	fillPipeline(b, full, 10_000, 100_000, 0)
	var hello, cpu [2]time.Duration
	for b.Loop() {
		for i, db := range []string{empty, full} {
			h, c := startOnce(b, db)
			hello[i] += h
			cpu[i] += c
		}
	}
	n := time.Duration(b.N)
	b.ReportMetric(float64((hello[1]/n).Microseconds())/1000, "initialize-ms")
	b.ReportMetric(float64(hello[1])/float64(hello[0]), "x-of-empty")
	b.ReportMetric(float64(((cpu[1]-cpu[0])/n).Microseconds())/1000, "more-cpu-ms")
}

// startOnce starts a server, shakes hands, reads a story and ends the server.
func startOnce(b *testing.B, db string) (hello, cpu time.Duration) {
	b.Helper()
	cmd := exec.Command("huskies-mcp", "--db", db, "--log-level", "warn")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewReader(out)
	ask := func(line string) {
		if _, err := io.WriteString(in, line+"\n"); err != nil {
			b.Fatal(err)
		}
		if answer, err := lines.ReadString('\n'); err != nil || len(answer) < 100 {
			b.Fatalf("got %q, %v", answer, err)
		}
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ask(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)
	hello = time.Since(start)
	ask(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"read_item","arguments":{"story_id":"1_story"}}}`)
	if err := in.Close(); err != nil {
		b.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return hello, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// fillPipeline makes a database of so many stories and ops. The first stories are done, the others in the backlog.
func fillPipeline(b *testing.B, db string, stories, ops, done int) {
	b.Helper()
	r := replica.New(replica.Config{Path: db, Now: time.Now, Rand: rand.Reader, Machine: machine(), LockTimeout: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	var last *replica.Write
	for i := range ops {
		id, stage, name := fmt.Sprintf("%d_story", 1+i%stories), pipeline.Backlog, fmt.Sprint("A story for the benchmark, take ", i)
		if i%stories < done {
			stage = pipeline.Done
		}
		last = r.Submit("coder-1", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write(id, pipeline.Changes{Stage: &stage, Name: &name})
			return err
		})
		if i%1000 == 999 || i == 0 {
			if _, err := last.Wait(context.Background()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := last.Wait(context.Background()); err != nil {
		b.Fatal(err)
	}
}
