package main

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
	"testing"
)

// forgetPeak makes this process small, and makes the system forget how large it was. A command that is
// started next has this process's memory until its exec, and the system counts that peak as the command's
// own. Without forgetPeak, each command seems to take at least what the tests before it took.
func forgetPeak(t *testing.T) {
	t.Helper()
	debug.FreeOSMemory()
	if runtime.GOOS == "linux" {
		if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil { // proc(5)
			t.Log("what commands take is counted with what this process took:", err)
		}
	}
}

// peakOf returns the most memory that an ended command took, in KiB, or 0 where the system does not tell, or the race detector
// takes memory of its own.
func peakOf(cmd *exec.Cmd) int64 {
	use, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok || underRace || runtime.GOOS != "linux" { // other systems count in other units
		return 0
	}
	return use.Maxrss
}

// TestPeakIsOfTheCommand: what this process took is not counted as a command's.
func TestPeakIsOfTheCommand(t *testing.T) {
	const large = 300 << 20
	use(large)
	forgetPeak(t)
	cmd := exec.CommandContext(t.Context(), "huskies-mcp", "version")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if peak := peakOf(cmd); peak<<10 >= large {
		t.Errorf("version took %d KiB, as much as this process before it", peak)
	}
}

// use takes memory, and leaves it to the garbage collector.
func use(size int) {
	memory := make([]byte, size)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	runtime.KeepAlive(memory)
}
