package phrase

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// maxQuoted bounds what a line of the history shows of a note or a reason, in columns, on a screen
// without a width.
const maxQuoted = 200

// Words says in words what an op did to its story, which is called name: "moved 6 to 3_qa: note". First
// reports whether the op is the first about the story. Stages gives stages their names, and a stage that
// it has no name for has its ID.
func Words(op *crdt.Op, name string, first bool, stages map[pipeline.Stage]string) string {
	switch op.Story {
	case pipeline.SettingsStory:
		return settingsWords(op)
	case members.Story:
		return membersWords(op)
	}
	w := words{name: name, stages: stages, set: map[string]string{}}
	for i := range op.Edits {
		w.take(&op.Edits[i])
	}
	w.created(first)
	w.moved()
	w.blocked()
	w.rest()
	text := strings.Join(w.said, ", ")
	switch {
	case text == "" && w.note != "":
		text = "noted on " + w.name
	case text == "":
		return "changed nothing of " + w.name
	}
	if w.note != "" {
		text += ": " + Cut(Line(w.note), maxQuoted)
	}
	return text
}

// words collects what an op did. Its methods are called in the order in which they stand here.
type words struct {
	name   string
	stages map[pipeline.Stage]string
	said   []string
	// set are the fields that the op sets and nobody has told of yet.
	set map[string]string
	// depends are the dependencies that come and go, such as "+3".
	depends []string
	note    string
	counted bool
	placed  bool
}

func (w *words) take(e *crdt.Edit) {
	d := pipeline.Describe(e)
	switch e.Kind {
	case crdt.KindNote:
		w.note = strings.TrimSpace(w.note + "\n\n" + d.Value)
	case crdt.KindDep:
		w.depends = append(w.depends, string(d.Sign)+d.Value)
	case crdt.KindInc:
		w.counted = true
	case crdt.KindPlace:
		w.placed = true
	default:
		w.set[d.Name] = d.Value
	}
}

// told takes a field out of those that nobody has told of, and returns its value.
func (w *words) told(field string) (value string, ok bool) {
	value, ok = w.set[field]
	delete(w.set, field)
	return Line(value), ok
}

// stage returns the name of a stage.
func (w *words) stage(id string) string {
	if name, ok := w.stages[pipeline.Stage(id)]; ok {
		return name
	}
	return id
}

func (w *words) say(text string) { w.said = append(w.said, text) }

func (w *words) created(first bool) {
	if deleted, ok := w.told(crdt.DeletedField); ok {
		if deleted == "true" {
			w.say("deleted " + w.name)
		} else {
			w.say("brought " + w.name + " back")
		}
	}
	if _, ok := w.set[pipeline.NameStage]; !ok || !first {
		return
	}
	stage, _ := w.told(pipeline.NameStage)
	text := "added " + w.name + " to " + w.stage(stage)
	if name, ok := w.told(pipeline.NameName); ok && name != "" {
		text += ", " + Cut(name, maxQuoted)
	}
	if len(w.depends) > 0 {
		text += ", depends on " + strings.ReplaceAll(strings.Join(w.depends, " "), "+", "")
		w.depends = nil
	}
	w.say(text)
	w.told(pipeline.NameDescription)
	w.placed = false
}

func (w *words) moved() {
	stage, moves := w.told(pipeline.NameStage)
	_, claims := w.told(pipeline.NameClaim)
	agent, hands := w.told(pipeline.NameAgent)
	switch {
	case claims && moves && stage == string(pipeline.Current):
		w.say("claimed " + w.name + " into " + w.stage(stage))
	case claims && moves: // elsewhere a claim says where the story stays
		w.say("claimed " + w.name + " in " + w.stage(stage))
	case claims:
		w.say("claimed " + w.name)
	case hands && agent == "" && moves && stage == string(pipeline.Backlog):
		w.say("gave " + w.name + " back")
	case moves && hands && agent != "":
		w.say("moved " + w.name + " to " + w.stage(stage) + " for " + agent)
	case moves:
		w.say("moved " + w.name + " to " + w.stage(stage))
	case hands && agent == "":
		w.say("released " + w.name)
	case hands:
		w.say("gave " + w.name + " to " + agent)
	}
}

func (w *words) blocked() {
	reason, _ := w.told(pipeline.NameBlockedReason)
	switch blocked, ok := w.told(pipeline.NameBlocked); {
	case !ok:
	case blocked != "true":
		w.say("unblocked " + w.name)
		w.told(pipeline.NameRetryCount)
	case reason == "":
		w.say("blocked " + w.name)
	default:
		w.say("blocked " + w.name + ": " + Cut(reason, maxQuoted))
	}
}

func (w *words) rest() {
	if w.counted {
		w.say("counted a retry of " + w.name)
	}
	var changed []string
	for _, field := range []string{pipeline.NameName, pipeline.NameDescription, pipeline.NameRetryCount} {
		value, ok := w.told(field)
		switch {
		case !ok:
		case field == pipeline.NameDescription:
			changed = append(changed, field)
		default:
			changed = append(changed, field+" to "+Cut(value, maxQuoted))
		}
	}
	if len(w.depends) > 0 {
		changed = append(changed, pipeline.NameDependsOn+" "+strings.Join(w.depends, " "))
	}
	if w.placed {
		changed = append(changed, "its place")
	}
	if len(w.set) > 0 {
		changed = append(changed, "what this build does not know")
	}
	if len(changed) > 0 {
		w.say("changed " + w.name + " (" + strings.Join(changed, ", ") + ")")
	}
}
