package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/intake"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

// addFlags are the flags of add.
type addFlags struct {
	// Of one story.
	kind        string
	depends     string
	stage       string
	description string

	// Of a file.
	from    string
	format  string
	dryRun  bool
	skipBad bool
	nested  bool
	drafts  bool
	archive bool
}

func addCommand(opts *options) *cobra.Command {
	var flags addFlags
	cmd := &cobra.Command{
		Use:   `add "NAME" | add --from FILE`,
		Short: "Add a story, or bring in the work of another tool",
		Long: `Add one story with the given name, or bring in all that a file or a folder
holds: Markdown lists and headings, CSV, JSON, JSON Lines, and the files of
beads, Backlog.md, task-master, GitHub (gh issue list --json) and huskies
itself.

A file is brought in whole or not at all. Its IDs are kept in notes, so that
bringing it in again adds only what is new. --dry-run shows what would be added.`,
		Example: `  huskies-mcp add "Fix the login" --type bug --depends 3,4
  huskies-mcp add --from TODO.md --dry-run
  gh issue list --json number,title,body,state,labels | huskies-mcp add --from -`,
		Args: func(_ *cobra.Command, args []string) error { return flags.checkArgs(args) },
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				if !flags.dryRun {
					if err := env.mayWrite(cmd); err != nil {
						return err
					}
					defer env.noteBeginning(cmd)()
				}
				if flags.from != "" {
					return bringIn(cmd, env, env.agent, &flags)
				}
				return addStory(cmd, env, env.agent, args[0], &flags)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.kind, "type", "", "type of the story: story, bug, spike or refactor")
	f.StringVar(&flags.depends, "depends", "", "numbers or IDs of the stories that come first, with commas between")
	f.StringVar(&flags.stage, "stage", string(pipeline.Backlog), "stage of the story")
	f.StringVarP(&flags.description, "description", "d", "", "FILE with the description in Markdown, - for standard input")
	f.StringVar(&flags.from, "from", "", "bring in this file or folder, - for standard input")
	f.StringVar(&flags.format, "format", "", "format of the file, where its name and content do not tell")
	f.BoolVar(&flags.dryRun, "dry-run", false, "show what would be brought in, and write nothing")
	f.BoolVar(&flags.skipBad, "skip-bad", false, "leave out broken rows and items that cannot become stories")
	f.BoolVar(&flags.nested, "nested", false, "let an item wait for the items under it")
	f.BoolVar(&flags.drafts, "drafts", false, "bring in the drafts of Backlog.md, too")
	f.BoolVar(&flags.archive, "archive", false, "bring in the archived tasks of Backlog.md, too")
	_ = cmd.RegisterFlagCompletionFunc("stage", completeStages)
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formatNames(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func formatNames() (names []string) {
	for _, f := range intake.Formats() {
		names = append(names, string(f))
	}
	return names
}

// checkArgs refuses arguments that do not say what to add.
func (f *addFlags) checkArgs(args []string) error {
	one := f.kind != "" || f.depends != "" || f.description != "" || f.stage != string(pipeline.Backlog)
	several := f.format != "" || f.dryRun || f.skipBad || f.nested || f.drafts || f.archive
	switch {
	case f.from != "" && len(args) > 0:
		return fmt.Errorf("give either the name of a story or --from, not both; got %q", args[0])
	case f.from != "" && one:
		return errors.New("--type, --depends, --stage and --description are for one story, and --from brings in what the file says: leave them out")
	case f.from == "" && several:
		return errors.New("--format, --dry-run, --skip-bad, --nested, --drafts and --archive go with --from FILE: give it, or leave them out")
	case f.from != "":
		return nil
	case len(args) != 1:
		return fmt.Errorf(`one name in quotes is wanted, such as huskies-mcp add "Fix the login"; got %d words`, len(args))
	case strings.TrimSpace(args[0]) == "":
		return errors.New(`the name is empty: say what is to be done, such as huskies-mcp add "Fix the login"`)
	}
	return nil
}

// addStory adds one story and says so.
func addStory(cmd *cobra.Command, env *environment, agent, name string, flags *addFlags) error {
	stage, err := stageOf(flags.stage)
	if err != nil {
		return err
	}
	c := pipeline.Changes{Stage: &stage, Name: &name}
	if flags.description != "" {
		text, err := readText(cmd, flags.description)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: -d takes the name of a file; with -d - the description comes from standard input", err)
		}
		if err != nil {
			return err
		}
		c.Description = &text
	}
	var depends []uint32
	if flags.depends != "" {
		if depends, err = env.numbersOf(cmd, flags.depends); err != nil {
			return err
		}
		c.DependsOn = &depends
	}
	number, err := env.hub.Number(cmd.Context())
	if err != nil {
		return err
	}
	var warnings []pipeline.Fact
	story, err := env.replica.Update(cmd.Context(), agent, func(tx *pipeline.Tx) error {
		tx.OfferNumber(number)
		id, err := tx.NewID(flags.kind, pipeline.Slug(name))
		if err != nil {
			return err
		}
		_, _, err = tx.Write(id, c)
		warnings = tx.Warnings()
		return err
	})
	if err != nil {
		return err
	}
	env.warn(cmd, append(warnings, story.Warnings...))
	return printText(cmd, fmt.Sprintf("added %s to %s\n", story.ID, story.Stage))
}

// warn says what a person who wrote may not have meant, and that other machines do not see it yet.
func (env *environment) warn(cmd *cobra.Command, warnings []pipeline.Fact) {
	env.warnUnsent(cmd)
	for _, w := range phrase.Warnings(warnings) {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", phrase.Line(w))
	}
}

// readText returns the text of a file, or of standard input for "-". A text that is too long for a
// description is refused by the rules of the pipeline.
func readText(cmd *cobra.Command, name string) (string, error) {
	data, err := readFile(cmd, name, crdt.MaxPayload)
	return strings.ReplaceAll(string(data), "\r\n", "\n"), err
}

// numbersOf returns the numbers of the stories that a person names, with commas between them. A
// number need not be that of a story yet.
func (env *environment) numbersOf(cmd *cobra.Command, names string) (numbers []uint32, err error) {
	var ids []string
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimPrefix(strings.TrimSpace(name), "#")
		if n, err := strconv.ParseUint(name, 10, 32); err == nil {
			numbers = append(numbers, uint32(n))
			continue
		}
		ids = append(ids, name)
	}
	if len(ids) == 0 {
		return numbers, nil
	}
	var found []uint32
	err = env.view(cmd, func(v *replica.View) error {
		found = nil
		for _, name := range ids {
			id, err := terminal.Resolve(v, name)
			if err != nil {
				return err
			}
			n, ok := pipeline.Number(id)
			if !ok {
				return fmt.Errorf("story %s has no number, so no other story can wait for it", id)
			}
			found = append(found, n)
		}
		return nil
	})
	return append(numbers, found...), err
}

// readFile returns what is in a file, or in standard input for "-", of at most so many bytes. A pipe to which
// nobody writes keeps a read waiting, so the read is given up when the command is told to end.
func readFile(cmd *cobra.Command, name string, most int64) ([]byte, error) {
	return untilToldToEnd(cmd, "read "+name, func() ([]byte, error) { return readAll(cmd.InOrStdin(), name, most) })
}

// untilToldToEnd returns what fn returns, or an error if the command is told to end before. Then fn goes on, so
// fn must change nothing.
func untilToldToEnd[T any](cmd *cobra.Command, doing string, fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := fn()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-cmd.Context().Done():
		var none T
		return none, fmt.Errorf("interrupted: %s. Nothing was changed", doing)
	}
}

// answers reads what a person types, until the command is told to end.
type answers struct{ cmd *cobra.Command }

func (a answers) Read(b []byte) (int, error) {
	text, err := untilToldToEnd(a.cmd, "wait for an answer", func() ([]byte, error) {
		own := make([]byte, len(b)) // a read that is given up goes on
		n, err := a.cmd.InOrStdin().Read(own)
		return own[:n], err
	})
	return copy(b, text), err
}

// readAll is readFile without an end before that of the file.
func readAll(in io.Reader, name string, most int64) ([]byte, error) {
	if name != "-" {
		f, err := openRegular(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d KiB, which is too much: shorten it, or split it", name, most>>10)
	}
	return data, nil
}
