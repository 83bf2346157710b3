package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestC47_MemoryOfASession: whatever a client sends, a session takes a bounded amount of memory and
// answers each call.
func TestC47_MemoryOfASession(t *testing.T) {
	const long = 15 << 20
	// A session at rest takes 30 MiB. A message that is refused has 16 MiB at most and is not decoded. Its
	// buffer grows by doubling, and garbage is collected at twice what lives: 95 MiB were measured.
	const refused = 200
	// At most 64 MiB are in flight, which is twice as much before garbage is collected, and one message at a
	// time is decoded: 215 MiB were measured.
	const answered = 300
	for _, tt := range []struct {
		name  string
		meta  func() string // made when the session runs, so that it is not counted with it
		calls int
		most  int64 // MiB
		says  string
	}{
		{"long texts", func() string { return `"` + strings.Repeat("x", long) + `"` }, 12, answered, `"stages"`},
		{"escapes", func() string { return `"` + strings.Repeat(`\n`, long/2) + `"` }, 2, answered, `"stages"`},
		{"empty lists", func() string { return `[[]` + strings.Repeat(",[]", long/3) + `]` }, 2, refused, "send at most 1024 in one message"},
		{"members", func() string { return `{"0":0` + strings.Repeat(`,"0":0`, long/6) + `}` }, 2, refused, "send at most 1024 in one message"},
		{"lists in lists", func() string { return strings.Repeat("[", 9000) + strings.Repeat("]", 9000) }, 4, refused, "send at most 1024 in one message"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			forgetPeak(t)
			cmd, in, out := startRaw(t, os.Stderr, "--log-level", "error", "--db", filepath.Join(t.TempDir(), "x.db"))
			sent := make(chan error, 1)
			go func() {
				meta := tt.meta()
				for id := range tt.calls {
					if _, err := fmt.Fprintf(in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"list_items","_meta":{"x":%s}}}`+"\n", id, meta); err != nil {
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
			if peak := peakOf(cmd); peak > tt.most<<10 {
				t.Errorf("the session took %d KiB, want at most %d MiB", peak, tt.most)
			}
		})
	}
}
