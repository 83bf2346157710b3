package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/replica"
)

func importCommand(opts *options) *cobra.Command {
	var create bool
	var keysFrom string
	cmd := &cobra.Command{
		Use:   "import [FILE | -]",
		Short: "Take in a bundle of signed ops from another machine",
		Long: `Verify the ops of a bundle that export wrote, append those that are new, and
apply them. Ops may come in any order and again. An op whose parents are missing
is kept and waits for them; one of an author who is not on the list of trusted
ones (see huskies-mcp trust) is kept and changes no story. If any op is refused,
the reasons are on standard error and the exit code is 1; the others are taken
in. With --create a pipeline is made where there is none.

With --create --keys-from OLD the new pipeline takes the place of OLD, a
database that is damaged or refused: it takes OLD's keys, their homes, the
decisions whom to trust and the leases, and signs as OLD did. FILE is then what
export --salvage wrote of OLD; without FILE there are no ops yet. Whoever made
OLD may know its keys: name no file that somebody gave you.`,
		Example: `  huskies-mcp import pipeline.bundle
  huskies-mcp import --create all.bundle`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case keysFrom != "" && !create:
				return errors.New("--keys-from makes a new pipeline: repeat the command with --create")
			case len(args) == 0 && keysFrom == "":
				return errors.New("which bundle? Give a FILE, or - for standard input")
			}
			return atMostOneFile(nil, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				return importBundle(cmd, env, strings.Join(args, ""), create, keysFrom)
			})
		},
	}
	cmd.Flags().BoolVar(&create, "create", false, "make a pipeline if there is none")
	cmd.Flags().StringVar(&keysFrom, "keys-from", "", "with --create: take keys, homes, trust and leases from this database")
	return cmd
}

// databaseMagic is what each SQLite database begins with
// (sqlite.org/fileformat2.html, 1.3.1).
const databaseMagic = "SQLite format 3\x00"

func importBundle(cmd *cobra.Command, env *environment, path string, create bool, keysFrom string) error {
	if err := env.mayWrite(cmd); err != nil {
		return err
	}
	var from *oplog.Legacy
	again := "import the bundle again"
	if keysFrom != "" {
		again = "move the new database away, and repeat the command"
		var err error
		if from, err = readLegacy(cmd, env, keysFrom); err != nil {
			return err
		}
	}
	// To open or to read what nobody writes to does not hear of a signal.
	stop := context.AfterFunc(cmd.Context(), func() {
		time.Sleep(interruptGrace)
		fmt.Fprintln(cmd.ErrOrStderr(), "huskies-mcp: interrupted. To go on, "+again)
		os.Exit(1)
	})
	defer stop()
	in, size, err := openBundle(cmd, path)
	if err != nil {
		return err
	}
	defer in.Close()
	buffered := bufio.NewReader(interruptible{cmd.Context(), in})
	if head, _ := buffered.Peek(len(databaseMagic)); string(head) == databaseMagic { // the next read meets an error again
		name, file := path, phrase.Quoted(path)
		if path == "-" {
			name, file = "standard input", "FILE"
		}
		return fmt.Errorf("%s is a database, not a bundle: write one from it with huskies-mcp --db %s export all.bundle, then import that", name, file)
	}
	if !create && !env.exists() {
		return fmt.Errorf("there is no pipeline at %s (%s), and import makes none by itself: to begin one with this bundle, repeat the command with --create; or name the one that is meant by --db", env.where.Path, env.where.Why)
	}
	progress, done := progressBar(cmd.ErrOrStderr(), size, "import", progressbar.OptionShowBytes(true))
	var report replica.ImportReport
	var damaged int
	if from != nil {
		report, damaged, err = env.replica.ImportLegacy(cmd.Context(), from, bundle.NewReader(buffered), progress)
	} else {
		report, err = env.replica.Import(cmd.Context(), bundle.NewReader(buffered), progress)
	}
	done()
	if err != nil && cmd.Context().Err() != nil {
		err = errors.New("interrupted")
	}
	if errors.Is(err, replica.ErrNoBundle) {
		return fmt.Errorf("nothing that huskies-mcp export wrote: %w", err)
	}
	var storage *oplog.Error
	if errors.As(err, &storage) && report.New+report.Known+report.Mended+report.Refused == 0 {
		return err // there is nothing to go on with
	}
	if err != nil {
		return fmt.Errorf("%w. Taken in until then: %s. To go on, %s", err, importSummary(report), again)
	}
	if from != nil {
		sayLegacy(cmd.ErrOrStderr(), keysFrom, from, damaged)
	}
	if path == "" {
		return nil
	}
	if _, err := fmt.Fprintln(cmd.OutOrStdout(), importSummary(report)); err != nil {
		return err
	}
	return imported(cmd.ErrOrStderr(), report)
}

// openBundle opens the bundle at path, or standard input, or with "" one without ops. The size is -1
// if nobody knows it.
func openBundle(cmd *cobra.Command, path string) (in io.ReadCloser, size int64, err error) {
	switch path {
	case "":
		return io.NopCloser(strings.NewReader("")), 0, nil
	case "-":
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	f, err := openRegular(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	if !info.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, info.Size(), nil
}

// interruptGrace is how long an import has after a signal to say what it took
// in. It may be ended at any moment without harm.
const interruptGrace = 2 * time.Second

// interruptible is a reader that ends with the context's error when that ends:
// a signal stops an import between two reads.
type interruptible struct {
	ctx context.Context
	r   io.Reader
}

func (r interruptible) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// importSummary says what became of the ops, in one line.
func importSummary(r replica.ImportReport) string {
	parts := []string{
		fmt.Sprint(r.New, " new"),
		fmt.Sprint(r.Known, " already here"),
		fmt.Sprint(r.Pending, " pending"),
		fmt.Sprint(r.Refused, " refused"),
	}
	if r.Held > 0 {
		parts = append(parts, fmt.Sprint(r.Held, " held"))
	}
	if r.Mended > 0 {
		parts = append(parts, fmt.Sprint(r.Mended, " mended"))
	}
	return strings.Join(parts, ", ")
}

// imported says what is to be done about what was not applied.
func imported(w io.Writer, r replica.ImportReport) error {
	if r.New+r.Known+r.Mended+r.Refused == 0 {
		fmt.Fprintln(w, "note: the bundle is empty")
	}
	if r.Pending > 0 {
		fmt.Fprintf(w, "note: %s for ops that are not here: import a bundle from a replica that has them\n", phrase.Count(r.Pending, "op waits", "ops wait"))
	}
	if r.Held > 0 {
		fmt.Fprintf(w, "note: %s of authors who are not trusted and change no story: see huskies-mcp trust list, and log --json for their keys\n", phrase.Count(r.Held, "op is", "ops are"))
	}
	for i := range r.Apart {
		fmt.Fprintf(w, "note: %s: %s\n", r.Apart[i].Story, printable(phrase.Warning(&r.Apart[i])))
	}
	for _, bad := range r.Refusals {
		where := "earlier"
		if bad.Line > 0 {
			where = fmt.Sprint("line ", bad.Line)
		}
		if !bad.ID.IsZero() {
			where += ", op " + bad.ID.Short()
		}
		fmt.Fprintf(w, "refused: %s: %s\n", where, printable(phrase.NotTaken(bad.Err)))
	}
	if more := r.Refused - len(r.Refusals); more > 0 {
		fmt.Fprintf(w, "refused: and %d more\n", more)
	}
	if r.Refused > 0 && r.New+r.Known+r.Mended == 0 {
		return fmt.Errorf("%s refused, so nothing was taken in. huskies-mcp add --from FILE brings in files that are no bundle", phrase.Count(r.Refused, "line was", "lines were"))
	}
	if r.Refused > 0 {
		return fmt.Errorf("%s refused; the others were taken in", phrase.Count(r.Refused, "line was", "lines were"))
	}
	return nil
}

// progressInterval is how often a progress bar is drawn.
const progressInterval = 100 * time.Millisecond

// progressBar shows on w, if that is a terminal, how much of size is done; size
// is -1 if nobody knows, and unit says what is counted. Done takes it away again.
func progressBar(w io.Writer, size int64, what string, unit progressbar.Option) (progress func(more int64), done func()) {
	f, ok := terminalOf(w)
	if !ok {
		return nil, func() {}
	}
	bar := progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(f),
		progressbar.OptionSetDescription(what),
		unit,
		progressbar.OptionFullWidth(),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionThrottle(progressInterval),
	)
	return func(more int64) { _ = bar.Add64(more) }, func() { _ = bar.Finish() }
}
