package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// BenchmarkProcesses has eight processes write in a loop by replica.Update, and eight others do the least that is durable and in
// turn: flock, BEGIN IMMEDIATE, INSERT of one row, COMMIT, with the same driver and settings, into the same table with the
// same index, in a database of its own. The row has the size of an op's; its bytes are random. The two take turns in short rounds,
// so that both meet the same noise.
//
// Metrics: x-of-bare is the rate of replica.Update by that of the bare loop; min/max the writes of the slowest process by those of the
// fastest; p99/p50 of the time of a write.
func BenchmarkProcesses(b *testing.B) {
	const processes, round = 8, 250 * time.Millisecond
	dir := b.TempDir()
	var updating, bare []*writer
	for i := range processes {
		updating = append(updating, startWriter(b, "update", filepath.Join(dir, "update.db"), i, 0))
	}
	writeAll(b, updating, round)
	size := payloadSize(b, filepath.Join(dir, "update.db"))
	for i := range processes {
		bare = append(bare, startWriter(b, "bare", filepath.Join(dir, "bare.db"), i, size))
	}
	writeAll(b, bare, round)
	for _, w := range slices.Concat(updating, bare) {
		w.times = nil // so far it was to warm up
	}
	for b.Loop() {
		writeAll(b, updating, round)
		writeAll(b, bare, round)
	}
	seconds := float64(b.N) * round.Seconds()
	of := func(writers []*writer) (perSecond, share, tail float64) {
		var all []time.Duration
		var counts []int
		for _, w := range writers {
			all = append(all, w.times...)
			counts = append(counts, len(w.times))
		}
		slices.Sort(all)
		return float64(len(all)) / seconds, float64(slices.Min(counts)) / float64(slices.Max(counts)),
			float64(all[len(all)*99/100]) / float64(all[len(all)/2])
	}
	rate, share, tail := of(updating)
	bareRate, bareShare, bareTail := of(bare)
	b.ReportMetric(rate, "writes/s")
	b.ReportMetric(rate/bareRate, "x-of-bare")
	b.ReportMetric(share, "min/max")
	b.ReportMetric(tail, "p99/p50")
	b.ReportMetric(bareShare, "bare-min/max")
	b.ReportMetric(bareTail, "bare-p99/p50")
}

// payloadSize returns how many bytes the payload of the last op has.
func payloadSize(b *testing.B, path string) (n int) {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT length(payload) FROM crdt_ops ORDER BY arrival DESC LIMIT 1").Scan(&n); err != nil {
		b.Fatal(err)
	}
	return n
}

// writer is a process that runs writeLoop.
type writer struct {
	stdin  io.WriteCloser
	stdout *bufio.Reader
	times  []time.Duration // of its writes
}

func startWriter(b *testing.B, args ...any) *writer {
	b.Helper()
	cmd := exec.Command("write-loop")
	for _, arg := range args {
		cmd.Args = append(cmd.Args, fmt.Sprint(arg))
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	w := &writer{stdin: stdin, stdout: bufio.NewReader(stdout)}
	if line, err := w.stdout.ReadString('\n'); err != nil || line != "ready\n" {
		b.Fatalf("writer says %q, %v", line, err)
	}
	return w
}

// writeAll has the writers write for one round.
func writeAll(b *testing.B, writers []*writer, round time.Duration) {
	b.Helper()
	var running sync.WaitGroup
	for _, w := range writers {
		running.Go(func() {
			var times []time.Duration
			fmt.Fprintln(w.stdin, round)
			line, err := w.stdout.ReadBytes('\n')
			if err == nil {
				err = json.Unmarshal(line, &times)
			}
			if err != nil {
				b.Error(err)
			}
			w.times = append(w.times, times...)
		})
	}
	running.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// writeLoop is the command write-loop KIND DATABASE NUMBER BYTES: for each duration that it reads it writes in a loop
// for so long, and prints how long each write took, in ns.
func writeLoop() {
	if err := runWriteLoop(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runWriteLoop(kind, path, number, size string) error {
	r := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	n := 0
	write := func() error {
		n++
		_, err := r.Update(context.Background(), "", func(tx *pipeline.Tx) error {
			_, _, err := tx.Write(number+"_story", pipeline.Changes{Stage: ptr(pipeline.Current), Name: ptr(fmt.Sprint("take ", n))})
			return err
		})
		return err
	}
	err := write() // also makes the tables for the other kind
	if err == nil && kind == "bare" {
		var bytes int
		if bytes, err = strconv.Atoi(size); err == nil {
			write, err = bareWrite(path, bytes)
		}
	}
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		round, err := time.ParseDuration(lines.Text())
		if err != nil {
			return err
		}
		times := []time.Duration{}
		for last, end := time.Now(), time.Now().Add(round); last.Before(end); {
			if err := write(); err != nil {
				return err
			}
			now := time.Now()
			times = append(times, now.Sub(last))
			last = now
		}
		if err := json.NewEncoder(os.Stdout).Encode(times); err != nil {
			return err
		}
	}
	return nil
}

// bareWrite returns a function that makes one row, with a payload of so many bytes, durable.
func bareWrite(path string, payload int) (func() error, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	_, _ = sqlite.OFDLocking(true)
	_, _ = sqlite.Fdatasync(true)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)&_dqs=0")
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	insert, err := conn.PrepareContext(ctx, "INSERT INTO crdt_ops (op_id, author, seq, payload, signature, received_at) VALUES (?, ?, ?, ?, ?, ?)")
	if err != nil {
		return nil, err
	}
	row := make([]byte, 32+payload+64)
	return func() error {
		_, _ = rand.Read(row)
		if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
			return err
		}
		defer func() { _ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) }() // keeps lock open
		if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
			return err
		}
		if _, err := insert.ExecContext(ctx, row[:32], row[:32], 1, row[32:32+payload], row[32+payload:], time.Now().UnixMilli()); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	}, nil
}
