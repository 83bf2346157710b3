package bell_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/replica/bell"
)

// The "database" of these tests is a file that holds a generation, a number that only grows.

// role is the variable that makes the test binary the other process of a test.
const role = "HUSKIES_BELL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "writer":
		runWriter(os.Args[1])
	case "echo":
		runEcho(os.Args[1], os.Args[2])
	default:
		os.Exit(m.Run())
	}
}

// runWriter reads numbers from its input. For each one it makes so many generations and rings
// after each.
func runWriter(db string) {
	b := bell.New(db, slog.New(slog.DiscardHandler))
	now := uint64(0)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var count int
		if _, err := fmt.Sscan(in.Text(), &count); err != nil {
			panic(err)
		}
		for range count {
			now++
			put(db, now)
			b.Ring()
		}
	}
}

// runEcho copies the generation of one database to another whenever it hears the first one's bell.
func runEcho(from, to string) {
	heard, rung := bell.New(from, slog.New(slog.DiscardHandler)), bell.New(to, slog.New(slog.DiscardHandler))
	heard.SetIntervals(look, time.Hour)
	l := heard.Subscribe()
	go func() {
		for last := uint64(0); ; <-l.C() {
			if now := get(from); now != last {
				put(to, now)
				rung.Ring()
				last = now
			}
		}
	}()
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test ends
}

// process is another process of a test.
type process struct {
	t  testing.TB
	in io.Writer
}

// startProcess starts the test binary in another role. The process ends with the test.
func startProcess(t testing.TB, as string, dbs ...string) process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, dbs...)
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the other process: %v", err)
		}
	})
	return process{t, in}
}

// send tells a writer to make so many generations.
func (p process) send(count int) {
	p.t.Helper()
	if _, err := fmt.Fprintln(p.in, count); err != nil {
		p.t.Fatal(err)
	}
}

func newDatabase(t testing.TB) string {
	t.Helper()
	db := filepath.Join(t.TempDir(), "test.db")
	writeGeneration(t, db, 0)
	return db
}

func newBell(t testing.TB, db string) *bell.Bell {
	b := bell.New(db, slog.New(slog.DiscardHandler))
	t.Cleanup(b.Close)
	return b
}

func writeGeneration(t testing.TB, db string, now uint64) {
	t.Helper()
	if err := os.WriteFile(db, binary.BigEndian.AppendUint64(nil, now), 0o600); err != nil {
		t.Fatal(err)
	}
}

// get returns the generation in the file. Eight bytes of one page need no lock.
func get(db string) uint64 {
	f, err := os.Open(db)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	var buf [8]byte
	if _, err := f.ReadAt(buf[:], 0); err != nil {
		panic(err)
	}
	return binary.BigEndian.Uint64(buf[:])
}

// put overwrites the generation in the file.
func put(db string, now uint64) {
	f, err := os.OpenFile(db, os.O_WRONLY, 0)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, now), 0); err != nil {
		panic(err)
	}
}

// hears checks that the listener hears the writer's next generations, one by one.
func hears(t *testing.T, l *bell.Listener, db string, writer process, rounds int) {
	t.Helper()
	for range rounds {
		before := get(db)
		writer.send(1)
		for get(db) == before {
			receive(t, l.C())
		}
	}
}

// receive returns the channel's next element.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// finish calls what must end.
func finish(t testing.TB, call func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { call(); close(done) }()
	receive(t, done)
}

// eventually waits until the condition is true.
func eventually(t testing.TB, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not so: %s", what)
		}
	}
}
