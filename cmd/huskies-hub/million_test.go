package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/relay"
)

// BenchmarkManyOps measures what a hub takes that ten replicas have sent very many ops: its memory when the window for
// duplicates is over, and how long it takes to start again. HUSKIES_OPS=1000000 makes it a million, which takes
// minutes.
func BenchmarkManyOps(b *testing.B) {
	ops := 20_000
	if text := os.Getenv("HUSKIES_OPS"); text != "" {
		var err error
		if ops, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	h := newHub(b)
	config, err := h.dir.open()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		began := time.Now()
		h.fillBy(b, config, 10, ops/10)
		b.ReportMetric(float64(ops)/time.Since(began).Seconds(), "ops/s")
		b.ReportMetric(h.memory(b), "MB-at-once")
		time.Sleep(relay.DuplicateWindow + memoryInterval + 15*time.Second)
		b.ReportMetric(h.memory(b), "MB-after-window")
		h.kill()
		b.ReportMetric(h.restart(b, config, ops).Seconds(), "s-start")
		b.ReportMetric(h.memory(b), "MB-after-start")
	}
}

// fillBy lets replicas send ops all at once.
func (h *testHub) fillBy(b *testing.B, config hubConfig, replicas, each int) {
	var all sync.WaitGroup
	for r := range replicas {
		all.Go(func() {
			conn, err := h.dir.connect()
			if err != nil {
				b.Error(err)
				return
			}
			defer conn.Close()
			js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(256))
			if err != nil {
				b.Error(err)
				return
			}
			for i := range each {
				msg := nats.NewMsg(relay.OpSubject(config.Pipeline, strings.Repeat("a", 64), fmt.Sprint("replica", r)))
				msg.Data = recordedMessage(fmt.Sprintf("%d %d", r, i), 400)
				msg.Header.Set(nats.MsgIdHdr, fmt.Sprintf("%064d", r*each+i))
				if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
					b.Error(err)
					return
				}
			}
			<-js.PublishAsyncComplete()
		})
	}
	all.Wait()
}

// restart starts the hub and returns how long it takes until it says how many ops it has.
func (h *testHub) restart(b *testing.B, config hubConfig, ops int) time.Duration {
	began := time.Now()
	h.start()
	conn, err := h.dir.connect()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		b.Fatal(err)
	}
	last, err := lastMessage(context.Background(), js, config.Pipeline)
	took := time.Since(began)
	if err != nil || last != uint64(ops) {
		b.Fatalf("the last message is %d, error %v, want %d", last, err, ops)
	}
	return took
}

// memory returns what the hub's process has in memory, in MB.
func (h *testHub) memory(b *testing.B) float64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.process.Process.Pid))
	if err != nil {
		b.Skip("no /proc here")
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(rest, &kb); err != nil {
		b.Fatal(err)
	}
	return kb / 1000
}
