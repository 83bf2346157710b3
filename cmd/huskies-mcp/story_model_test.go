package main

import (
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/huskies/huskies-mcp/pipeline"
)

// storyState is a story as the model has it; the zero value is a story that is not there.
type storyState struct {
	Exists             bool
	Stage, Name, Agent string
	RetryCount         int
	Blocked            bool
	Reason             string
	DependsOn          string // numbers that no story has
	// Rev as an answer showed it. After a change that nobody heard of it is unknown, "", until an answer shows it.
	Rev string
}

// storyCall is the input of one operation: a tool call that is about one story. What is nil or zero is not given.
type storyCall struct {
	Tool, Story, IfRev string

	Stage, Name, Agent *string // write_item
	RetryCount         *int
	DependsOn          *[]int
	Blocked            *bool // also set_blocked
	Reason             *string
	By                 int // bump_retry
}

// storyAnswer is the output of one operation.
type storyAnswer struct {
	// Unanswered: the server was killed, so that the call may have had its effect or not.
	Unanswered bool
	Refused    refusal
	// Item is the story as the answer shows it, also that of a refusal.
	Item           shownItem
	Created        bool
	BlockedByLimit bool
}

// refusal is why a call was not done, as its error says.
type refusal string

const (
	done    refusal = ""
	absent  refusal = "there is no story"
	movedOn refusal = "has moved on"
)

// arguments are the call's as a client sends them.
func (c storyCall) arguments() arguments {
	args := arguments{}
	if c.Story != "" {
		args["story_id"] = c.Story
	}
	if c.IfRev != "" {
		args["if_rev"] = c.IfRev
	}
	if c.By != 0 {
		args["by"] = c.By
	}
	give(args, "stage", c.Stage)
	give(args, "retry_count", c.RetryCount)
	var empty []string // an argument that is empty is left out, so these fields are cleared by name
	for name, text := range map[string]*string{"name": c.Name, "agent": c.Agent} {
		if text != nil && *text == "" {
			empty = append(empty, name)
		} else {
			give(args, name, text)
		}
	}
	if c.DependsOn != nil && len(*c.DependsOn) == 0 {
		empty = append(empty, "depends_on")
	} else {
		give(args, "depends_on", c.DependsOn)
	}
	if len(empty) > 0 {
		args["clear"] = empty
	}
	give(args, "blocked", c.Blocked)
	give(args, "reason", c.Reason)
	return args
}

func give[T any](args arguments, name string, v *T) {
	if v != nil {
		args[name] = *v
	}
}

func (c storyCall) String() string {
	return fmt.Sprint(c.Tool, " ", c.arguments())
}

// after returns the story as the call leaves it, or why it is refused. Whether
// the rev is another one then is for the caller to see.
func (c storyCall) after(s storyState) (storyState, refusal) {
	switch {
	case c.IfRev != "" && !s.Exists:
		return s, absent
	case c.IfRev != "" && s.Rev != c.IfRev:
		return s, movedOn // also when it is unknown: then nobody has seen it to claim on it
	case !s.Exists && (c.Tool != "write_item" || c.Stage == nil):
		return s, absent
	}
	was := s
	switch c.Tool {
	case "write_item":
		s.Exists = true
		put(&s.Stage, c.Stage)
		put(&s.Name, c.Name)
		put(&s.Agent, c.Agent)
		put(&s.RetryCount, c.RetryCount)
		if c.DependsOn != nil {
			s.DependsOn = numbersText(*c.DependsOn)
		}
		if c.Blocked != nil && *c.Blocked != was.Blocked {
			s = s.block(*c.Blocked, "", c.RetryCount == nil)
		}
	case "set_blocked":
		reason := s.Reason
		put(&reason, c.Reason)
		s = s.block(*c.Blocked, reason, true)
	case "bump_retry":
		s.RetryCount += c.By
		if c.reachesLimit(was) {
			s = s.block(true, fmt.Sprintf("retry limit reached (%d of %d)", s.RetryCount, pipeline.DefaultMaxRetries), false)
		}
	}
	return s, done
}

func put[T any](field *T, v *T) {
	if v != nil {
		*field = *v
	}
}

func (s storyState) block(blocked bool, reason string, zeroRetries bool) storyState {
	if !blocked {
		reason = ""
	}
	s.Blocked, s.Reason = blocked, reason
	if !blocked && zeroRetries {
		s.RetryCount = 0
	}
	return s
}

// reachesLimit reports whether the call is the bump that blocks the story.
func (c storyCall) reachesLimit(s storyState) bool {
	return c.Tool == "bump_retry" && !s.Blocked && s.RetryCount+c.By >= pipeline.DefaultMaxRetries
}

// shows returns the state with the rev of the item if the item can show it; the item must have a rev of its own if
// the story has changed.
func (s storyState) shows(it shownItem, changed bool) []any {
	shown := storyState{
		Exists: true, Stage: it.Stage, Name: it.Name, Agent: it.Agent, RetryCount: it.RetryCount,
		Blocked: it.Blocked, Reason: it.BlockedReason, DependsOn: numbersText(it.DependsOn), Rev: it.Rev,
	}
	old := s.Rev
	s.Rev = it.Rev
	ready := s.Stage < "5_done" && s.Agent == "" && !s.Blocked && s.DependsOn == ""
	if shown != s || it.Rev == "" || it.Ready != ready || !slices.Equal(it.WaitingOn, it.DependsOn) || changed == (old == it.Rev) && old != "" {
		return nil
	}
	return []any{s}
}

// step returns the states in which the call can leave the story when it is answered so.
func (s storyState) step(c storyCall, a storyAnswer) []any {
	next, refused := c.after(s)
	changed := next != s
	switch {
	case a.Unanswered && refused == done && changed:
		next.Rev = ""
		return []any{s, next}
	case a.Unanswered:
		return []any{s}
	case a.Refused != refused:
		return nil
	case refused == absent:
		return []any{s}
	case refused == movedOn:
		return s.shows(a.Item, false)
	case a.Created != (next.Exists && !s.Exists) || a.BlockedByLimit != c.reachesLimit(s):
		return nil
	}
	return next.shows(a.Item, changed)
}

var hashSeed = maphash.MakeSeed()

// storyModel says how a pipeline's stories behave, each by itself. A call that was not answered may have had its effect
// or not.
func storyModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Partition: partitionByStory,
		Init:      func() []any { return []any{storyState{}} },
		Step: func(state, input, output any) []any {
			return state.(storyState).step(input.(storyCall), output.(storyAnswer))
		},
		Hash:              func(state any) uint64 { return maphash.Comparable(hashSeed, state.(storyState)) },
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%v -> %v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return m.ToModel()
}

func partitionByStory(history []porcupine.Operation) [][]porcupine.Operation {
	var ids []string
	parts := map[string][]porcupine.Operation{}
	for _, op := range history {
		id := op.Input.(storyCall).Story
		if parts[id] == nil {
			ids = append(ids, id)
		}
		parts[id] = append(parts[id], op)
	}
	var all [][]porcupine.Operation
	for _, id := range ids {
		all = append(all, parts[id])
	}
	return all
}

func (a storyAnswer) String() string {
	switch {
	case a.Unanswered:
		return "no answer"
	case a.Refused != done:
		return fmt.Sprintf("%s: %+v", a.Refused, a.Item)
	}
	return fmt.Sprintf("created %t, blocked by limit %t: %+v", a.Created, a.BlockedByLimit, a.Item)
}

func numbersText(numbers []int) string {
	return strings.Trim(fmt.Sprint(numbers), "[]")
}
