package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/workload"
	"github.com/huskies/huskies-mcp/replica"
)

// prepare makes the pipeline of a size, unless an earlier run made it, and returns the
// path of its database, and how long the import took if it was made now.
func prepare(ctx context.Context, binary, dir string, s size) (path, imported string, err error) {
	folder := filepath.Join(dir, fmt.Sprintf("%d-%d", s.ops, s.stories))
	path = filepath.Join(folder, "p.db")
	if _, err := os.Stat(filepath.Join(folder, "done")); err == nil {
		return path, "", nil
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", "", err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", "", err
	}
	r := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.NewChaCha8([32]byte{1}), Logger: slog.New(slog.DiscardHandler)})
	defer r.Close()
	taking := time.Duration(0)
	var batch []crdt.SignedOp
	flush := func() error {
		waited := time.Now()
		_, err := r.Admit(ctx, batch)
		batch, taking = batch[:0], taking+time.Since(waited)
		return err
	}
	for _, signed := range workload.Ops(workload.Config{Seed: 1, Ops: s.ops, Stories: s.stories}) {
		if batch = append(batch, signed); len(batch) == 10_000 {
			if err := flush(); err != nil {
				return "", "", err
			}
		}
	}
	if err := flush(); err != nil {
		return "", "", err
	}
	if err := r.Close(); err != nil {
		return "", "", err
	}
	began := time.Now() // the file's home becomes here, which rebuilds the state
	if out, err := exec.CommandContext(ctx, binary, "--no-auto-backup", "--db", path, "call", "write_item", `{"story_id":"`+workload.StoryID(1)+`","note":"moved in"}`).CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("move in: %w: %s", err, out)
	}
	made := fmt.Sprintf("%.1f s; rebuild by the first write here: %.1f s", taking.Seconds(), time.Since(began).Seconds())
	return path, made, os.WriteFile(filepath.Join(folder, "done"), nil, 0o600)
}

// measurement measures one pipeline.
type measurement struct {
	ctx     context.Context
	binary  string
	path    string
	size    size
	order   []string
	figures map[string]string
}

func (m *measurement) put(name, value string) {
	m.order = append(m.order, name)
	m.figures[name] = value
}

func (m *measurement) all() error {
	for _, step := range []func() error{m.file, m.start, m.session} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (m *measurement) file() error {
	info, err := os.Stat(m.path)
	if err != nil {
		return err
	}
	m.put("database file", fmt.Sprintf("%.1f MB", float64(info.Size())/1e6))
	return nil
}

// start measures a new process up to the answer of its first read.
func (m *measurement) start() error {
	d, err := median(9, func() error {
		s, err := m.serve()
		if err != nil {
			return err
		}
		if _, err := s.call("read_item", map[string]any{"story_id": workload.StoryID(1)}); err != nil {
			return err
		}
		return s.close()
	})
	m.put("exec to first read_item (and exit)", milliseconds(d))
	return err
}

// session measures calls of one server, and its memory after them.
func (m *measurement) session() error {
	s, err := m.serve()
	if err != nil {
		return err
	}
	n := 0
	for _, c := range []struct {
		name, tool string
		args       func() map[string]any
	}{
		{"read_item", "read_item", func() map[string]any {
			n++
			return map[string]any{"story_id": workload.StoryID(1 + n*7919%m.size.stories)}
		}},
		{"list_items, 50", "list_items", func() map[string]any { return map[string]any{} }},
		{"list_items of an agent", "list_items", func() map[string]any { return map[string]any{"agent": "agent-3"} }},
		{"list_items, ready", "list_items", func() map[string]any { return map[string]any{"ready": true, "limit": 10} }},
		{"list_items, blocked", "list_items", func() map[string]any { return map[string]any{"blocked": true} }},
		{"query of two common words", "list_items", func() map[string]any { return map[string]any{"query": "be ba"} }},
		{"query of two rare words", "list_items", func() map[string]any { return map[string]any{"query": "zufu teka"} }},
		{"page of history", "read_item", func() map[string]any {
			n++
			return map[string]any{"story_id": workload.StoryID(1 + n*7919%m.size.stories), "history": 20}
		}},
		{"claim_item and release_item", "claim_item", nil},
		{"write_item (a note)", "write_item", func() map[string]any {
			n++
			return map[string]any{"story_id": workload.StoryID(1 + n*7919%m.size.stories), "note": fmt.Sprint("note ", n)}
		}},
	} {
		d, err := median(25, func() error {
			if c.args == nil {
				return s.claimAndRelease()
			}
			_, err := s.call(c.tool, c.args())
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		m.put(c.name, milliseconds(d))
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err == nil {
		for line := range strings.Lines(string(status)) {
			if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				m.put("memory of the server", strings.TrimSpace(text))
			}
		}
	}
	return s.close()
}

// session is a server and its client.
type session struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	id  int
}

func (m *measurement) serve() (*session, error) {
	cmd := exec.CommandContext(m.ctx, m.binary, "--no-auto-backup", "--db", m.path, "--log-level", "error", "--agent", "figures")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	s := &session{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 1<<20)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	_, err = s.request("initialize", map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": "figures", "version": "1"},
	})
	if err == nil {
		_, err = fmt.Fprintln(s.in, `{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	}
	return s, err
}

func (s *session) request(method string, params any) (map[string]any, error) {
	s.id++
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": s.id, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	if _, err := s.in.Write(append(b, '\n')); err != nil {
		return nil, err
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result map[string]any `json:"result"`
		Error  any            `json:"error"`
	}
	if err := json.Unmarshal(line, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil || answer.Result["isError"] == true {
		return nil, fmt.Errorf("%s: %.500s", method, line)
	}
	return answer.Result, nil
}

func (s *session) call(tool string, args map[string]any) (map[string]any, error) {
	result, err := s.request("tools/call", map[string]any{"name": tool, "arguments": args})
	if err != nil {
		return nil, err
	}
	out, _ := result["structuredContent"].(map[string]any)
	return out, nil
}

func (s *session) claimAndRelease() error {
	won, err := s.call("claim_item", map[string]any{})
	if err != nil || won["claimed"] != true {
		return err
	}
	item, _ := won["item"].(map[string]any)
	_, err = s.call("release_item", map[string]any{"story_id": item["story_id"]})
	return err
}

func (s *session) close() error {
	_ = s.in.Close()
	return s.cmd.Wait()
}
