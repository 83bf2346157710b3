package main

import (
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// What this file offers a shell is read without leaving a trace. Whatever fails offers nothing: a shell
// has no place for an error.

// maxCompletions bounds the stories that a shell is offered.
const maxCompletions = 50

// completeFrom returns what fn finds in the pipeline.
func completeFrom(cmd *cobra.Command, opts *options, fn func(*replica.View) ([]cobra.Completion, error)) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	quiet := *opts
	quiet.logLevel, quiet.readOnly = "error", true
	_ = withReplica(cmd, quiet, func(env *environment) error {
		return env.view(cmd, func(v *replica.View) (err error) {
			out, err = fn(v)
			return err
		})
	})
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}

// completeStories offers a shell stories with their names, for the first argument. Without anything typed
// they are the open ones, those in hand first, by their numbers. Else they are those whose numbers
// or IDs begin with what is typed.
func completeStories(opts *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeFrom(cmd, opts, func(v *replica.View) ([]cobra.Completion, error) { return storiesFor(v, typed) })
	}
}

// storiesFor returns the stories that a shell is offered for what is typed.
func storiesFor(v *replica.View, typed string) (out []cobra.Completion, err error) {
	var stories []pipeline.Story
	if typed == "" {
		open := []pipeline.Stage{pipeline.Current, pipeline.QA, pipeline.Merge, pipeline.Backlog}
		page, err := v.List(pipeline.Filter{Stages: open}, nil, maxCompletions)
		if err != nil {
			return nil, err
		}
		stories = page.Stories
	} else {
		for _, id := range v.IDs(typed, maxCompletions) {
			st, err := v.Story(id)
			if err != nil {
				return nil, err
			}
			stories = append(stories, st)
		}
	}
	_, isNumber := pipeline.NumberNamed(typed)
	count := map[string]int{}
	for i := range stories {
		count[phrase.Label(stories[i].ID)]++
	}
	for i := range stories {
		name := phrase.Label(stories[i].ID)
		if typed != "" && !isNumber || count[name] > 1 {
			name = stories[i].ID
		}
		out = append(out, cobra.CompletionWithDesc(name, phrase.Line(stories[i].Name)))
	}
	return out, v.Err()
}

// completeAgents offers a shell the agents that have stories.
func completeAgents(opts *options) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return completeFrom(cmd, opts, func(v *replica.View) (out []cobra.Completion, err error) {
			for _, agent := range v.Agents() {
				if line := phrase.Line(agent); line == agent { // another one cannot be typed
					out = append(out, agent)
				}
			}
			return out, v.Err()
		})
	}
}

// completeStages offers a shell the names of the stages.
func completeStages(*cobra.Command, []string, string) (out []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, stage := range pipeline.Stages() {
		out = append(out, string(stage))
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
}
