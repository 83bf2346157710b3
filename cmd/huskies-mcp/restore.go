package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/internal/cmdline"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
)

func restoreCommand(opts *options) *cobra.Command {
	var latest, yes bool
	cmd := &cobra.Command{
		Use:   "restore [FILE]",
		Short: "List the backups of the pipeline, and put one back",
		Long: `List the backups that huskies-mcp made by itself, show in what one of them
differs from the pipeline as it is now, ask, and put it back. Servers may run
meanwhile: they go on with what was put back. FILE is the name of a backup as
the list shows it, or the path of another file, such as huskies-mcp backup
writes. --latest takes the newest backup that differs from now.

It is said how old the backup is, and which stories and how many ops are taken
out. --latest --yes puts a backup back only if that takes out no op. To put back
another one, give its FILE.

What is replaced is backed up first, and its place is printed. The backup is
verified as verify does it before anything is changed. The pipeline keeps its
key, unless ops that the key signed are not in the backup. It keeps the list of
authors whom it trusts.

Other machines that have the ops which a restore takes out bring them back with
the next exchange.`,
		Example: `  huskies-mcp restore                  # lists the backups, and asks
  huskies-mcp restore --latest --yes   # after git clean -fdx
  huskies-mcp restore backup.db`,
		Args: cmdline.AtMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && latest {
				return errors.New("give a FILE or --latest, not both")
			}
			// The command itself says what changed.
			return withReplicaLogging(cmd, *opts, "error", func(env *environment) error {
				r := restoring{cmd: cmd, env: env, yes: yes, latest: latest}
				if err := env.mayWrite(cmd); err != nil {
					return err
				}
				file, err := r.choose(args, latest)
				if err != nil || file == "" {
					return err
				}
				return r.run(file)
			})
		},
	}
	cmd.Flags().BoolVar(&latest, "latest", false, "the newest backup that differs from now")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

// restoring is one run of restore.
type restoring struct {
	cmd *cobra.Command
	env *environment
	yes bool
	// latest says that nobody has chosen the backup.
	latest bool
	in     *bufio.Reader // of the terminal, nil before the first question
}

// choose returns the file that is to be put back, "" if the person chose none.
func (r *restoring) choose(args []string, latest bool) (string, error) {
	if len(args) > 0 {
		return r.fileNamed(args[0])
	}
	if r.env.backups == nil {
		return "", errors.New("the folder for backups is not known: set HOME or XDG_STATE_HOME, or give a FILE")
	}
	all, err := r.env.backups.List()
	if err != nil {
		return "", err
	}
	if len(all) == 0 {
		return "", fmt.Errorf("there is no backup of %s in %s. A backup from another place can be given as FILE", r.env.where.Path, r.env.backups.Path)
	}
	listed := r.compare(all)
	if latest {
		for _, c := range listed {
			if !c.same() {
				return c.Path, nil
			}
		}
		return "", errors.New("no backup differs from the pipeline as it is: nothing was changed")
	}
	printBackups(r.cmd.OutOrStdout(), r.env.backups, listed, r.canAsk())
	if !r.canAsk() {
		fmt.Fprintln(r.cmd.OutOrStdout(), "huskies-mcp restore FILE --yes puts back the one with that name, and --latest the newest that differs from now")
		return "", nil
	}
	answer := r.ask("Which one is to be put back? Its number, or Enter for none: ")
	if answer == "" {
		return "", nil
	}
	n, err := strconv.Atoi(answer)
	if err != nil || n < 1 || n > len(listed) {
		return "", fmt.Errorf("there is no backup %q: nothing was changed", answer)
	}
	return listed[n-1].Path, nil
}

// fileNamed returns the file that a person named: a path, or the name of a backup in the list. It
// returns an error if no pipeline can be restored from the file.
func (r *restoring) fileNamed(name string) (path string, err error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r.backupNamed(name)
	case err != nil:
		return "", err
	case info.IsDir():
		return "", fmt.Errorf("%s is a folder: give the FILE of a backup", name)
	case r.env.isDatabase(name):
		return "", fmt.Errorf("%s belongs to the database itself: give the FILE of a backup", name)
	}
	return name, nil
}

// backupNamed returns the path of the backup whose file has the name.
func (r *restoring) backupNamed(name string) (path string, err error) {
	if r.env.backups != nil {
		all, err := r.env.backups.List()
		if err != nil {
			return "", err
		}
		for _, b := range all {
			if filepath.Base(b.Path) == name {
				return b.Path, nil
			}
		}
	}
	if _, err := strconv.Atoi(name); err == nil {
		return "", fmt.Errorf("there is no file %s: the numbers of backups change, so give a name as huskies-mcp restore shows it", name)
	}
	return "", fmt.Errorf("there is no file %s, and no backup with that name: huskies-mcp restore without FILE shows the names", name)
}

// canAsk reports whether there is a person to be asked.
func (r *restoring) canAsk() bool {
	_, ok := terminalOf(r.cmd.InOrStdin())
	return ok
}

func (r *restoring) ask(question string) string {
	if r.in == nil {
		r.in = bufio.NewReader(answers{r.cmd})
	}
	fmt.Fprint(r.cmd.ErrOrStderr(), question)
	answer, err := r.in.ReadString('\n')
	if err != nil {
		return ""
	}
	return strings.TrimSpace(answer)
}

// run puts the backup back.
func (r *restoring) run(file string) error {
	if err := oplog.CreateFolder(r.env.where.Path); err != nil {
		return err
	}
	part, err := r.copyVerified(file)
	if err != nil {
		return err
	}
	defer part.remove()
	change, takenOut, err := r.whatChanges(part.path)
	if err != nil {
		return err
	}
	out := r.cmd.OutOrStdout()
	if _, err := io.WriteString(out, printable(change)); err != nil {
		return err
	}
	if r.latest && r.yes && takenOut > 0 {
		return fmt.Errorf("nothing was changed, since %s would be taken out: if that is meant, huskies-mcp restore %s --yes does it", phrase.Count(takenOut, "op", "ops"), phrase.Quoted(file))
	}
	if !r.yes {
		if !r.canAsk() {
			return errors.New("nothing was changed: --yes puts the backup back without a question")
		}
		if !isYes(r.ask("Put the backup back? [y/N] ")) {
			return errors.New("nothing was changed")
		}
	}
	hub, _, _ := r.env.replica.Hub(r.cmd.Context()) // a damaged database says nothing of it
	report, kept, err := r.replace(part.path)
	if kept.Path != "" {
		fmt.Fprintf(out, "What was there before is in %s\n", kept.Path)
	}
	if report.Aside != "" {
		fmt.Fprintf(out, "The damaged database, with its private key, is in %s\n", report.Aside)
	}
	if err != nil {
		return err
	}
	r.env.keeper.clean()
	fmt.Fprintf(out, "The pipeline is as it was in %s\n", file)
	switch {
	case report.FreshKey && hub != nil:
		fmt.Fprintln(out, "It signs with a fresh key from now on, which the hub does not know. So nothing is exchanged until huskies-mcp join with a new invitation")
	case report.FreshKey:
		fmt.Fprintf(out, "It signs with a fresh key from now on. Where other replicas keep a list of trusted authors, add it: huskies-mcp trust add %s\n", report.Author)
	}
	return nil
}

// replace puts the verified copy in the place of the pipeline. Kept is where the pipeline was backed
// up first, and has no path if there was nothing to back up.
func (r *restoring) replace(part string) (report oplog.RestoreReport, kept backups.Backup, err error) {
	const wait = 30 * time.Second // for another process that makes a backup
	cfg := r.env.databaseConfig()
	report, err = r.env.replica.Restore(r.cmd.Context(), part, func() (err error) {
		if r.env.backups == nil {
			return errors.New("what is there now cannot be backed up, since the folder for backups is not known: set HOME or XDG_STATE_HOME. Nothing was changed")
		}
		kept, err = r.env.backups.Make(r.cmd.Context(), cfg, backups.Request{Wait: wait, Before: true, AnySize: true})
		if errors.Is(err, backups.ErrEmpty) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("back up what is there now: %w. Nothing was changed", err)
		}
		return nil
	})
	return report, kept, err
}

// partCopy is a copy of a backup in the folder of the database.
type partCopy struct {
	path string
	lock *os.File
}

func (p *partCopy) remove() {
	_ = os.Remove(p.path) // fails once the file is the database
	_ = p.lock.Close()
}

// copyVerified copies the backup into the folder of the database, without its keys, and verifies the
// copy. What is read then is what is put in place, whatever becomes of the file.
func (r *restoring) copyVerified(file string) (*partCopy, error) {
	removeLeftovers(filepath.Dir(r.env.where.Path))
	f, err := createPart(r.env.where.Path)
	if err != nil {
		return nil, err
	}
	part := &partCopy{f.Name(), f}
	err = lockPart(f)
	if runtime.GOOS == "windows" {
		_ = f.Close() // no file that is open gets another name there
	}
	if err == nil {
		err = r.verifiedCopy(file, part.path)
	}
	if err != nil {
		part.remove()
		return nil, fmt.Errorf("%w. Nothing was changed", err)
	}
	return part, nil
}

func (r *restoring) verifiedCopy(file, part string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	cfg := r.env.databaseConfig()
	cfg.Path, cfg.ReadOnly = path, true
	report, err := oplog.Copy(r.cmd.Context(), cfg, part)
	switch {
	case errors.Is(err, oplog.ErrNoLog) || err == nil && report.Ops == 0:
		return fmt.Errorf("%s has no pipeline in it", file)
	case err != nil:
		return fmt.Errorf("read %s: %w", file, err)
	}
	var damage []oplog.Finding
	_, err = oplog.Verify(r.cmd.Context(), oplog.Verification{
		Path: part, Logger: slog.New(slog.DiscardHandler),
		Check: func(*crdt.Op) error { return nil },
		Found: func(f oplog.Finding) {
			if f.Damage() {
				damage = append(damage, f)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("verify %s: %w", file, err)
	}
	if len(damage) > 0 {
		return fmt.Errorf("%s is damaged (%s): take another backup, or save what can be read of it with huskies-mcp --db %s export --salvage BUNDLE", file, printable(phrase.Finding(damage[0])), phrase.Quoted(file))
	}
	return nil
}

// databaseConfig returns how package oplog opens the database.
func (env *environment) databaseConfig() oplog.Config {
	return oplog.Config{Path: env.where.Path, Now: time.Now, Machine: machine(), Logger: env.logger, ReadOnly: env.offer.readOnly}
}

// opIDs returns the ops in a database, none if it cannot be read.
func opIDs(ctx context.Context, path string) map[crdt.OpID]bool {
	ids, _ := oplog.OpIDs(ctx, oplog.Config{Path: path, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	return ids
}
