package board

import (
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxReason bounds what a card shows of a reason, in columns: three lines.
	maxReason = 110
	// maxLinked bounds the stories that a card names as those that it waits for, or that wait for it.
	maxLinked = 4
)

// card is what the board shows of one story.
type card struct {
	ID, Label, Title string
	// Kind is the type of the story, such as "bug". It is empty for a plain story.
	Kind  string
	Stage pipeline.Stage
	Agent string
	// Lapsed says that the lease of the agent's claim has ended.
	Lapsed bool
	// Unclaimed says that the agent was given the story and has not claimed it.
	Unclaimed bool
	Since     moment
	// Aging says that the time in the stage counts: an agent or a person works on the story there.
	Aging   bool
	Ready   bool
	Blocked bool
	Reason  string
	Retries int
	Notes   int
	// Waits and Blocks name the stories that come first and those that wait.
	Waits, Blocks []string
	WaitCount     int
	BlockCount    int
	Warnings      int
}

// openStages are the stages of work that is not finished.
var openStages = []pipeline.Stage{pipeline.Backlog, pipeline.Current, pipeline.QA, pipeline.Merge}

// isOpen reports whether work is left to do in the stage.
func isOpen(stage pipeline.Stage) bool {
	return stage != pipeline.Done && stage != pipeline.Archived
}

// newCard returns the card of a story from a list.
func newCard(v *replica.View, st *pipeline.Story, now time.Time) card {
	c := card{
		ID: st.ID, Label: phrase.Label(st.ID), Title: phrase.Title(st), Kind: kindOf(st.ID), Stage: st.Stage,
		Agent: phrase.Line(st.Agent), Lapsed: st.Lapsed, Since: newMoment(st.StageSince, now),
		Blocked: st.Blocked, Reason: phrase.Cut(phrase.Line(st.BlockedReason), maxReason),
		Retries: int(st.RetryCount), WaitCount: len(st.WaitingOn), Warnings: len(troubling(st.Warnings)),
	}
	c.Aging = isOpen(st.Stage) && st.Stage != pipeline.Backlog
	c.Ready = st.Ready && isOpen(st.Stage)
	_, c.Notes = v.Notes(st.ID, 1)
	if !isOpen(st.Stage) {
		return c
	}
	if st.Agent != "" {
		if whole, err := v.Story(st.ID); err == nil {
			c.Unclaimed = whole.Claim == nil
		}
	}
	for _, n := range st.WaitingOn[:min(maxLinked, len(st.WaitingOn))] {
		name := phrase.Numbers([]uint32{n})
		for _, other := range v.NumberedOutlines(n) {
			name = other.ID
			if other.Name != "" {
				name = phrase.Label(other.ID) + " " + phrase.Title(&other)
			}
			break
		}
		c.Waits = append(c.Waits, name)
	}
	var ids []string
	ids, c.BlockCount = v.WaitingFor(st.ID, maxLinked)
	for _, id := range ids {
		if other, err := v.Story(id); err == nil {
			c.Blocks = append(c.Blocks, phrase.Label(id)+" "+phrase.Title(&other))
		}
	}
	return c
}

// kindOf returns the type that an ID names after its number, "" for a plain story.
func kindOf(id string) string {
	_, rest, _ := strings.Cut(id, "_")
	kind, _, _ := strings.Cut(rest, "_")
	switch kind {
	case "bug", "spike", "refactor":
		return kind
	}
	return ""
}

// stageNames are the names of the stages for people.
var stageNames = map[pipeline.Stage]string{
	pipeline.Backlog: "Backlog", pipeline.Current: "Current", pipeline.QA: "QA", pipeline.Merge: "Merge", pipeline.Done: "Done", pipeline.Archived: "Archived",
}

// stageName returns the name of a stage for people.
func stageName(s pipeline.Stage) string {
	if name, ok := stageNames[s]; ok {
		return name
	}
	return phrase.Line(string(s))
}

// moment is a time as the pages show it: an age in words that the script keeps up to date.
type moment struct {
	// Unix is in seconds, 0 if the time is not known.
	Unix int64
	// Age is how long ago it was, such as "2h 5m".
	Age string `json:"-"`
	// Old says for the eye how long ago it was: 0 less than an hour, 1 less than a day, 2 less than three
	// days, 3 more. The script has the same bounds.
	Old int `json:"-"`
}

// newMoment returns the moment of a time. A time that has not come yet is now, since clocks differ.
func newMoment(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	age := max(0, now.Sub(t))
	m := moment{Unix: t.Unix(), Age: phrase.Span(age)}
	switch {
	case age >= 72*time.Hour:
		m.Old = 3
	case age >= 24*time.Hour:
		m.Old = 2
	case age >= time.Hour:
		m.Old = 1
	}
	return m
}
