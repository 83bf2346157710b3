package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// syncFlags are the flags of sync.
type syncFlags struct {
	create bool
	merge  bool
	ssh    string
}

func syncCommand(opts *options) *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:   "sync HOST:DIR | DIR",
		Short: "Exchange all changes with another machine, over ssh",
		Long: `Bring this pipeline and that of the project in the folder DIR on HOST to the
same state: each gets the ops that it lacks. ssh runs huskies-mcp there, so HOST
is what ssh takes, and DIR begins in the home folder unless it begins with a
slash. Without HOST the folder is on this machine, such as a disk that is
carried around.

Afterwards the command says what was decided on both sides. It can be stopped at
any moment and run again.`,
		Example: `  huskies-mcp sync laptop:project
  huskies-mcp sync me@example.org:src/project --ssh 'ssh -p 2222'
  huskies-mcp sync /media/stick/project --create`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("give one HOST:DIR or DIR, the folder of the project there, such as huskies-mcp sync laptop:project")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			far, err := newFarSide(args[0], flags.ssh, opts)
			if err != nil {
				return err
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				if err := env.mayWrite(cmd); err != nil {
					return err
				}
				if err := far.isAnother(env.where.Path); err != nil {
					return err
				}
				return syncWith(cmd, env, far, flags)
			})
		},
	}
	cmd.Flags().BoolVar(&flags.create, "create", false, "make a pipeline on the side that has none")
	cmd.Flags().BoolVar(&flags.merge, "merge", false, "make one of two pipelines that were begun apart")
	cmd.Flags().StringVar(&flags.ssh, "ssh", "ssh", "the program that runs a command on HOST, with its arguments")
	return cmd
}

// isAnother returns an error if the far side is no folder, or is this pipeline. What is on another machine is found
// out there.
func (far *farSide) isAnother(here string) error {
	if far.host != "" {
		return nil
	}
	dir, err := filepath.Abs(far.dir)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(dir); {
	case err != nil:
		return fmt.Errorf("%w: give the folder of the project, or HOST:DIR for another machine", err)
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder: give the project's", phrase.Line(far.name))
	}
	there, err := placeOf(far.getenv, dir).Find("")
	if err != nil {
		return withName(err)
	}
	if there.Path == here || locate.SameFile(there.Path, here) {
		return fmt.Errorf("%s has the pipeline that is in use here, %s: give the folder of another copy of the project", phrase.Line(far.name), here)
	}
	return nil
}

// syncRun is one run of sync.
type syncRun struct {
	cmd   *cobra.Command
	env   *environment
	far   *farSide
	flags syncFlags
	// came and goes hold the bundles until the end.
	came, goes *os.File
	// theirs are the heads of the far side before the exchange. fresh says that there was no pipeline there.
	theirs []crdt.OpID
	fresh  bool
	// have is what was here before the exchange.
	have replica.Have
	// sides collects what was decided on each side.
	sides pipeline.Sides
	// notes are what this side said about the ops, as lines.
	notes []string
}

func syncWith(cmd *cobra.Command, env *environment, far *farSide, flags syncFlags) error {
	x := syncRun{cmd: cmd, env: env, far: far, flags: flags}
	for _, f := range []**os.File{&x.came, &x.goes} {
		file, remove, err := temporaryFile()
		if err != nil {
			return err
		}
		defer remove()
		*f = file
	}
	err := x.run(cmd.Context())
	if err != nil && cmd.Context().Err() != nil {
		return errors.New("interrupted. What was taken in until then is whole on both sides. To go on, run it again")
	}
	return err
}

// temporaryFile makes a file that is gone after remove, and on Unix also when the process is killed.
func temporaryFile() (f *os.File, remove func(), err error) {
	f, err = os.CreateTemp("", "huskies-sync-")
	if err != nil {
		return nil, nil, err
	}
	removed := os.Remove(f.Name()) == nil
	return f, func() {
		_ = f.Close()
		if !removed {
			_ = os.Remove(f.Name())
		}
	}, nil
}

// run does the whole exchange. Their ops come first: then this side knows their heads, and sends exactly what
// they lack.
func (x *syncRun) run(ctx context.Context) error {
	if err := x.look(ctx); err != nil {
		return err
	}
	if err := x.fetch(ctx); err != nil {
		return err
	}
	if err := x.checkRelated(); err != nil {
		return err
	}
	refused := x.takeIn(ctx)
	if refused != nil && ctx.Err() != nil {
		return refused
	}
	return errors.Join(refused, x.send(ctx), x.sayTwice(ctx))
}

// look finds out what both sides have.
func (x *syncRun) look(ctx context.Context) error {
	said, err := x.far.run(ctx, nil, nil, "heads")
	if err != nil {
		return err
	}
	if x.theirs, err = parseHeads(said.stdout); err != nil {
		return fmt.Errorf("%s printed %.80q instead of heads: see that the shell there prints nothing when it starts", phrase.Line(x.far.name), said.stdout)
	}
	x.fresh = strings.Contains(said.stderr, "there is no pipeline at ")
	if !x.env.exists() {
		if x.fresh {
			return fmt.Errorf("there is no pipeline at %s, and none at %s: begin one on either side, for instance with huskies-mcp add", x.env.where.Path, phrase.Line(x.far.name))
		}
		if !x.flags.create {
			return fmt.Errorf("there is no pipeline here, at %s (%s): to begin one with that of %s, repeat the command with --create", x.env.where.Path, x.env.where.Why, phrase.Line(x.far.name))
		}
	}
	if x.fresh && !x.flags.create {
		return fmt.Errorf("there is no pipeline at %s: give the folder of the project there, or --create to begin one in it with that of here", phrase.Line(x.far.name))
	}
	x.have, err = x.env.replica.Have(ctx)
	if errors.Is(err, replica.ErrIncomplete) {
		return fmt.Errorf("%w: run huskies-mcp doctor, which says what to do", err)
	}
	return err
}

// maxNamed bounds the ops that are named in the arguments of a command. More go by its standard input, which
// older builds do not know.
const maxNamed = 128

// fetch has the far side write what this one lacks into a file.
func (x *syncRun) fetch(ctx context.Context) error {
	if x.fresh {
		return nil
	}
	args, in := []string{"export"}, io.Reader(nil)
	names := make([]string, len(x.have.Since))
	for i, id := range x.have.Since {
		names[i] = id.String()
	}
	switch {
	case len(names) > maxNamed:
		args, in = append(args, "--since", "-"), strings.NewReader(strings.Join(names, "\n"))
	case len(names) > 0:
		args = append(args, "--since", strings.Join(names, ","))
	}
	_, err := x.far.run(ctx, in, x.came, args...)
	return err
}

// eachCame calls fn with the ops that came and can be read. Nothing is verified.
func (x *syncRun) eachCame(fn func(*crdt.Op)) error {
	if _, err := x.came.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bundle.NewReader(bufio.NewReader(x.came))
	for {
		signed, err := in.Next()
		var bad *bundle.LineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			continue // the import says what is wrong with it
		case err != nil:
			return err
		}
		if op, err := crdt.Decode(signed.Payload); err == nil {
			fn(op)
		}
	}
}

// checkRelated refuses to make one of two pipelines that have no op in common.
func (x *syncRun) checkRelated() error {
	if len(x.have.Known) == 0 || x.flags.merge {
		return nil
	}
	common, count := false, 0
	for _, head := range x.theirs {
		common = common || x.have.Known[head]
	}
	err := x.eachCame(func(op *crdt.Op) {
		count++
		common = common || x.have.Known[op.ID]
		for _, parent := range op.Parents { // left out by the far side, since it is known here
			common = common || x.have.Known[parent]
		}
	})
	if err != nil || common || count == 0 {
		return err
	}
	return fmt.Errorf("the pipelines here (%s) and at %s have nothing in common, so they may be of two projects: nothing was exchanged. If they are to become one, repeat the command with --merge", x.env.where.Path, phrase.Line(x.far.name))
}

// takeIn imports the bundle that came, and says so. The error says that ops were refused, or that the import ended.
func (x *syncRun) takeIn(ctx context.Context) error {
	if x.fresh {
		return nil
	}
	size, err := x.came.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return errors.Join(err, x.say("from", "nothing new"))
	}
	if _, err := x.came.Seek(0, io.SeekStart); err != nil {
		return err
	}
	progress, done := progressBar(x.cmd.ErrOrStderr(), size, "import", progressbar.OptionShowBytes(true))
	report, err := x.env.replica.Import(ctx, bundle.NewReader(bufio.NewReader(x.came)), progress)
	done()
	if err != nil {
		return fmt.Errorf("%w. Taken in until then: %s. To go on, run it again", err, importSummary(report))
	}
	if err := x.say("from", importSummary(report)); err != nil {
		return err
	}
	if report.Held > 0 {
		if err := x.sayHeldHere(ctx, report.Held); err != nil {
			return err
		}
		report.Held = 0
	}
	var notes strings.Builder
	err = imported(&notes, report)
	x.notes = strings.Split(notes.String(), "\n")
	_, writeErr := io.WriteString(x.cmd.ErrOrStderr(), notes.String())
	return errors.Join(err, writeErr, x.eachCame(func(op *crdt.Op) {
		if !x.have.Known[op.ID] {
			x.sides.There(op)
		}
	}))
}

// say prints a line about one direction.
func (x *syncRun) say(direction, text string) error {
	return printText(x.cmd, fmt.Sprintf("%s %s: %s\n", direction, phrase.Line(x.far.name), phrase.Line(text)))
}

// send has the far side import what it lacks, and says so.
func (x *syncRun) send(ctx context.Context) error {
	var authors authorSet
	out := bufio.NewWriter(x.goes)
	var line []byte
	report, err := x.env.replica.Export(ctx, x.theirs, func(op crdt.SignedOp) error {
		if !x.have.Known[op.ID] {
			return nil // it has just come from there
		}
		if plain, err := crdt.Decode(op.Payload); err == nil {
			x.sides.Here(plain)
			authors.add(plain.Author)
		}
		line = bundle.AppendLine(line[:0], op)
		_, err := out.Write(line)
		return err
	})
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	if len(line) == 0 {
		return errors.Join(damaged(report), x.say("to", "nothing new"))
	}
	if _, err := x.goes.Seek(0, io.SeekStart); err != nil {
		return err
	}
	args := []string{"import", "-"}
	if x.fresh {
		args = []string{"import", "--create", "-"}
	}
	said, err := x.far.run(ctx, x.goes, nil, args...)
	if said.stdout != "" {
		err = errors.Join(err, x.say("to", strings.Replace(said.stdout, "already here", "already there", 1)))
	}
	x.relay(said.stderr)
	if held(said.stdout) {
		x.sayHeldThere(ctx, authors)
	}
	return errors.Join(err, damaged(report))
}

// damaged says that rows of this side were not sent.
func damaged(report replica.ExportReport) error {
	report.Unknown = nil // what was written there meanwhile comes the next time
	return exported(io.Discard, report)
}

// relay prints what the far side noted of an import, but for what was noted here already.
func (x *syncRun) relay(said string) {
	here := map[string]bool{"": true}
	for _, note := range x.notes {
		here[note] = true
	}
	for line := range strings.Lines(said) {
		line = strings.TrimSuffix(line, "\n")
		kind, rest, ok := strings.Cut(line, ": ")
		if ok && (kind == "note" || kind == "refused") && !here[line] {
			fmt.Fprintf(x.cmd.ErrOrStderr(), "%s: at %s: %s\n", kind, phrase.Line(x.far.name), phrase.Line(rest))
		}
	}
}
