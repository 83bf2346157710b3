package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// TestBackupsInTheBackground: a server that is written to all the time makes a backup an hour, and one
// that nobody writes to makes none.
func TestBackupsInTheBackground(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "p.db")
	synctest.Test(t, func(t *testing.T) {
		k := &keeper{folder: backups.Of(filepath.Join(dir, "state"), path), wrote: make(chan struct{}, 1), level: slog.LevelWarn}
		k.cfg = oplog.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: slog.New(slog.DiscardHandler)}
		r := replica.New(replica.Config{Path: path, Now: time.Now, Rand: rand.Reader, Logger: k.cfg.Logger, Wrote: k.noteWrite})
		defer r.Close()
		looks := 0
		k.position = func(ctx context.Context) (at replica.Position) {
			looks++
			_ = r.View(ctx, func(v *replica.View) error { at = v.Position(); return nil })
			return at
		}
		write := func(id string) {
			t.Helper()
			stage := pipeline.Backlog
			_, err := r.Update(t.Context(), "tester", func(tx *pipeline.Tx) error {
				_, _, err := tx.Write(id, pipeline.Changes{Stage: &stage})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		have := func(want int) {
			t.Helper()
			synctest.Wait()
			if all, err := k.folder.List(); err != nil || len(all) != want {
				t.Errorf("at %v there are %d backups, want %d (%v)", time.Now(), len(all), want, err)
			}
		}
		defer k.start()()
		have(0)
		write("1_s")
		have(0) // no call waits for it
		time.Sleep(2 * backupPause)
		have(1)
		write("2_s")
		time.Sleep(30 * time.Minute)
		write("3_s")
		have(1)
		time.Sleep(30 * time.Minute)
		have(2)
		time.Sleep(10 * time.Hour)
		have(2)
		before := looks
		k.noteWrite() // a lease was renewed
		time.Sleep(2 * backupPause)
		have(2)
		if looks != before+1 {
			t.Errorf("it looked %d times whether there is something to back up, want once", looks-before)
		}
		write("4_s")
		time.Sleep(2 * backupPause)
		have(3)
	})
}

// TestBackupFromTheFuture: a backup that was made while the clock was wrong keeps no other from being made.
func TestBackupFromTheFuture(t *testing.T) {
	k := &keeper{folder: backups.Of(t.TempDir(), "/p/.huskies/pipeline.db")}
	if err := os.MkdirAll(k.folder.Path, 0o700); err != nil {
		t.Fatal(err)
	}
	name := time.Now().AddDate(50, 0, 0).UTC().Format("20060102T150405.000Z") + "-1-1-00000000-00000000.db"
	if err := os.WriteFile(filepath.Join(k.folder.Path, name), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := k.folder.List(); err != nil || len(all) != 1 {
		t.Fatalf("got %v, %v", all, err)
	}
	if due := k.due(); due != 0 {
		t.Errorf("the next backup is due in %v, want now", due)
	}
}
