package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/intake"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// bringIn brings in what a file or a folder holds: all of it in one transaction, or nothing.
func bringIn(cmd *cobra.Command, env *environment, agent string, flags *addFlags) error {
	src, err := sourceOf(cmd, flags.from)
	if err != nil {
		return err
	}
	list, err := untilToldToEnd(cmd, "read "+flags.from, func() (*intake.List, error) {
		return intake.Read(src, intake.Options{Format: intake.Format(flags.format), Drafts: flags.drafts, Archive: flags.archive})
	})
	if err != nil {
		return err
	}
	options := intake.PlanOptions{Slug: pipeline.Slug, SkipBad: flags.skipBad, Nested: flags.nested}
	if flags.dryRun {
		plan, err := env.planFor(cmd, list, options)
		if err != nil {
			return err
		}
		if err := printText(cmd, plan.Preview()); err != nil {
			return err
		}
		return plan.Err()
	}
	if !env.exists() { // nothing may be made for a plan that creates no story
		plan := intake.NewPlan(list, &intake.Index{}, options)
		if err := plan.Err(); err != nil {
			return err
		}
		if len(plan.Create) == 0 {
			return printBroughtIn(cmd, plan)
		}
	}
	plan, err := env.create(cmd, agent, list, options)
	if err != nil {
		return err
	}
	return printBroughtIn(cmd, plan)
}

// create makes the stories of a list that the pipeline does not have yet, all of them or none.
func (env *environment) create(cmd *cobra.Command, agent string, list *intake.List, options intake.PlanOptions) (plan *intake.Plan, err error) {
	err = env.replica.UpdateAll(cmd.Context(), agent, func(s *pipeline.State) (changes []func(*pipeline.Tx) error, err error) {
		if plan, err = newPlan(s, list, options); err == nil {
			err = plan.Err()
		}
		if err != nil {
			return nil, err
		}
		for i := range plan.Create {
			story := &plan.Create[i]
			changes = append(changes, func(tx *pipeline.Tx) error {
				if _, _, err := tx.Write(story.ID, story.Changes()); err != nil {
					return fmt.Errorf("nothing was brought in: %s: %w", story.At, err)
				}
				return nil
			})
		}
		return changes, nil
	})
	return plan, err
}

// planFor returns the plan for the pipeline as it is now, which may be none.
func (env *environment) planFor(cmd *cobra.Command, list *intake.List, options intake.PlanOptions) (plan *intake.Plan, err error) {
	if !env.exists() {
		return intake.NewPlan(list, &intake.Index{}, options), nil
	}
	err = env.replica.View(cmd.Context(), func(v *replica.View) (err error) {
		plan, err = newPlan(v.State, list, options)
		return err
	})
	return plan, err
}

// newPlan returns the plan for a pipeline. An error is that of reading the pipeline.
func newPlan(s *pipeline.State, list *intake.List, options intake.PlanOptions) (*intake.Plan, error) {
	var here intake.Index
	err := s.EachKnown(func(k pipeline.KnownStory) {
		if k.Visible {
			here.Add(k.ID, k.Notes...)
		} else {
			here.AddDeleted(k.ID, k.Notes...)
		}
	})
	if err != nil {
		return nil, err
	}
	return intake.NewPlan(list, &here, options), nil
}

// maxProblems bounds the warnings that are printed after work was brought in.
const maxProblems = 20

// printBroughtIn says what was brought in, and what was left out or became other than it was.
func printBroughtIn(cmd *cobra.Command, plan *intake.Plan) error {
	problems := make([]intake.Problem, 0, len(plan.Refused)+len(plan.Warnings))
	for _, p := range plan.Refused {
		problems = append(problems, intake.Problem{At: p.At, Text: "left out: " + p.Text})
	}
	problems = append(problems, plan.Warnings...)
	for _, p := range problems[:min(len(problems), maxProblems)] {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", phrase.Line(p.String()))
	}
	if more := len(problems) - maxProblems; more > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: and %d more; --dry-run shows more of them\n", more)
	}
	text := "added " + phrase.Count(len(plan.Create), "story", "stories")
	switch n := len(plan.Create); {
	case n == 1:
		text += ": " + plan.Create[0].ID
	case n == 0 && len(plan.Known)+len(problems) == 0:
		text += ": the source holds no list item, heading or row that could become one"
	case n > 1:
		text += fmt.Sprintf(": %s to %s", phrase.Label(plan.Create[0].ID), phrase.Label(plan.Create[n-1].ID))
	}
	if n := len(plan.Known); n > 0 {
		text += fmt.Sprintf("; %d in the pipeline already", n)
	}
	if n := len(plan.Refused); n > 0 {
		text += fmt.Sprintf("; %d left out", n)
	}
	return printText(cmd, text+"\n")
}

// sourceOf returns the file or the folder that a person named.
func sourceOf(cmd *cobra.Command, name string) (src intake.Source, err error) {
	src.Name = name
	if name != "-" {
		info, err := os.Stat(name)
		if err != nil {
			return src, fmt.Errorf("--from: %w: give the path of a file or a folder, or - for standard input", err)
		}
		if info.IsDir() {
			root, err := os.OpenRoot(name) // its links must not lead out of it
			if err != nil {
				return src, fmt.Errorf("--from: %w", err)
			}
			src.Folder = root.FS()
			return src, nil
		}
	}
	src.Data, err = readFile(cmd, name, intake.MaxSource)
	return src, err
}

// openRegular opens a file for reading. What is no regular file, such as a device, is refused unless it
// is a pipe, as of a shell's <(command).
func openRegular(name string) (*os.File, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("%w: give the path of a file, or - for standard input", err)
	}
	if info.IsDir() {
		return nil, fmt.Errorf("%s is a folder: give the path of a file, or - for standard input", name)
	}
	if !info.Mode().IsRegular() && info.Mode()&os.ModeNamedPipe == 0 {
		return nil, fmt.Errorf("%s is not a regular file: give the path of a file, or - for standard input", name)
	}
	return os.Open(name)
}
