package main

import (
	"crypto/rand"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/replica"
)

// TestC36_DoctorSaysWhatStandsBeside: doctor names what stands where files and folders of ours belong, and hub
// goes on without what it cannot read.
func TestC36_DoctorSaysWhatStandsBeside(t *testing.T) {
	project, outside := hostileProject(t)
	db := filepath.Join(project, ".huskies", "pipeline.db")
	r := replica.New(replica.Config{Path: db, Now: time.Now, Rand: rand.Reader, Machine: machine(), Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	err := r.JoinHub(t.Context(), replica.Hub{Address: "127.0.0.1:1", Pipeline: "abcdefghijkl2", Replica: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	say := func(command string) string {
		cmd := exec.CommandContext(t.Context(), "huskies-mcp", command)
		cmd.Dir = project
		said, _ := cmd.CombinedOutput()
		return string(said)
	}
	for kind, put := range map[string]func(path string) error{
		"a symbolic link": func(path string) error { return os.Symlink(outside, path) },
		"a named pipe":    func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		for suffix, hub := range map[string]string{
			"-relay": "connected   no: open:", "-relay.json": "note: what the relay says of itself cannot be read",
			"-sessions": "hub   ", "-bell": "hub   ", "-bell/bell": "hub   ",
		} {
			t.Run(suffix+" is "+kind, func(t *testing.T) {
				path := db + suffix
				_ = os.RemoveAll(path)
				_ = os.MkdirAll(filepath.Dir(path), 0o700)
				if err := put(path); err != nil {
					t.Fatal(err)
				}
				defer os.Remove(path)
				if said := say("doctor"); !strings.Contains(said, "wrong  files: "+path+" is "+kind+", not a fi") && !strings.Contains(said, "wrong  files: "+path+" is "+kind+", not a fo") {
					t.Errorf("doctor says %s", said)
				}
				if said := say("hub"); !strings.Contains(said, hub) {
					t.Errorf("hub says %s, want %q", said, hub)
				}
			})
		}
	}
	if said := say("doctor"); strings.Contains(said, "files: ") {
		t.Errorf("at last doctor says %s", said)
	}
}
