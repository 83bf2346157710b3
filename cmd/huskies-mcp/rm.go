package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxWaiting bounds the stories that rm names because they wait for what was deleted.
const maxWaiting = 5

func rmCommand(opts *options) *cobra.Command {
	d := deed{asks: true}
	cmd := &cobra.Command{
		Use:               "rm STORY",
		Short:             "Delete a story; undelete brings it back",
		Long:              `Delete a story. All that was written stays in it, and undelete brings it back.`,
		Args:              oneStory,
		ValidArgsFunction: completeStories(opts),
		RunE: func(cmd *cobra.Command, args []string) error {
			d.name = args[0]
			waiting := ""
			d.do = func(tx *pipeline.Tx, by doer) error {
				waiting = ""
				if ids, count := tx.Waiting(by.story, maxWaiting); count > 0 {
					waiting = "; " + phrase.Count(count, "story waits", "stories wait") + " for it now: " + strings.Join(ids, ", ")
				}
				_, err := tx.Delete(by.story)
				return err
			}
			d.said = func(before, _ pipeline.Story) string {
				return "is deleted" + waiting + ". huskies-mcp undelete " + before.ID + " brings it back"
			}
			return d.run(cmd, opts)
		},
	}
	d.addForce(cmd)
	return cmd
}

func undeleteCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "undelete STORY",
		Short: "Bring a deleted story back",
		Long:  `Bring a deleted story back as it was, with what was written into it meanwhile.`,
		Args:  oneStory,
		RunE: func(cmd *cobra.Command, args []string) error {
			d := deed{name: args[0], find: findDeleted}
			d.do = func(tx *pipeline.Tx, by doer) error {
				_, err := tx.Restore(by.story)
				return err
			}
			d.said = func(before, after pipeline.Story) string {
				if !before.Deleted {
					return "is not deleted"
				}
				return "is back, in " + string(after.Stage)
			}
			return d.run(cmd, opts)
		},
	}
}

// findDeleted returns the story with the ID, or the only deleted one with that number.
func findDeleted(v *replica.View, name string) (pipeline.Story, error) {
	if st, err := v.Story(name); err == nil {
		return st, nil
	}
	name = strings.TrimPrefix(name, "#")
	var ids []string
	err := v.EachKnown(func(k pipeline.KnownStory) {
		n, ok := pipeline.Number(k.ID)
		if !k.Visible && (k.ID == name || ok && strconv.FormatUint(uint64(n), 10) == name) {
			ids = append(ids, k.ID)
		}
	})
	switch {
	case err != nil:
		return pipeline.Story{}, err
	case len(ids) == 0:
		return pipeline.Story{}, fmt.Errorf("no story %s is deleted: huskies-mcp log shows what was", name)
	case len(ids) > 1:
		return pipeline.Story{}, fmt.Errorf("several deleted stories have the number %s: give the whole ID of one, such as %s", name, strings.Join(ids[:2], " or "))
	}
	return pipeline.Story{ID: ids[0], Deleted: true}, nil
}
