package bell_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/replica/bell"
)

// patience is how long a test waits for what must happen at once.
const patience = 60 * time.Second

// look is how often a bell that is not watched wakes its listeners in tests of a bell that is
// watched. Only a system without watches left makes them need that.
const look = 500 * time.Millisecond

// TestEveryListenerHearsAnotherProcess: the writer makes the next generation only after all
// listeners have seen the one before, so that a single lost wake-up stops the test.
func TestEveryListenerHearsAnotherProcess(t *testing.T) {
	db := newDatabase(t)
	b := newBell(t, db)
	b.SetIntervals(look, time.Hour)
	writer := startProcess(t, "writer", db)
	const rounds, listeners = 300, 8
	seen := make(chan uint64, listeners)
	var waits sync.WaitGroup
	defer func() { b.Close(); waits.Wait() }()
	for range listeners {
		l := b.Subscribe()
		waits.Go(func() {
			for want := uint64(1); want <= rounds; want++ {
				for get(db) < want {
					if _, open := <-l.C(); !open {
						return // the test failed
					}
				}
				seen <- want
			}
		})
	}
	for want := uint64(1); want <= rounds; want++ {
		writer.send(1)
		for range listeners {
			if got := receive(t, seen); got != want {
				t.Fatalf("a listener saw generation %d, want %d", got, want)
			}
		}
	}
}

// TestRapidWriters: two processes write and ring as fast as they can while listeners come and go.
// Every listener hears of the last generation.
func TestRapidWriters(t *testing.T) {
	const writes = 5000
	dbs := []string{newDatabase(t), newDatabase(t)}
	bells := []*bell.Bell{newBell(t, dbs[0]), newBell(t, dbs[1])}
	for i, b := range bells {
		b.SetIntervals(look, time.Hour)
		startProcess(t, "writer", dbs[i]).send(writes)
	}
	var waits sync.WaitGroup
	defer func() { bells[0].Close(); bells[1].Close(); waits.Wait() }()
	for n := range 8 {
		waits.Go(func() {
			b, db := bells[n%2], dbs[n%2]
			for get(db) < writes {
				l := b.Subscribe()
				for range n {
					if get(db) == writes {
						break
					}
					if _, open := <-l.C(); !open {
						return // the test failed
					}
				}
				l.Close()
			}
		})
	}
	finish(t, waits.Wait)
}

// TestRingWakesItsOwnProcess: no file is needed for that, and every generation is seen.
func TestRingWakesItsOwnProcess(t *testing.T) {
	db := filepath.Join(t.TempDir(), "missing.db")
	b := newBell(t, db)
	b.SetIntervals(time.Hour, time.Hour)
	const rings = 2000
	var now atomic.Uint64
	var waits sync.WaitGroup
	for range 8 {
		l := b.Subscribe()
		waits.Go(func() {
			for now.Load() < rings {
				<-l.C()
			}
		})
	}
	for range rings {
		now.Add(1)
		b.Ring()
	}
	finish(t, waits.Wait)
	if _, err := os.Lstat(db + "-bell"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the bell of a database that does not exist: got %v, want none", err)
	}
}

// TestListenerOfAMissingDatabase: the listener makes nothing, and goes on with the bell as soon as
// another process has made the database.
func TestListenerOfAMissingDatabase(t *testing.T) {
	db := filepath.Join(t.TempDir(), "late.db")
	b := newBell(t, db)
	b.SetIntervals(5*time.Millisecond, time.Hour)
	l := b.Subscribe()
	eventually(t, "the listener waits for the database", func() bool { return errors.Is(b.Err(), fs.ErrNotExist) })
	for range 3 {
		receive(t, l.C())
	}
	if found, _ := filepath.Glob(db + "*"); len(found) > 0 {
		t.Fatalf("the listener made %v", found)
	}
	writeGeneration(t, db, 0)
	eventually(t, "the bell is watched", func() bool { return b.Err() == nil })
	hears(t, l, db, startProcess(t, "writer", db), 3)
}

// TestModes: the folder and the file are their owner's alone.
func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	db := newDatabase(t)
	b := newBell(t, db)
	b.Ring()
	b.Ring()
	for path, want := range map[string]fs.FileMode{db + "-bell": fs.ModeDir | 0o700, db + "-bell/bell": 0o600} {
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != want {
			t.Errorf("%s: got mode %v, want %v", path, info.Mode(), want)
		}
		if !info.IsDir() && info.Size() != 1 {
			t.Errorf("%s: got %d bytes, want 1", path, info.Size())
		}
	}
}

// TestFolderDeletedAndMadeAnew: a listener follows the bell to its new folder, whether the old one
// was deleted or renamed.
func TestFolderDeletedAndMadeAnew(t *testing.T) {
	db := newDatabase(t)
	b := newBell(t, db)
	b.SetIntervals(10*time.Millisecond, time.Hour)
	l := b.Subscribe()
	writer := startProcess(t, "writer", db)
	for _, remove := range []func() error{
		func() error { return os.RemoveAll(db + "-bell") },
		func() error { return os.Remove(db + "-bell/bell") },
		func() error { return os.Rename(db+"-bell", db+"-old") },
	} {
		for range 3 {
			hears(t, l, db, writer, 5)
			// The writer may be ringing still, and makes anew what is missing.
			eventually(t, "the folder is removed", func() bool { return remove() == nil })
			_ = os.RemoveAll(db + "-old")
		}
	}
	hears(t, l, db, writer, 5)
}

// TestObstacles: while the bell cannot be made or watched, listeners are woken by the clock, Ring
// fails nothing, and the log says so once. When the obstacle is gone the bell is watched.
func TestObstacles(t *testing.T) {
	type obstacle struct {
		name          string
		place, remove func(db string) error
	}
	obstacles := []obstacle{
		{
			"a file in place of the folder",
			func(db string) error { return os.WriteFile(db+"-bell", nil, 0o600) },
			func(db string) error { return os.Remove(db + "-bell") },
		},
		{
			"a link in place of the folder",
			func(db string) error {
				return errors.Join(os.Mkdir(db+"-else", 0o700), os.Symlink(db+"-else", db+"-bell"))
			},
			func(db string) error { return os.Remove(db + "-bell") },
		},
		{
			"a link in place of the file",
			func(db string) error {
				return errors.Join(os.Mkdir(db+"-bell", 0o700), os.WriteFile(db+"-else", nil, 0o600), os.Symlink(db+"-else", db+"-bell/bell"))
			},
			func(db string) error { return os.Remove(db + "-bell/bell") },
		},
		{
			"a folder in place of the file",
			func(db string) error { return os.MkdirAll(db+"-bell/bell", 0o700) },
			func(db string) error { return os.Remove(db + "-bell/bell") },
		},
	}
	if os.Getuid() > 0 { // root writes everywhere
		obstacles = append(obstacles, obstacle{
			"a read-only folder",
			func(db string) error { return os.Chmod(filepath.Dir(db), 0o500) },
			func(db string) error { return os.Chmod(filepath.Dir(db), 0o700) },
		})
	}
	for _, o := range obstacles {
		t.Run(o.name, func(t *testing.T) {
			db := newDatabase(t)
			if err := o.place(db); err != nil {
				t.Skip(err) // Windows may allow no links
			}
			t.Cleanup(func() { _ = o.remove(db) })
			stopsAndRecovers(t, db, o.remove)
		})
	}
}

// stopsAndRecovers checks the bell of TestObstacles.
func stopsAndRecovers(t *testing.T, db string, remove func(db string) error) {
	var log bytes.Buffer
	b := bell.New(db, slog.New(slog.NewTextHandler(&log, nil)))
	b.SetIntervals(5*time.Millisecond, time.Hour)
	b.Ring()
	b.Ring()
	if b.Err() == nil {
		t.Error("after Ring: got no error")
	}
	l := b.Subscribe()
	for range 5 {
		receive(t, l.C())
	}
	if b.Err() == nil {
		t.Error("after wake-ups by the clock: got no error")
	}
	if info, err := os.Stat(db + "-else"); err == nil && !info.IsDir() && info.Size() > 0 {
		t.Error("Ring wrote to a link's target")
	}
	if found, _ := os.ReadDir(db + "-else"); len(found) > 0 {
		t.Error("the bell was made in a link's target")
	}
	if err := remove(db); err != nil {
		t.Fatal(err)
	}
	b.Ring()
	eventually(t, "the bell is watched", func() bool { return b.Err() == nil })
	hears(t, l, db, startProcess(t, "writer", db), 3)
	finish(t, b.Close)
	if got := strings.Count(log.String(), "\n"); got != 2 {
		t.Errorf("got %d lines in the log, want one for Ring and one for the listener:\n%s", got, log.String())
	}
}

// TestSharedFileSystem: what other machines may change is looked at by the clock.
func TestSharedFileSystem(t *testing.T) {
	b := newBell(t, newDatabase(t))
	b.SetIntervals(5*time.Millisecond, time.Hour)
	b.PretendShared()
	l := b.Subscribe()
	for range 5 {
		receive(t, l.C())
	}
	if err := b.Err(); !errors.Is(err, bell.ErrShared) {
		t.Errorf("got error %v, want %v", err, bell.ErrShared)
	}
}

// TestSafetyNet: beside a watched bell listeners are woken by the clock, too.
func TestSafetyNet(t *testing.T) {
	b := newBell(t, newDatabase(t))
	b.SetIntervals(time.Hour, 5*time.Millisecond)
	l := b.Subscribe()
	for range 5 {
		receive(t, l.C())
	}
	if err := b.Err(); err != nil {
		t.Error(err)
	}
}

// TestCloseEndsAllWaits: of listeners that wait already and of those that come later.
func TestCloseEndsAllWaits(t *testing.T) {
	b := newBell(t, newDatabase(t))
	var waits sync.WaitGroup
	for range 8 {
		l := b.Subscribe()
		waits.Go(func() {
			for range l.C() { // until the channel is closed
			}
			l.Close()
		})
	}
	finish(t, b.Close)
	finish(t, waits.Wait)
	late := b.Subscribe()
	if _, open := <-late.C(); open {
		t.Error("a listener of a closed bell was woken, want closed")
	}
	late.Close()
	b.Ring()
	finish(t, b.Close)
}

// TestNothingRunsWithoutListeners: the last listener's Close ends what the first one's Subscribe
// began, and so does the bell's.
func TestNothingRunsWithoutListeners(t *testing.T) {
	db := newDatabase(t)
	before := runtime.NumGoroutine()
	idle := func() bool { return runtime.NumGoroutine() <= before }
	b := bell.New(db, slog.New(slog.DiscardHandler))
	for range 20 {
		one, two := b.Subscribe(), b.Subscribe()
		receive(t, one.C())
		one.Close()
		two.Close()
		two.Close()
	}
	eventually(t, "the goroutines of the listeners are gone", idle)
	var users sync.WaitGroup
	for range 8 {
		users.Go(func() {
			for range 50 {
				l := b.Subscribe()
				b.Ring()
				<-l.C()
				l.Close()
			}
		})
	}
	finish(t, users.Wait)
	b.Subscribe()
	b.Close()
	eventually(t, "the goroutines of the bell are gone", idle)
}
