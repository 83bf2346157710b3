package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestProtocolVersions: one process speaks each version that clients ask for by
// initialize, and at the same time that of 2026-07-28, which comes with each
// request.
func TestProtocolVersions(t *testing.T) {
	db := filepath.Join(t.TempDir(), "p.db")
	for i, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		t.Run(version, func(t *testing.T) {
			c := startLines(t, db)
			hello := c.ask(1, "initialize", fmt.Sprintf(`{"protocolVersion":%q,"capabilities":{},"clientInfo":{"name":"t","version":"1"}}`, version))
			var agreed struct{ ProtocolVersion string }
			if err := json.Unmarshal(hello.Result, &agreed); err != nil || agreed.ProtocolVersion != version {
				t.Errorf("got %s", hello.raw)
			}
			c.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
			for n, meta := range []string{"", eraOfMeta + ","} {
				id := 10 * (n + 1)
				if m := c.ask(id, "tools/list", "{"+strings.TrimSuffix(meta, ",")+"}"); !strings.Contains(m.raw, `"name":"claim_item"`) {
					t.Errorf("got %.200s", m.raw)
				}
				m := c.ask(id+1, "tools/call", fmt.Sprintf(`{%s"name":"write_item","arguments":{"story_id":"%d_s","stage":"1_backlog","note":"by %s"}}`, meta, 10*i+n+1, version))
				if m.Error.Code != 0 || !strings.Contains(m.raw, `"structuredContent":{"item":{"story_id":`) {
					t.Errorf("got %s", m.raw)
				}
			}
		})
	}
}

// TestSignalsDrain: SIGTERM and SIGINT let what was accepted be answered, and the
// server ends well.
func TestSignalsDrain(t *testing.T) {
	for i := range 30 {
		signal := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT}[i%2]
		ctx, cancel := context.WithTimeout(context.Background(), hangGuard)
		cmd := exec.CommandContext(ctx, "huskies-mcp", "--db", filepath.Join(t.TempDir(), "p.db"), "--log-level", "error")
		inR, in, err := os.Pipe() // never closed before the server has ended
		if err != nil {
			t.Fatal(err)
		}
		outR, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdin, cmd.Stdout = inR, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		inR.Close()
		out.Close()
		fmt.Fprintln(in, `{"jsonrpc":"2.0","id":"w","method":"tools/call","params":{"name":"write_item","arguments":{"story_id":"1_s","stage":"1_backlog"}}}`)
		fmt.Fprintln(in, `{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{"name":"claim_item","arguments":{"agent":"a","stage":"3_qa","wait_seconds":50}}}`)
		fmt.Fprintln(in, `{"jsonrpc":"2.0","id":"p","method":"ping"}`)
		c := newLines(t, in, outR)
		seen := map[string]lineMessage{}
		for range 2 { // the ping was read after the calls; one may wait
			m := c.next()
			seen[string(m.ID)] = m
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		for c.lines.Scan() {
			var m lineMessage
			if err := json.Unmarshal(c.lines.Bytes(), &m); err != nil {
				t.Fatal(err)
			}
			m.raw = c.lines.Text()
			seen[string(m.ID)] = m
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: the server ended with %v", signal, err)
		}
		for _, id := range []string{`"w"`, `"c"`, `"p"`} {
			if m, ok := seen[id]; !ok || m.Error.Code != 0 || strings.Contains(m.raw, `"isError":true`) {
				t.Errorf("%v: the answer to %s is %q", signal, id, m.raw)
			}
		}
		in.Close()
		outR.Close()
		cancel()
	}
}
