package tools

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

const (
	// defaultTimeout is for how many seconds wait_for_change waits. Some hosts end a
	// call after 60 s, and 50 is the most one may ask for.
	defaultTimeout = 30
	// maxChanged bounds the stories of one answer.
	maxChanged = 50
)

type waitForChangeIn struct {
	Since          string          `json:"since" jsonschema_description:"cursor of any answer"`
	StoryID        *string         `json:"story_id,omitempty"`
	Stage          *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"stories that are in it, came or left"`
	TimeoutSeconds *int            `json:"timeout_seconds,omitempty" jsonschema:"minimum=0,maximum=50,default=30"`
}

type waitForChangeOut struct {
	Changed bool           `json:"changed"`
	Changes []changedStory `json:"changes"`
	More    bool           `json:"more,omitempty"`
	Reset   bool           `json:"reset,omitempty"`
	Message string         `json:"message,omitempty"`
	position
}

// changedStory is a story that changed, as it is now, and all that changed.
type changedStory struct {
	StoryID string   `json:"story_id"`
	Name    string   `json:"name,omitempty"`
	Stage   string   `json:"stage,omitempty"`
	Agent   string   `json:"agent,omitempty"`
	Deleted bool     `json:"deleted,omitempty"`
	Changed []string `json:"changed"`
	By      string   `json:"by,omitempty"`
	At      string   `json:"at,omitempty"`
}

var waitForChange = define(definition[waitForChangeIn, waitForChangeOut]{
	name:        "wait_for_change",
	title:       "Wait for a change",
	description: "Wait until anything, or the given story or stage, has changed since a cursor. Go on with the cursor of the answer.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in waitForChangeIn) (out waitForChangeOut, err error) {
		since, err := replica.ParsePosition(in.Since)
		if err != nil {
			return out, &pipeline.Error{
				Code:    pipeline.CodeInvalid,
				Message: "since is not a cursor that an answer gave",
				Next:    "pass the cursor of any answer as it was given (a next_cursor is for the tool alone that gave it)",
			}
		}
		if in.StoryID != nil {
			if err := pipeline.CheckStoryID(*in.StoryID); err != nil {
				return out, err
			}
		}
		timeout := defaultTimeout
		if in.TimeoutSeconds != nil {
			timeout = *in.TimeoutSeconds
		}
		w := &changeWait{call: s, in: in, since: since, seen: since, out: &out}
		return out, w.wait(ctx, time.Duration(timeout)*time.Second)
	},
})

// changeWait is one wait for a change.
type changeWait struct {
	call  *call
	in    waitForChangeIn
	since replica.Position
	seen  replica.Position // up to here nothing matched
	out   *waitForChangeOut
}

// errTimeUp ends a wait whose time is up.
var errTimeUp = errors.New("the time is up")

func (w *changeWait) wait(ctx context.Context, timeout time.Duration) error {
	w.out.Changes = []changedStory{}
	if timeout > 0 {
		err := w.watch(ctx, timeout)
		if !errors.Is(err, errTimeUp) && !errors.Is(err, calls.ErrEnding) {
			return err
		}
	}
	// The last look is a read of its own: what was written before is seen.
	return w.call.view(ctx, func(p *replica.View) error {
		done, err := w.look(p)
		if !done {
			w.call.reflects = w.since
			w.out.Message = "nothing yet"
			if id := w.in.StoryID; id != nil {
				var why *pipeline.Error
				if _, err := p.Story(*id); errors.As(err, &why) {
					w.out.Message += "; " + why.Error()
				}
			}
		}
		return err
	})
}

// watch looks at each change until there is something to tell.
func (w *changeWait) watch(ctx context.Context, timeout time.Duration) error {
	ctx, done, err := waiting(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errTimeUp)
	defer cancel()
	return w.call.replica.Watch(ctx, w.look)
}

// waiting is calls.Wait for calls of tools.
func waiting(ctx context.Context) (context.Context, func(), error) {
	ctx, done, err := calls.Wait(ctx)
	switch {
	case errors.Is(err, calls.ErrTooLongToWait):
		err = &pipeline.Error{Code: pipeline.CodeLimit, Message: err.Error(), Next: "leave out what the call does not need"}
	case err != nil:
		err = &pipeline.Error{
			Code:    pipeline.CodeLimit,
			Message: err.Error(),
			Next:    "end one of them first; one call without story_id and stage waits for all stories",
		}
	}
	return ctx, done, err
}

// look reports whether there is something to tell, which stands in w.out then.
func (w *changeWait) look(p *replica.View) (done bool, err error) {
	found := false
	ok, err := p.Changes(w.seen, func(c replica.Change) bool {
		if found = w.matches(&c); !found {
			w.seen = c.Position
		}
		return !found
	})
	switch {
	case err != nil:
		return false, err
	case !ok:
		w.reset(p, "what changed since this cursor is not known any more")
		return true, nil
	case found:
		return true, w.tell(p)
	}
	return false, nil
}

// reset says that the caller has to look for itself what changed.
func (w *changeWait) reset(p *replica.View, why string) {
	*w.out = waitForChangeOut{Changed: true, Changes: []changedStory{}, Reset: true, Message: why + ": read what you need anew, then go on with the cursor of this answer"}
	w.call.reflects = p.Position()
}

// matches reports whether the change is one to tell: of a story that could be seen
// before or after it.
func (w *changeWait) matches(c *replica.Change) bool {
	if c.Before == "" && c.After == "" || w.in.StoryID != nil && c.Story != *w.in.StoryID {
		return false
	}
	if w.in.Stage == nil {
		return true
	}
	return c.Before == *w.in.Stage || c.After == *w.in.Stage
}

// told is what happened to a story.
type told struct {
	matches bool
	fields  pipeline.Fields
	last    pipeline.Change
}

// telling collects the stories that one answer holds.
type telling struct {
	w       *changeWait
	stories map[string]*told
	order   []string // of their first changes
	matches int
	end     replica.Position // up to here all is in the answer
	more    bool
}

// add takes in what one row brought, which is not divided. It returns false if the answer
// has no room for it.
func (t *telling) add(row []replica.Change) bool {
	matches := t.matches
	seen := make(map[string]bool)
	for i := range row {
		c := &row[i]
		if st := t.stories[c.Story]; t.w.matches(c) && (st == nil || !st.matches) && !seen[c.Story] {
			seen[c.Story] = true
			matches++
		}
	}
	if matches > maxChanged {
		t.more = true
		return false
	}
	for i := range row {
		c := &row[i]
		st := t.stories[c.Story]
		if st == nil {
			st = &told{}
			t.stories[c.Story], t.order = st, append(t.order, c.Story)
		}
		st.matches = st.matches || t.w.matches(c)
		st.fields |= c.Fields
		st.last = c.Change
		t.end = c.Position
	}
	t.matches = matches
	return true
}

// tell tells the stories that match, in the order of their first changes.
func (w *changeWait) tell(p *replica.View) error {
	t := &telling{w: w, stories: make(map[string]*told), end: w.since}
	var row []replica.Change
	ok, err := p.Changes(w.since, func(c replica.Change) bool {
		if len(row) > 0 && row[0].Position != c.Position {
			if !t.add(row) {
				return false
			}
			row = row[:0]
		}
		row = append(row, c)
		return true
	})
	switch {
	case err != nil:
		return err
	case !ok:
		w.reset(p, "what changed since this cursor is not known any more")
		return nil
	case !t.more:
		t.add(row)
	}
	w.out.Changes = []changedStory{}
	for _, id := range t.order {
		if st := t.stories[id]; st.matches {
			c, err := newChangedStory(p.State, id, st)
			if err != nil {
				return err
			}
			w.out.Changes = append(w.out.Changes, c)
		}
	}
	if len(w.out.Changes) == 0 { // the next row alone brought more than an answer holds
		w.reset(p, "too much changed at once")
		return nil
	}
	w.out.Changed, w.out.More = true, t.more
	w.call.reflects = t.end
	return nil
}

func newChangedStory(p *pipeline.State, id string, st *told) (changedStory, error) {
	c := changedStory{StoryID: id, Changed: orEmpty(st.fields.Names()), By: st.last.Agent}
	if st.last.At != 0 {
		c.At = time.UnixMilli(st.last.At).UTC().Format(time.RFC3339)
	}
	var gone *pipeline.Error
	switch story, err := p.Story(id); {
	case errors.As(err, &gone): // it was seen, and is not any more
		c.Deleted = true
	case err != nil:
		return c, err
	default:
		c.Name, c.Stage, c.Agent = story.Name, string(story.Stage), story.Agent
	}
	return c, nil
}
