package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"
)

// lineServer is a server that is asked line by line.
type lineServer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startLineServer(b *testing.B, db string) *lineServer {
	b.Helper()
	s := &lineServer{cmd: exec.Command("huskies-mcp", "--db", db, "--log-level", "warn")}
	s.cmd.Stderr = os.Stderr
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		s.out = bufio.NewReader(out)
		s.in, err = s.cmd.StdinPipe()
	}
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *lineServer) send(b *testing.B, tool, args string) {
	b.Helper()
	if _, err := io.WriteString(s.in, toolCall(1, tool, args)); err != nil {
		b.Fatal(err)
	}
}

var cursorInAnswer = regexp.MustCompile(`"structuredContent":.*?(?:"cursor":"([0-9.a-f]+)"|$)`)

// receive returns the cursor of the next answer, "" if that is of a write.
func (s *lineServer) receive(b *testing.B) string {
	b.Helper()
	line, err := s.out.ReadString('\n')
	match := cursorInAnswer.FindStringSubmatch(line)
	if err != nil || match == nil {
		b.Fatalf("got %q, %v", line, err)
	}
	return match[1]
}

// end ends the server and returns the CPU time it took.
func (s *lineServer) end(b *testing.B) time.Duration {
	b.Helper()
	s.in.Close()
	if err := s.cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()
}

// BenchmarkWaitForChange has one process wait and another write, now and then, half the time after so long that the one
// that waits counts as idle.
//
// Metrics: p50 and p99 of the time from the answer of the write to that of the wait, in ms.
func BenchmarkWaitForChange(b *testing.B) {
	db := filepath.Join(b.TempDir(), "x.db")
	waiter, writer := startLineServer(b, db), startLineServer(b, db)
	writer.send(b, "write_item", `{"story_id":"1_story","stage":"1_backlog"}`)
	writer.receive(b)
	writer.send(b, "list_items", `{}`)
	since := writer.receive(b)
	var times []time.Duration
	for n := 0; b.Loop(); n++ {
		waiter.send(b, "wait_for_change", fmt.Sprintf(`{"since":%q,"timeout_seconds":50}`, since))
		pause := rand.N(100 * time.Millisecond)
		if n%2 == 0 {
			pause += 4 * time.Second
		}
		time.Sleep(pause)
		writer.send(b, "write_item", fmt.Sprintf(`{"story_id":"1_story","name":"take %d"}`, n))
		writer.receive(b)
		start := time.Now()
		since = waiter.receive(b)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(times[len(times)/2]), "p50-ms")
	b.ReportMetric(ms(times[len(times)*99/100]), "p99-ms")
	b.ReportMetric(ms(times[len(times)-1]), "max-ms")
	waiter.end(b)
	writer.end(b)
}

// BenchmarkIdle is the CPU time of a server in which nothing happens but that a call waits, beside that of one that is not
// asked anything: one op is a second.
func BenchmarkIdle(b *testing.B) {
	db := filepath.Join(b.TempDir(), "x.db")
	waiter, idle := startLineServer(b, db), startLineServer(b, db)
	since := ""
	for _, s := range []*lineServer{idle, waiter} {
		s.send(b, "write_item", `{"story_id":"1_story","stage":"1_backlog"}`)
		s.receive(b)
		s.send(b, "list_items", `{}`)
		since = s.receive(b)
	}
	waits := func() { waiter.send(b, "wait_for_change", fmt.Sprintf(`{"since":%q,"timeout_seconds":50}`, since)) }
	waits()
	for n := 1; b.Loop(); n++ {
		time.Sleep(time.Second)
		if n%50 == 49 {
			waiter.receive(b)
			waits()
		}
	}
	seconds := b.Elapsed().Seconds()
	b.ReportMetric(100*idle.end(b).Seconds()/seconds, "%-idle")
	b.ReportMetric(100*waiter.end(b).Seconds()/seconds, "%-waiting")
}
