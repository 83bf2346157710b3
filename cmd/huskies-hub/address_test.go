package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestTakenAddress: a hub whose address another program has ends at once, and names the address.
func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	_, port, _ := net.SplitHostPort(taken)
	alone, node := newFolder(t, ""), newFolder(t, "")
	command(t, "init", string(alone.dir))
	command(t, "init", string(node.dir), "--nodes", node.address+"/"+port+",127.0.0.1:1,127.0.0.1:2")
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", string(alone.dir), "--addr", taken}, "the hub cannot listen at " + taken + " (bind: "},
		{[]string{"serve", string(node.dir), "--addr", node.address}, "the hub cannot listen at " + taken + " (bind: "},
	} {
		began := time.Now()
		var errs bytes.Buffer
		if code := run(test.args, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), test.want) {
			t.Errorf("%v: exit code %d, %q, want 1 and %q", test.args, code, errs.String(), test.want)
		}
		if took := time.Since(began); took > startTimeout/2 {
			t.Errorf("%v: it took %v", test.args, took)
		}
	}
	if _, err := os.Stat(alone.dir.path("store")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a hub that could not listen made a store: %v", err)
	}
}
