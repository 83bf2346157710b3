package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// backupPause is between a change that makes a backup due and the backup, so that the changes that
	// come with it are in it.
	backupPause = time.Minute
	// lastBackupWait bounds the wait of a session that ends for another that makes a backup, and
	// lastBackupTime the whole backup: a host that ends a server soon kills it.
	lastBackupWait = 2 * time.Second
	lastBackupTime = 10 * time.Second
)

// keeper makes backups by itself. All that fails is only logged.
type keeper struct {
	folder *backups.Folder
	cfg    oplog.Config // of the database
	level  slog.Level   // of what failed

	// position returns what the pipeline has reached.
	position func(context.Context) replica.Position

	wrote chan struct{} // has an element after a commit of this process
	dirty atomic.Bool   // something was written since the last backup of this process
}

// stateFolder returns the user's folder for state, "" if it is not known.
func stateFolder(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return dir // what is not absolute is to be ignored (XDG Base Directory Specification 0.8)
	}
	if dir := getenv("LOCALAPPDATA"); runtime.GOOS == "windows" && filepath.IsAbs(dir) {
		return dir
	}
	home := locate.HomeFolder(getenv)
	switch {
	case home == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support")
	case runtime.GOOS == "windows":
		return filepath.Join(home, "AppData", "Local")
	}
	return filepath.Join(home, ".local", "state")
}

// backupFolder returns the folder for the backups of the database at path, nil if nobody knows where
// this user's state is.
func backupFolder(getenv func(string) string, path string) *backups.Folder {
	state := stateFolder(getenv)
	if state == "" {
		return nil
	}
	return backups.Of(state, path)
}

// newKeeper returns the keeper that the options ask for, nil if it is to make no backups.
func newKeeper(cmd *cobra.Command, opts options, folder *backups.Folder) (*keeper, error) {
	off := opts.noBackup
	if value := opts.getenv("HUSKIES_NO_AUTO_BACKUP"); value != "" && !cmd.Flags().Changed("no-auto-backup") {
		var err error
		if off, err = strconv.ParseBool(value); err != nil {
			return nil, fmt.Errorf("HUSKIES_NO_AUTO_BACKUP must be 1 or 0; got %q", value)
		}
	}
	if off || folder == nil {
		return nil, nil
	}
	return &keeper{folder: folder, wrote: make(chan struct{}, 1), level: slog.LevelInfo}, nil
}

// reached returns the position that the pipeline has reached, the zero one if that cannot be told.
func (env *environment) reached(ctx context.Context) (at replica.Position) {
	_ = env.replica.View(ctx, func(v *replica.View) error {
		at = v.Position()
		return nil
	})
	return at
}

// noteWrite notes that something was written.
func (k *keeper) noteWrite() {
	k.dirty.Store(true)
	select {
	case k.wrote <- struct{}{}:
	default:
	}
}

// start makes backups in the background until stop is called.
func (k *keeper) start() (stop func()) {
	if k == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { k.run(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// run makes a backup when something was written and the newest is an hour old.
func (k *keeper) run(ctx context.Context) {
	for made := (replica.Position{}); ; {
		select {
		case <-k.wrote:
		case <-ctx.Done():
			return
		}
		for pause := max(backupPause, k.due()); pause > 0; pause = k.due() {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return
			}
		}
		at := k.position(ctx)
		if at == made && at != (replica.Position{}) {
			continue // only leases were written
		}
		if k.make(ctx, backups.Request{}) == nil {
			made = at
			continue
		}
		select { // what stood in the way will not be gone at the next change
		case <-time.After(backups.Interval):
		case <-ctx.Done():
			return
		}
	}
}

// due returns how long it is until the next backup, 0 if that is now. A backup from the future was made while the
// clock was wrong.
func (k *keeper) due() time.Duration {
	all, _ := k.folder.List() // if it cannot be read, the backup fails, and that is logged
	for _, b := range all {
		if age := time.Since(b.Made); age >= 0 {
			return max(0, backups.Interval-age)
		}
	}
	return 0
}

// end makes a backup at the end of a session or command that wrote, unless the database is large and
// has a backup from within the hour.
func (k *keeper) end() {
	if k == nil || !k.dirty.Load() || backups.DatabaseSize(k.folder.Database) > backups.SmallDatabase && k.due() > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastBackupTime)
	defer cancel()
	_ = k.make(ctx, backups.Request{Wait: lastBackupWait})
}

// clean notes that what was written needs no backup, since it came from one.
func (k *keeper) clean() {
	if k != nil {
		k.dirty.Store(false)
	}
}

// before makes a backup before a rebuild or a migration.
func (k *keeper) before(ctx context.Context) {
	_ = k.make(ctx, backups.Request{Wait: lastBackupWait, Before: true})
}

// make makes a backup. An error was logged.
func (k *keeper) make(ctx context.Context, ask backups.Request) error {
	k.dirty.Store(false)
	b, err := k.folder.Make(ctx, k.cfg, ask)
	switch {
	case err == nil:
		k.cfg.Logger.Debug("made a backup", "path", b.Path)
	case errors.Is(err, backups.ErrEmpty):
		err = nil
	case errors.Is(err, backups.ErrBusy):
		k.dirty.Store(true)
	case ctx.Err() == nil:
		k.dirty.Store(true)
		k.cfg.Logger.Log(ctx, k.level, "no backup was made by itself: see --no-auto-backup", "folder", k.folder.Path, "error", err)
	}
	return err
}

// close closes the replica, and makes the backup at the end.
func (env *environment) close() {
	env.hub.Close()
	_ = env.replica.Close()
	env.keeper.end()
}

// lostPipeline says that there are backups of the pipeline, though it is not there or empty. It is ""
// if there are none.
func (env *environment) lostPipeline() string {
	if env.backups == nil {
		return ""
	}
	all, err := env.backups.List()
	if err != nil || len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("there is a backup of this project's pipeline from %s: huskies-mcp restore --latest puts it back", describeBackup(all[0]))
}

// gone says what lostPipeline says if the database is missing or an empty file. Otherwise it is "".
func (env *environment) gone() string {
	if env.filled() {
		return ""
	}
	return env.lostPipeline()
}

// warnOfLoss says on the server's log that the pipeline is gone, if there is a backup of it.
func (env *environment) warnOfLoss() {
	if lost := env.gone(); lost != "" {
		env.logger.Warn("the pipeline is gone", "path", env.where.Path, "what_to_do", lost)
	}
}
