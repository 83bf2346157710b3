package tools

import (
	"context"
	"slices"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxCompletions is the most values that the protocol allows in one answer.
const maxCompletions = 100

// CompleteResourceArgument completes the variable of the stories' template.
func (s *service) CompleteResourceArgument(ctx context.Context, _ string, arg mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	return s.complete(ctx, arg)
}

// CompletePromptArgument completes an argument of a prompt.
func (s *service) CompletePromptArgument(ctx context.Context, _ string, arg mcp.CompleteArgument, _ mcp.CompleteContext) (*mcp.Completion, error) {
	return s.complete(ctx, arg)
}

// complete completes an argument by its name, which means the same everywhere:
// values that begin with what was typed come first, then those that contain it.
func (s *service) complete(ctx context.Context, arg mcp.CompleteArgument) (*mcp.Completion, error) {
	var values []string
	err := s.view(ctx, func(p *replica.View) error {
		values = nil
		switch arg.Name {
		case "story_id":
			values = append(p.IDs(arg.Value, maxCompletions+1), p.IDsWith(arg.Value, maxCompletions+1)...)
		case "agent":
			values = p.Agents()
		case "stage", "to":
			for _, stage := range pipeline.Stages() {
				values = append(values, string(stage))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	typed := strings.ToLower(arg.Value)
	values = slices.DeleteFunc(values, func(v string) bool {
		return len(v) > crdt.MaxStoryID || !strings.Contains(strings.ToLower(v), typed) // longer names are no arguments
	})
	slices.Sort(values)
	values = slices.Compact(values)
	slices.SortStableFunc(values, func(a, b string) int {
		return rank(a, typed) - rank(b, typed)
	})
	c := &mcp.Completion{Values: []string{}, Total: len(values)}
	room := maxAnswerBytes - maxFrameBytes
	for _, v := range values {
		if room -= costOf(v) + 3; room < 0 || len(c.Values) == maxCompletions {
			break
		}
		c.Values = append(c.Values, clean(v))
	}
	c.HasMore = len(c.Values) < len(values)
	return c, nil
}

func rank(value, typed string) int {
	if strings.HasPrefix(strings.ToLower(value), typed) {
		return 0
	}
	return 1
}
