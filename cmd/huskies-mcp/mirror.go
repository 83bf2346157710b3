package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/export"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/mirror"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

func mirrorCommand(opts *options) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "mirror [DIR]",
		Short: "Write each story to a Markdown file, to read and review elsewhere",
		Long: `Bring a folder up to date in which each story is a file <stage>/<story_id>.md,
with its fields as YAML front matter, its description and its notes. Without DIR
that is the folder work beside the database in .huskies. Nothing reads the files
back: edits of them are ignored. A file that was edited, or that this command
did not write, stays as it is, and is named on standard error.

With --follow the command goes on, and brings the folder up to date after each
change of the pipeline, until it is ended.`,
		Example: `  huskies-mcp mirror
  huskies-mcp mirror docs/stories --follow`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("one DIR is enough; got %q", args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return withReplica(cmd, *opts, func(env *environment) error {
				dir, err := env.mirrorFolder(args)
				if err != nil {
					return err
				}
				return env.mirror(cmd, dir, follow)
			})
		},
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "go on, and bring the folder up to date after each change")
	return cmd
}

// mirrorFolder returns the folder of the mirror. A pipeline that is not in a folder .huskies has none of
// its own.
func (env *environment) mirrorFolder(args []string) (string, error) {
	beside := filepath.Dir(env.where.Path)
	switch {
	case len(args) == 1 && args[0] != "":
		return args[0], nil
	case len(args) == 0 && filepath.Base(beside) == locate.Folder:
		return filepath.Join(beside, "work"), nil
	}
	return "", fmt.Errorf("which folder? The database %s is not in a folder .huskies, which would have one for the mirror: give DIR", env.where.Path)
}

// mirrorPause is how long a mirror that follows rests after each run, so that a burst of changes is one run.
const mirrorPause = time.Second

// mirror brings the folder up to date, once or after each change until the context ends.
func (env *environment) mirror(cmd *cobra.Command, dir string, follow bool) error {
	ctx := cmd.Context()
	var told []mirror.Left
	for first := true; ; first = false {
		now, err := env.mirrorFiles(cmd)
		if err != nil {
			return err
		}
		report, err := updateMirror(ctx, dir, now.files)
		if err != nil {
			return fmt.Errorf("%w. What was written until then is whole, and the next run goes on", err)
		}
		if first || report.Written+report.Removed > 0 {
			if err := printText(cmd, mirrored(dir, report)); err != nil {
				return err
			}
		}
		if first || !slices.Equal(report.Left, told) {
			noteLeft(cmd, report.Left, now.notes)
		}
		if !follow {
			return nil
		}
		told = report.Left
		select {
		case <-time.After(mirrorPause):
		case <-ctx.Done():
		}
		if err := env.replica.Wait(ctx, now.position); ctx.Err() != nil {
			return nil // somebody has ended it
		} else if err != nil {
			return err
		}
	}
}

// mirrorState is the pipeline as the files of its stories.
type mirrorState struct {
	position replica.Position
	files    []mirror.File
	// notes say why a story may have no file.
	notes []string
}

func (env *environment) mirrorFiles(cmd *cobra.Command) (m mirrorState, err error) {
	var all []export.Story
	var missing pipeline.Gaps
	err = env.view(cmd, func(v *replica.View) (err error) {
		m.position, missing = v.Position(), v.Missing()
		all, err = wholeStories(v)
		return err
	})
	unknown := 0
	for i := range all {
		if !slices.Contains(pipeline.Stages(), all[i].Stage) {
			unknown++
			continue
		}
		m.files = append(m.files, mirror.Render(&all[i].Story, all[i].Notes))
	}
	if unknown > 0 {
		m.notes = append(m.notes, phrase.Count(unknown, "story is", "stories are")+" in stages that this build does not know, and without files")
	}
	if missing.Any() {
		m.notes = append(m.notes, phrase.Missing(missing, ""))
	}
	return m, err
}

// Bounds on waiting for another process that writes to the same folder.
const (
	mirrorRetry = 50 * time.Millisecond
	mirrorWait  = 10 * time.Second
)

// updateMirror updates the folder, and waits while another process does.
func updateMirror(ctx context.Context, dir string, files []mirror.File) (mirror.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, mirrorWait)
	defer cancel()
	for {
		report, err := mirror.Update(dir, files)
		if !errors.Is(err, mirror.ErrBusy) {
			return report, err
		}
		select {
		case <-time.After(mirrorRetry):
		case <-ctx.Done():
			return report, err
		}
	}
}

// mirrored says what a run did, in a line.
func mirrored(dir string, r mirror.Report) string {
	return fmt.Sprintf("%s in %s: %d written, %d removed\n", phrase.Count(r.Written+r.Current, "story", "stories"), phrase.Line(dir), r.Written, r.Removed)
}

// noteLeft names the files that were not touched, and says what else a reader of the folder should know.
func noteLeft(cmd *cobra.Command, left []mirror.Left, notes []string) {
	for _, l := range left[:min(len(left), maxProblems)] {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s is left as it is: %s\n", l.Name, l.Why)
	}
	if more := len(left) - maxProblems; more > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: and %d more\n", more)
	}
	if len(left) > 0 {
		notes = append(notes, "to have such a file written anew, move it away and run huskies-mcp mirror again")
	}
	for _, n := range notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", phrase.Line(n))
	}
}
