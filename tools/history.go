package tools

import (
	"encoding/base64"
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
	// maxHistoryBytes bounds the changes of one answer in bytes of JSON, beside a
	// description and notes; minHistoryBytes is left for them when those are long.
	maxHistoryBytes = 16 << 10
	minHistoryBytes = 2 << 10
	// maxReadBytes is what all of the texts of one answer should not pass.
	maxReadBytes = 56 << 10
)

// showHistory adds the changes that were asked for. It is called inside a view.
func showHistory(p *replica.View, in readItemIn, before int64, out *readItemOut) (err error) {
	most := in.History
	if before > 0 && most == 0 {
		most = olderChanges
	}
	if most == 0 {
		return nil
	}
	room := maxReadBytes - len(out.Description)
	for _, n := range out.Notes {
		room -= len(n.Text)
	}
	spare := room - minHistoryBytes // for an overwritten description
	room = min(max(room, minHistoryBytes), maxHistoryBytes)
	overwritten, old, err := overwrittenDescription(p, in.StoryID)
	if err != nil {
		return err
	}
	failed := p.History(in.StoryID, before, func(e replica.Entry) bool {
		var b []byte
		change := newItemChange(e)
		if change.Note != "" && slices.Contains(out.Notes, itemNote{change.Note, change.Agent, change.At}) {
			change.Note = "" // it is shown already
		}
		if b, err = compactJSON(change); err != nil {
			return false
		}
		if e.Arrival == overwritten {
			change.OldDescription = cut(old, max(spare, minHistoryBytes))
		}
		if room -= len(b); len(out.History) == most || room < 0 && len(out.History) > 0 {
			out.NextCursor = formatHistoryCursor(before)
			return false
		}
		out.History = append(out.History, change)
		before = e.Arrival
		return true
	})
	if err == nil {
		err = failed
	}
	return err
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
	change := itemChange{Agent: e.Op.Agent, Rev: e.Op.ID.Short(), Changed: orEmpty(pipeline.Summary(e.Op)), Note: pipeline.NoteOf(e.Op)}
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
