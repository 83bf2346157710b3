package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
)

const (
	// lockLooks at lockPause: a holder for a moment is normal, also one after the
	// other.
	lockLooks = 11
	lockPause = 100 * time.Millisecond
)

// checkLock looks who holds the lock, and whether that goes on.
func (e *examination) checkLock(ctx context.Context) {
	if e.file.Lock.Info == nil {
		return // nobody can hold it
	}
	if link, err := os.Lstat(e.file.Lock.Path); err == nil && !link.Mode().IsRegular() {
		return // said with the paths
	}
	lock := oplog.NewLock(e.where.Path)
	var holder int
	var before string
	for i := range lockLooks {
		pid, held, err := lock.Holder()
		switch {
		case errors.Is(err, fs.ErrPermission) && e.foreign:
			return // said with the owner
		case err != nil:
			e.broken("lock", err)
			return
		case !held:
			e.ok("lock", "nobody holds it up")
			return
		case i > 0 && (pid != holder || e.writes() != before):
			e.ok("lock", "other processes are writing")
			return
		}
		holder, before = pid, e.writes()
		if i == lockLooks-1 || !pause(ctx, lockPause) {
			break
		}
	}
	path := phrase.Quoted(e.file.Lock.Path)
	switch {
	case holder == 0:
		var open []string
		for _, pid := range processesWith(e.file.Lock.Info) {
			open = append(open, processText(pid))
		}
		e.bad("lock", "find the process with 'fuser "+path+"' and end it", "a process holds it and did not write for a second, so nobody can; it is one of those that have the file open: %s", some(open))
	case processState(holder) == "T":
		e.bad("lock", fmt.Sprintf("kill -CONT %d (it goes on), or kill -KILL %d (nothing that was acknowledged is lost)", holder, holder),
			"%s holds it and is stopped, so nobody can write", processText(holder))
	default:
		e.bad("lock", fmt.Sprintf("wait if it is at work; if not: kill %d (nothing that was acknowledged is lost). If there is no such process: fuser %s", holder, path),
			"%s holds it and did not write for a second, so nobody can", processText(holder))
	}
}

// writes is another text after each write to the database.
func (e *examination) writes() (text string) {
	for _, path := range []string{e.file.Path, e.file.Path + "-wal", e.file.Path + "-journal"} {
		if info, err := os.Stat(path); err == nil {
			text += fmt.Sprint(info.Size(), info.ModTime().UnixNano(), " ")
		}
	}
	return text
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// processText names a process for people: its ID, and its command line where
// the system tells.
func processText(pid int) string {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	words := strings.TrimSpace(strings.ReplaceAll(string(line), "\x00", " "))
	if err != nil || words == "" {
		return fmt.Sprintf("process %d", pid)
	}
	return fmt.Sprintf("process %d (%.120s)", pid, words)
}

// processState returns the letter of proc_pid_stat(5), "" if it is not known: T
// is stopped.
func processState(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}

// checkProcesses says which other processes have the database open, where the
// system tells. One that is stopped in the middle of a read keeps the -wal file
// growing.
func (e *examination) checkProcesses() {
	if e.file.Database.Info == nil {
		return
	}
	var running []string
	for _, pid := range processesWith(e.file.Database.Info) {
		if processState(pid) == "T" {
			e.note("processes", fmt.Sprintf("kill -CONT %d, or kill %d", pid, pid), "%s has the database open and is stopped: if it was reading, the -wal file can only grow", processText(pid))
			continue
		}
		running = append(running, processText(pid))
	}
	if len(running) > 0 {
		e.ok("processes", "%s the database open: %s", phrase.Count(len(running), "other has", "others have"), list(running))
	}
}

// processesWith returns the IDs of the other processes that have the file open,
// as far as we may know.
func processesWith(file fs.FileInfo) (pids []int) {
	if runtime.GOOS != "linux" { // Wine shows Linux's /proc to a Windows program, which reads other paths there
		return nil
	}
	links, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil
	}
	for _, link := range links {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(link))))
		if err != nil || pid == os.Getpid() || slices.Contains(pids, pid) {
			continue
		}
		// A pipe or a terminal need not be asked, and the target's name is another
		// one in another mount namespace.
		if to, err := os.Readlink(link); err != nil || filepath.Base(to) != file.Name() {
			continue
		}
		if info, err := os.Stat(link); err == nil && os.SameFile(info, file) {
			pids = append(pids, pid)
		}
	}
	return pids
}
