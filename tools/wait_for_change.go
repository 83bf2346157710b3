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
	// maxChanged bounds the changes of one answer.
	maxChanged = 50
)

type waitForChangeIn struct {
	Since          *string         `json:"since,omitempty" jsonschema_description:"cursor of an answer; 0: the beginning; default: what you were told last"`
	StoryID        *string         `json:"story_id,omitempty"`
	Stage          *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"stories that are in it, came or left"`
	TimeoutSeconds *int            `json:"timeout_seconds,omitempty" jsonschema:"minimum=0,maximum=50,default=30"`
}

type waitForChangeOut struct {
	Changed bool     `json:"changed"`
	Changes []change `json:"changes"`
	More    bool     `json:"more,omitempty"`
	Reset   bool     `json:"reset,omitempty"`
	Message string   `json:"message,omitempty"`
	position
}

// change is what one op did to a story.
type change struct {
	StoryID string `json:"story_id"`
	// Name is the story's name as it is now, Stage where the op left the story, and From where the story
	// was before, if the op moved it.
	Name    string   `json:"name,omitempty"`
	Stage   string   `json:"stage,omitempty"`
	From    string   `json:"from,omitempty"`
	Deleted bool     `json:"deleted,omitempty"`
	Changed []string `json:"changed"`
	By      string   `json:"by,omitempty"`
	At      string   `json:"at,omitempty"`
	Note    string   `json:"note,omitempty"`
}

var waitForChange = define(definition[waitForChangeIn, waitForChangeOut]{
	name:        "wait_for_change",
	title:       "Wait for a change",
	description: "Wait until anything, or the given story or stage, has changed. Without since it goes on where it ended last, and leaves out what you did yourself.",
	readOnly:    true,
	handle: func(ctx context.Context, s *call, in waitForChangeIn) (out waitForChangeOut, err error) {
		w := &changeWait{call: s, in: in, out: &out}
		if in.Since == nil {
			w.since, w.own = s.told.since(in.filter()), s.name
		} else if w.since, err = replica.ParsePosition(*in.Since); err != nil {
			return out, &misuse{"since is not a cursor that an answer gave", "pass the cursor of any answer as it was given (a next_cursor is for the tool alone that gave it)"}
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
		w.seen = w.since
		err = w.wait(ctx, time.Duration(timeout)*time.Second)
		if err == nil {
			s.told.until(in.filter(), w.end())
		}
		return out, err
	},
})

// filter returns what the call asks for.
func (in *waitForChangeIn) filter() (f waitFilter) {
	if in.StoryID != nil {
		f.story = *in.StoryID
	}
	if in.Stage != nil {
		f.stage = *in.Stage
	}
	return f
}

// changeWait is one wait for a change.
type changeWait struct {
	call  *call
	in    waitForChangeIn
	since replica.Position
	seen  replica.Position // up to here nothing matched
	own   string           // changes of the agent with this name are left out, unless it is empty
	out   *waitForChangeOut
}

// errTimeUp ends a wait whose time is up.
var errTimeUp = errors.New("the time is up")

func (w *changeWait) wait(ctx context.Context, timeout time.Duration) error {
	w.out.Changes = []change{}
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
					w.out.Message += "; " + cut(refused(why), maxAdviceShown)
				}
			}
		}
		return err
	})
}

// end returns up to where the caller knows all there is to tell.
func (w *changeWait) end() replica.Position {
	if w.out.Changed {
		return w.call.reflects
	}
	return w.seen
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
		err = &misuse{err.Error(), "leave out what the call does not need"}
	case err != nil:
		err = &misuse{err.Error(), "end one of them first; one call without story_id and stage waits for all stories"}
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
	*w.out = waitForChangeOut{Changed: true, Changes: []change{}, Reset: true, Message: why + ": read what you need anew, then go on with the cursor of this answer"}
	w.call.reflects = p.Position()
}

// matches reports whether the change is one to tell: of a story that could be seen
// before or after it.
func (w *changeWait) matches(c *replica.Change) bool {
	switch {
	case c.Before == "" && c.After == "":
		return false
	case w.in.StoryID != nil && c.Story != *w.in.StoryID:
		return false
	case w.own != "" && c.Agent == w.own:
		return false
	}
	if w.in.Stage == nil {
		return true
	}
	return c.Before == *w.in.Stage || c.After == *w.in.Stage
}

// telling collects the changes of one answer.
type telling struct {
	w     *changeWait
	state *pipeline.State
	names map[string]string // of the stories, as they are now
	size  int               // of the changes as JSON, in bytes
	end   replica.Position  // up to here all is in the answer
	more  bool
}

// add takes in what one row brought, which is not divided. It returns false if the answer has no room
// for it.
func (t *telling) add(row []replica.Change) (more bool, err error) {
	var told []change
	size := 0
	for i := range row {
		if !t.w.matches(&row[i]) {
			continue
		}
		c := t.change(&row[i])
		b, err := compactJSON(c)
		if err != nil {
			return false, err
		}
		told, size = append(told, c), size+len(b)
	}
	if all := &t.w.out.Changes; len(*all)+len(told) > maxChanged || t.size+size > maxAnswerBytes-maxFrameBytes {
		t.more = true
		return false, nil
	}
	t.w.out.Changes = append(t.w.out.Changes, told...)
	t.size += size
	if len(row) > 0 {
		t.end = row[0].Position
	}
	return true, nil
}

// maxToldNote bounds the text of a note in an answer, in characters.
const maxToldNote = 500

// change returns what is told of a change.
func (t *telling) change(c *replica.Change) change {
	told := change{
		StoryID: c.Story, Name: cut(t.name(c.Story), pipeline.MaxName), Stage: cut(string(c.After), maxStageShown), Deleted: c.After == "",
		Changed: orEmpty(c.Fields.Names()), By: c.Agent, Note: cut(c.Note, maxToldNote),
	}
	if c.Before != c.After {
		told.From = cut(string(c.Before), maxStageShown)
	}
	told.At = pipeline.FormatTime(pipeline.TimeOf(c.At))
	return told
}

// name returns the name of a story, "" if nobody sees the story any more.
func (t *telling) name(id string) string {
	name, known := t.names[id]
	if !known {
		if story, err := t.state.Story(id); err == nil {
			name = story.Name
		}
		t.names[id] = name
	}
	return name
}

// tell tells the changes that match, in their order.
func (w *changeWait) tell(p *replica.View) error {
	t := &telling{w: w, state: p.State, names: make(map[string]string), end: w.since}
	w.out.Changes = []change{} // this may be a second try
	var row []replica.Change
	var failed error
	ok, err := p.Changes(w.since, func(c replica.Change) (more bool) {
		if len(row) > 0 && row[0].Position != c.Position {
			if more, failed = t.add(row); !more {
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
	case failed == nil && !t.more:
		_, failed = t.add(row)
	}
	if failed == nil {
		failed = p.Err()
	}
	if failed != nil {
		return failed
	}
	if len(w.out.Changes) == 0 { // the next row alone brought more than an answer holds
		w.reset(p, "too much changed at once")
		return nil
	}
	w.out.Changed, w.out.More = true, t.more
	w.call.reflects = t.end
	return nil
}
