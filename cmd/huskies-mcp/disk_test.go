//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// insideNamespace is set where runInNamespace runs a test.
const insideNamespace = "HUSKIES_TEST_NAMESPACE"

// runInNamespace runs a test in a process of its own, in new namespaces in which
// it is the given user: there it may mount, or is somebody whom permissions
// stop, whoever runs the tests.
func runInNamespace(t *testing.T, flags uintptr, user int, name string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-test.run="+name, "-test.v")
	cmd.Env = append(os.Environ(), insideNamespace+"=yes")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  flags | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended), err == nil && !strings.Contains(string(out), "--- "):
		t.Errorf("%v\n%s", err, out)
	case err != nil:
		t.Skipf("this system lets nobody make a user namespace: %v", err)
	case strings.Contains(string(out), "--- SKIP"):
		t.Skipf("%s", out)
	}
	t.Logf("%s", out)
}

// mountDisk mounts a file system of that many KiB in a new folder.
func mountDisk(t *testing.T, kib int) (folder string) {
	t.Helper()
	folder = t.TempDir()
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, fmt.Sprintf("size=%dk", kib)); err != nil {
		t.Skipf("this system lets nobody mount in a user namespace: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return folder
}

// fill leaves that many KiB free on the disk that the folder is.
func fill(t *testing.T, folder string, free int) {
	t.Helper()
	filler := filepath.Join(folder, "filler")
	if err := os.Remove(filler); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil {
		t.Fatal(err)
	}
	size := int64(fs.Bavail)*int64(fs.Bsize) - int64(free)<<10
	if size < 0 {
		t.Fatalf("%d KiB cannot be left free", free)
	}
	if err := os.WriteFile(filler, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestC32_FullDisk: a real disk is filled until writes are refused, again and
// again, each time with a little more space left. Each refusal says what to do,
// reads go on in every process, what was acknowledged is there and what was
// refused is not; and with free space the next write works.
func TestC32_FullDisk(t *testing.T) {
	if os.Getenv(insideNamespace) == "" {
		runInNamespace(t, syscall.CLONE_NEWNS, 0, "^TestC32_FullDisk$")
		return
	}
	disk := mountDisk(t, 2048)
	db := filepath.Join(disk, "x.db")
	refusals := 0
	// refused checks the error of a write and tells whether the disk is full.
	refused := func(err error) bool {
		var said toolError
		if err == nil {
			return false
		}
		if !errors.As(err, &said) || !strings.Contains(err.Error(), "the disk is full: free some space") {
			t.Fatalf("a full disk: got %v", err)
		}
		refusals++
		return true
	}

	// A new pipeline on a full disk.
	for free := 0; ; free += 4 {
		fill(t, disk, free)
		s := startSession(t, db)
		_, err := s.call("write_item", arguments{"story_id": "1_first", "stage": "1_backlog"})
		s.end(t)
		if err == nil {
			break
		}
		var said toolError
		if !errors.As(err, &said) || !strings.Contains(err.Error(), "What to do:") && !strings.Contains(err.Error(), "free some space") {
			t.Fatalf("a new pipeline with %d KiB free: got %v", free, err)
		}
		if free > 1024 {
			t.Fatal(err)
		}
		refusals++
	}

	writer, reader := startSession(t, db), startSession(t, db)
	reader.pipelineText(t) // opens the file, so that reading needs no space any more
	acknowledged := []string{"1_first"}
	write := func() error {
		id := fmt.Sprintf("%d_story", len(acknowledged)+1)
		_, err := writer.call("write_item", arguments{"story_id": id, "stage": "1_backlog", "name": strings.Repeat("n", 200)})
		if err == nil {
			acknowledged = append(acknowledged, id)
		}
		return err
	}
	check := func(when string) {
		t.Helper()
		want := writer.pipelineText(t)
		for _, id := range acknowledged {
			if !strings.Contains(want, `"`+id+`"`) {
				t.Fatalf("%s: %s was acknowledged and is lost", when, id)
			}
		}
		if got := reader.pipelineText(t); got != want {
			t.Fatalf("%s: processes differ: %s", when, got)
		}
		if n := len(readLog(t, db)); n != len(acknowledged) { // a new process
			t.Fatalf("%s: %d ops on disk, want %d", when, n, len(acknowledged))
		}
	}
	for free := 0; free < 64; free += 4 {
		fill(t, disk, free)
		for !refused(write()) {
		}
		check("full")
		if !refused(write()) {
			check("full, and a small op found room")
		}
		if err := os.Remove(filepath.Join(disk, "filler")); err != nil {
			t.Fatal(err)
		}
		if err := write(); err != nil {
			t.Fatalf("with free space: %v", err)
		}
		check("with free space again")
	}
	t.Logf("%d writes acknowledged, %d refused", len(acknowledged), refusals)
}

// TestC32_Permissions: the scripts about permissions also run where root runs
// the tests, whom nothing stops.
func TestC32_Permissions(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("TestScripts runs them")
	}
	runInNamespace(t, 0, 1000, "^TestScripts$/^permissions")
}
