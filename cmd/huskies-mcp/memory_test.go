package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestC47_MemoryOfASession: whatever a client sends, a session takes a bounded amount of memory and
// answers each call.
func TestC47_MemoryOfASession(t *testing.T) {
	const long = 15 << 20
	for _, tt := range []struct {
		name, meta string
		calls      int
		most       int64 // MiB
		says       string
	}{
		{"long texts", `"` + strings.Repeat("x", long) + `"`, 12, 300, `"stages"`},
		{"escapes", `"` + strings.Repeat(`\n`, long/2) + `"`, 2, 300, `"stages"`},
		{"empty lists", `[[]` + strings.Repeat(",[]", long/3) + `]`, 2, 200, "send at most 1024 in one message"},
		{"members", `{"0":0` + strings.Repeat(`,"0":0`, long/6) + `}`, 2, 200, "send at most 1024 in one message"},
		{"lists in lists", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), 4, 200, "send at most 1024 in one message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd, in, out := startRaw(t, os.Stderr, "--log-level", "error", "--db", filepath.Join(t.TempDir(), "x.db"))
			sent := make(chan error, 1)
			go func() {
				for id := range tt.calls {
					if _, err := fmt.Fprintf(in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_items","_meta":{"x":%s}}}`+"\n", id, tt.meta); err != nil {
						sent <- err
						return
					}
				}
				sent <- in.Close()
			}()
			for id := range tt.calls {
				line, err := out.ReadString('\n')
				if err != nil || !strings.Contains(line, tt.says) || !strings.Contains(line, fmt.Sprintf(`"id":%d,`, id)) {
					t.Fatalf("call %d is answered with %.300q, %v, want %q", id, line, err, tt.says)
				}
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
			if use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && use.Maxrss > tt.most<<10 {
				t.Errorf("the session took %d KiB, want at most %d MiB", use.Maxrss, tt.most)
			}
		})
	}
}
