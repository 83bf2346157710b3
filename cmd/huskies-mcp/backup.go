package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
)

func backupCommand(opts *options) *cobra.Command {
	var withKey, force bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the pipeline's database, also while others write",
		Long: `Copy the pipeline's database as it is at one moment, also while others write.
FILE is a database again: it can be read with --db, and put in the place of one
that is lost. The private key is left out, so FILE may be kept where others can
read it; a pipeline restored from it signs with a fresh key, which other
replicas with a list of trusted authors must be told of. With --with-key a
pipeline restored to the same path goes on with its key: keep such a FILE as
secret as the database.

What was copied is verified. If the database is damaged, FILE is written as it
is, the first fault is named, and the exit code is 1; but a FILE that is there
already is left as it is then, also with --force: it may be the last good one.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("give one FILE to write the backup to")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error { return backup(cmd, env, args[0], withKey, force) })
		},
	}
	cmd.Flags().BoolVar(&withKey, "with-key", false, "copy the private key too")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite FILE")
	return cmd
}

func backup(cmd *cobra.Command, env *environment, path string, withKey, force bool) error {
	if !env.exists() {
		return env.errNoPipeline()
	}
	if err := checkBackupFile(path); err != nil {
		return err
	}
	var size int64
	var copied oplog.BackupReport
	err := env.writeFile(path, force, func(f *os.File) (last func(io.Writer, io.Reader) error, err error) {
		copied, err = backupTo(cmd.Context(), env, f.Name(), withKey)
		if err != nil {
			return nil, err
		}
		if _, err := os.Lstat(path); err == nil && len(copied.Damage) > 0 {
			return nil, fmt.Errorf("%s: %s may be a better copy and was left as it is. huskies-mcp verify says what to do; "+
				"to have a copy as the database is now, give another FILE", describeDamage(copied.Damage), path)
		}
		info, err := f.Stat()
		if err == nil {
			size = info.Size()
		}
		if copied.Keys != nil {
			last = copied.Keys.Copy
		}
		return last, err
	})
	switch {
	case cmd.Context().Err() != nil:
		return errors.New("interrupted: no backup was written")
	case errors.Is(err, oplog.ErrNoLog):
		return env.errNoPipeline()
	case errors.Is(err, oplog.ErrOutdated):
		return errors.New("the database is of an older build: huskies-mcp rebuild brings it up to date; then repeat the command")
	case err != nil:
		return err
	}
	key := "without the private key"
	if withKey {
		key = "with the private key: keep it secret"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s and %s in %s, %s\n", phrase.Count(int(copied.Ops), "op", "ops"), phrase.Count(int(size), "byte", "bytes"), path, key)
	if len(copied.Damage) > 0 {
		return fmt.Errorf("%s, and so is %s: keep the backups from before. huskies-mcp verify says what to do", describeDamage(copied.Damage), path)
	}
	return nil
}

// checkBackupFile returns an error if no backup can be made at path.
func checkBackupFile(path string) error {
	if path == "" || path == "-" {
		return fmt.Errorf("a backup is a database file: give the path of one to make; got %q", path)
	}
	for _, suffix := range []string{"-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return fmt.Errorf("%s%s is there, which would be taken for a part of the backup and ruin it: end what uses %s and remove its files, or give another FILE", path, suffix, path)
		}
	}
	return nil
}

// backupTo copies the database to a file. With its keys they are kept apart from that file.
func backupTo(ctx context.Context, env *environment, to string, withKey bool) (oplog.BackupReport, error) {
	if !withKey {
		return env.replica.Backup(ctx, to, false)
	}
	cfg := oplog.Config{Path: env.where.Path, Now: time.Now, Machine: machine(), Logger: env.logger, KeyHelp: phrase.ChangeKey, ReadOnly: env.offer.readOnly}
	report, err := oplog.BackupApart(ctx, cfg, to)
	if !errors.Is(err, oplog.ErrOutdated) || env.offer.readOnly {
		return report, err
	}
	if err := env.replica.BringUpToDate(ctx); err != nil {
		return report, err
	}
	return oplog.BackupApart(ctx, cfg, to)
}

// describeDamage names the first of what is damaged.
func describeDamage(damage []oplog.Finding) string {
	more := ""
	if n := len(damage) - 1; n > 0 {
		more = ", and " + phrase.Count(n, "more fault", "more faults")
	}
	return printable(fmt.Sprintf("the database is damaged (%s%s)", phrase.Finding(damage[0]), more))
}
