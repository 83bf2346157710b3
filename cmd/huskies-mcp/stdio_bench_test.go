package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	mcpserver "github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

// pipe is a server process and a client that makes one call after the other and looks at as little as possible.
type pipe struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	hello time.Duration // from exec to the answer to initialize
}

// build compiles a command the way it is shipped: the tests' own binary starts slower and is larger.
func build(b *testing.B, pkg string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "command")
	if out, err := exec.Command("go", "build", "-o", path, pkg).CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return path
}

func startPipe(b *testing.B, command string, args ...string) *pipe {
	b.Helper()
	p := &pipe{cmd: exec.Command(command, args...)}
	in, err := p.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	p.in, p.out = in, bufio.NewReader(out)
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.end(b) })
	p.ask(b, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`)
	p.hello = time.Since(start)
	return p
}

// end ends the server; a second time it does nothing.
func (p *pipe) end(b *testing.B) {
	b.Helper()
	if p.cmd.ProcessState != nil {
		return
	}
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		b.Errorf("%s ended with %v", p.cmd.Path, err)
	}
}

func (p *pipe) ask(b *testing.B, line string) string {
	b.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		b.Fatal(err)
	}
	answer, err := p.out.ReadString('\n')
	if err != nil || strings.Contains(answer, `"error"`) || strings.Contains(answer, `"isError":true`) {
		b.Fatalf("%s: got %q, %v", line, answer, err)
	}
	return answer
}

// call calls a tool, notes the time it took in times unless that is nil, and returns the structured answer.
func (p *pipe) call(b *testing.B, times *[]time.Duration, tool string, args arguments) json.RawMessage {
	b.Helper()
	line, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": map[string]any{"name": tool, "arguments": args}})
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	answer := p.ask(b, string(line))
	if times != nil {
		*times = append(*times, time.Since(start))
	}
	var reply struct {
		Result struct {
			StructuredContent json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	if err := json.Unmarshal([]byte(answer), &reply); err != nil {
		b.Fatal(err)
	}
	return reply.Result.StructuredContent
}

// quantile returns the q-th of the times, in µs.
func quantile(times []time.Duration, q float64) float64 {
	sorted := slices.Sorted(slices.Values(times))
	return float64(sorted[int(q*float64(len(sorted)-1))].Nanoseconds()) / 1000
}

// inTurn is how many calls of a kind are made before those of the other kinds, which meet the same noise so.
const inTurn = 50

// BenchmarkStdioRead is read_item by a trivial tool on the same transport, one call after the other, in turns.
func BenchmarkStdioRead(b *testing.B) {
	db := filepath.Join(b.TempDir(), "x.db")
	fillPipeline(b, db, 1000, 1000, 0)
	server, bare := startPipe(b, build(b, "."), "--db", db, "--log-level", "warn"), startPipe(b, build(b, "./testdata/bare"), "trivial")
	var read, trivial []time.Duration
	n := 0
	for b.Loop() {
		for range inTurn {
			n++
			server.call(b, &read, "read_item", arguments{"story_id": fmt.Sprintf("%d_story", 1+n%1000)})
		}
		for range inTurn {
			bare.call(b, &trivial, "trivial", nil)
		}
	}
	b.ReportMetric(quantile(read, 0.5), "read-µs")
	b.ReportMetric(quantile(trivial, 0.5), "trivial-µs")
	b.ReportMetric(quantile(read, 0.5)/quantile(trivial, 0.5), "x-of-trivial")
}

// BenchmarkStdioWrite is write_item, durable, in turns with a tool that makes a bare durable commit of one row of an op's
// size (flock, BEGIN IMMEDIATE, INSERT, COMMIT with synchronous=FULL) on the same transport (x-of-bare), and with a trivial
// tool and such a commit in a loop in this process (x-of-sum): in the loop caches are warm and no processor has slept.
func BenchmarkStdioWrite(b *testing.B) {
	dir := b.TempDir()
	db, other := filepath.Join(dir, "x.db"), filepath.Join(dir, "bare.db")
	fillPipeline(b, db, 1000, 1000, 0)
	fillPipeline(b, other, 1, 1, 0)
	payload := payloadSize(b, db)
	commit, err := bareWrite(other, payload)
	if err != nil {
		b.Fatal(err)
	}
	committer := startPipe(b, "bare-committer", other, strconv.Itoa(payload))
	server, bare := startPipe(b, build(b, "."), "--db", db, "--log-level", "warn"), startPipe(b, build(b, "./testdata/bare"), "trivial")
	var write, both, trivial, row []time.Duration
	n := 0
	for b.Loop() {
		for range inTurn {
			n++
			server.call(b, &write, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", 1+n%1000), "name": fmt.Sprint("take ", n)})
		}
		for range inTurn {
			committer.call(b, &both, "commit", nil)
		}
		for range inTurn {
			bare.call(b, &trivial, "trivial", nil)
		}
		for range inTurn {
			start := time.Now()
			if err := commit(); err != nil {
				b.Fatal(err)
			}
			row = append(row, time.Since(start))
		}
	}
	b.ReportMetric(quantile(write, 0.5), "write-µs")
	b.ReportMetric(quantile(trivial, 0.5), "trivial-µs")
	b.ReportMetric(quantile(row, 0.5), "commit-µs")
	b.ReportMetric(quantile(both, 0.5), "commit-call-µs")
	b.ReportMetric(quantile(write, 0.5)/quantile(both, 0.5), "x-of-bare")
	b.ReportMetric(quantile(write, 0.5)/(quantile(trivial, 0.5)+quantile(row, 0.5)), "x-of-sum")
}

// BenchmarkStdioClaim is claim_item, which finds the next story itself, by write_item, with 10,000 stories, in turns. The
// stories claimed are moved on, outside what is timed. All are in 1_backlog, or the first half of them in 5_done.
func BenchmarkStdioClaim(b *testing.B) {
	command := build(b, ".")
	for name, done := range map[string]int{"Backlog": 0, "HalfDone": 5000} {
		b.Run(name, func(b *testing.B) {
			db := filepath.Join(b.TempDir(), "x.db")
			fillPipeline(b, db, 10_000, 10_000, done)
			server := startPipe(b, command, "--db", db, "--log-level", "warn", "--agent", "coder-1")
			var claim, write []time.Duration
			n := 0
			for b.Loop() {
				for range inTurn {
					var won struct {
						Item struct {
							StoryID string `json:"story_id"`
						} `json:"item"`
						Claim string `json:"claim"`
					}
					if err := json.Unmarshal(server.call(b, &claim, "claim_item", arguments{}), &won); err != nil || won.Claim == "" {
						b.Fatalf("claimed %+v, %v", won, err)
					}
					server.call(b, nil, "advance_item", arguments{"story_id": won.Item.StoryID, "claim": won.Claim})
				}
				for range inTurn {
					n++
					server.call(b, &write, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", 10_000-n%1000), "name": fmt.Sprint("take ", n)})
				}
			}
			b.ReportMetric(quantile(claim, 0.5), "claim-µs")
			b.ReportMetric(quantile(write, 0.5), "write-µs")
			b.ReportMetric(quantile(claim, 0.5)/quantile(write, 0.5), "x-of-write")
		})
	}
}

// BenchmarkStdioWait is wait_for_change from when another process is asked to write until the answer, and the CPU time of a
// server in which a call waits, over 10 s.
func BenchmarkStdioWait(b *testing.B) {
	if !slices.Contains(tools.Names(), "wait_for_change") {
		b.Skip("there is no tool wait_for_change")
	}
	db := filepath.Join(b.TempDir(), "x.db")
	fillPipeline(b, db, 1000, 1000, 0)
	command := build(b, ".")
	waiter, writer := startPipe(b, command, "--db", db, "--log-level", "warn"), startPipe(b, command, "--db", db, "--log-level", "warn")
	var at struct {
		Cursor string `json:"cursor"`
	}
	look := func(answer json.RawMessage) {
		before := at.Cursor
		if err := json.Unmarshal(answer, &at); err != nil || at.Cursor == before {
			b.Fatalf("waited from %q to %q, %v", before, at.Cursor, err)
		}
	}
	look(waiter.call(b, nil, "list_items", arguments{"limit": 1}))
	var latency []time.Duration
	answered, n := make(chan time.Time), 0
	wait := func() {
		answer := waiter.call(b, nil, "wait_for_change", arguments{"since": at.Cursor, "timeout_seconds": 50})
		now := time.Now()
		look(answer)
		answered <- now
	}
	write := func() time.Time {
		n++
		start := time.Now()
		writer.call(b, nil, "write_item", arguments{"story_id": fmt.Sprintf("%d_story", 1+n%1000), "name": fmt.Sprint("take ", n)})
		return start
	}
	for b.Loop() {
		go wait()
		time.Sleep(time.Duration(5+n*7%41) * time.Millisecond) // until it waits
		start := write()
		latency = append(latency, (<-answered).Sub(start))
	}
	go wait()
	time.Sleep(time.Second)
	const idle = 10 * time.Second
	before := ticks(b, waiter.cmd.Process.Pid)
	time.Sleep(idle)
	cpu := ticks(b, waiter.cmd.Process.Pid) - before
	write()
	<-answered
	b.ReportMetric(quantile(latency, 0.5)/1000, "p50-ms")
	b.ReportMetric(quantile(latency, 0.99)/1000, "p99-ms")
	b.ReportMetric(100*cpu.Seconds()/idle.Seconds(), "idle-CPU-%")
}

// ticks returns the CPU time that a process has used (proc_pid_stat(5): utime and stime, in ticks of 10 ms).
func ticks(b *testing.B, pid int) (cpu time.Duration) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip(err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			b.Fatal(err)
		}
		cpu += time.Duration(n) * 10 * time.Millisecond
	}
	return cpu
}

// BenchmarkStdioStart is a server from exec to its answer to initialize, by mcp-go's own ServeStdio without tools, in turn, and
// what both have resident when they have answered and idle.
func BenchmarkStdioStart(b *testing.B) {
	db := filepath.Join(b.TempDir(), "x.db")
	fillPipeline(b, db, 100, 100, 0)
	command, bare := build(b, "."), build(b, "./testdata/bare")
	var hello, bareHello []time.Duration
	var resident, bareResident float64
	for b.Loop() {
		server := startPipe(b, command, "--db", db, "--log-level", "warn")
		server.call(b, nil, "list_items", nil)
		other := startPipe(b, bare)
		hello, bareHello = append(hello, server.hello), append(bareHello, other.hello)
		time.Sleep(20 * time.Millisecond)
		resident, bareResident = rss(b, server.cmd.Process.Pid), rss(b, other.cmd.Process.Pid)
		server.end(b)
		other.end(b)
	}
	b.ReportMetric(quantile(hello, 0.5)/1000, "initialize-ms")
	b.ReportMetric(quantile(hello, 0.5)/quantile(bareHello, 0.5), "x-of-bare")
	b.ReportMetric(resident, "MiB")
	b.ReportMetric(bareResident, "bare-MiB")
}

// rss returns what a process has resident, in MiB (proc_pid_status(5): VmRSS).
func rss(b *testing.B, pid int) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Skip(err)
	}
	_, value, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(value)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kb) / 1024
}

// bareCommitter is a server with one tool, which makes a bare durable commit in the database that the first argument names,
// of a row with a payload of as many bytes as the second says.
func bareCommitter() {
	payload, err := strconv.Atoi(os.Args[2])
	var commit func() error
	if err == nil {
		commit, err = bareWrite(os.Args[1], payload)
	}
	if err == nil {
		srv := mcpserver.NewMCPServer("bare", "1")
		srv.AddTool(mcp.Tool{Name: "commit", RawInputSchema: json.RawMessage(`{"type":"object"}`)},
			func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return mcp.NewToolResultText("ok"), commit()
			})
		err = stdio.Serve(context.Background(), srv, os.Stdin, os.Stdout, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
