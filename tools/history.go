package tools

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// itemChange is a change of a story as agents see it.
type itemChange struct {
	At      string   `json:"at,omitempty"`
	Agent   string   `json:"agent,omitempty"`
	Rev     string   `json:"rev"`
	Changed []string `json:"changed"`
	Note    string   `json:"note,omitempty" jsonschema_description:"unless it is in notes"`
	// OldDescription is the description that the change overwrote, with the last such change alone.
	OldDescription string `json:"old_description,omitempty" jsonschema_description:"what this change overwrote"`
}

const (
	// olderChanges is how many changes a cursor shows when the number is left out.
	olderChanges = 20
	// maxHistoryBytes bounds the changes of an answer that has the description and the notes, too.
	// minHistoryBytes is left for them when those are long.
	maxHistoryBytes = 16 << 10
	minHistoryBytes = 2 << 10
	// maxChangedBytes bounds the names of what one change changed. Only other builds write more.
	maxChangedBytes = 8 << 10
)

// showHistory adds the changes that were asked for, as many as there is room for, and last the text that
// one of them overwrote. It is called inside a view.
func (r *reading) showHistory(p *replica.View) error {
	most := r.in.History
	if r.before > 0 && most == 0 {
		most = olderChanges
	}
	if most == 0 {
		return nil
	}
	room := r.room
	if r.before == 0 {
		room = min(room, maxHistoryBytes)
	}
	overwritten, old, err := overwrittenDescription(p, r.in.StoryID)
	if err != nil {
		return err
	}
	overwriting := -1 // where the change stands that overwrote old
	failed := p.History(r.in.StoryID, r.before, func(e replica.Entry) bool {
		change := newItemChange(e)
		if change.Note != "" && slices.Contains(r.out.Notes, itemNote{change.Note, change.Agent, change.At}) {
			change.Note = "" // it is shown already
		}
		whole := r.fits(&change, room)
		if len(r.out.History) == most || !whole && (len(r.out.History) > 0 || r.before == 0) {
			r.out.NextCursor = formatHistoryCursor(e.Arrival + 1)
			return false
		}
		if e.Arrival == overwritten {
			overwriting = len(r.out.History)
		}
		var size int
		size, err = jsonSize(change)
		room, r.room = room-size, r.room-size
		r.out.History = append(r.out.History, change)
		return err == nil
	})
	if overwriting >= 0 {
		r.out.History[overwriting].OldDescription = shorten(old, r.room)
	}
	return errors.Join(err, failed)
}

// fits reports whether there is room for the whole change. If not, its note is cut.
func (r *reading) fits(change *itemChange, room int) bool {
	room -= maxFrameBytes / 4 // the names of its members, its time and its rev
	for _, name := range change.Changed {
		room -= costOf(name) + 3
	}
	room -= costOf(change.Agent)
	whole := costOf(change.Note) <= room
	if !whole {
		change.Note = shorten(change.Note, room)
	}
	return whole
}

// maxLookedAt bounds the changes that are looked at for an overwritten description.
const maxLookedAt = 1000

// overwrittenDescription returns the last change of a story's description and the text before that
// change. The arrival is 0 if there was no text before it.
func overwrittenDescription(p *replica.View, id string) (arrival int64, old string, err error) {
	looked := 0
	err = p.History(id, 0, func(e replica.Entry) (more bool) {
		looked++
		text, ok := pipeline.DescriptionOf(e.Op)
		switch {
		case ok && arrival == 0:
			arrival = e.Arrival
		case ok:
			old = text
			return false
		}
		return looked < maxLookedAt
	})
	if old == "" {
		arrival = 0
	}
	return arrival, old, err
}

func newItemChange(e replica.Entry) itemChange {
	change := itemChange{Agent: e.Op.Agent, Rev: e.Op.ID.Short(), Changed: []string{}, Note: pipeline.NoteOf(e.Op)}
	room, names := maxChangedBytes, pipeline.Summary(e.Op)
	for i, name := range names {
		if room -= costOf(name) + 3; room < 0 {
			change.Changed = append(change.Changed, fmt.Sprintf("and %d more", len(names)-i))
			break
		}
		change.Changed = append(change.Changed, name)
	}
	change.At = pipeline.FormatTime(pipeline.TimeOf(e.Op.At))
	return change
}

// A history cursor is the arrival number of the last change shown, so it holds
// whatever is written meanwhile.
const historyCursor = "history/"

func formatHistoryCursor(before int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(historyCursor + strconv.FormatInt(before, 10)))
}

func parseHistoryCursor(s string) (before int64, err error) {
	if s == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	number, ok := strings.CutPrefix(string(b), historyCursor)
	if err == nil && ok {
		before, err = strconv.ParseInt(number, 10, 64)
	}
	if err != nil || !ok || before < 1 {
		return 0, &misuse{"cursor is not one that read_item gave", "pass next_cursor as it was given, or leave cursor out to begin with the newest change"}
	}
	return before, nil
}
