package board

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/internal/visible"
	"github.com/huskies/huskies-mcp/pipeline"
)

// keeps is how long a story stays a person's that takes it: a day's work.
const keeps = 8 * time.Hour

// badForm is the refusal of a form that a page of ours does not send.
func badForm(problem string) error {
	return &refusal{Problem: problem, Next: "Load the page again.", Code: "invalid", status: http.StatusUnprocessableEntity}
}

// move moves a story to a stage, to a place, or both. The place is first, last, or before:ID, after:ID.
func move(by *doer) (d deed, err error) {
	var stage pipeline.Stage
	if name := by.form("stage"); name != "" {
		var ok bool
		if stage, ok = pipeline.ParseStage(name); !ok {
			return d, badForm("There is no stage " + phrase.Line(name) + ".")
		}
	}
	place, err := placeChanges(by.form("place"))
	if err != nil {
		return d, err
	}
	next := ""
	d.plan = func(s *pipeline.State, st *pipeline.Story) (steps []step, err error) {
		if next, err = where(s, st); err != nil { // for the undo
			return nil, err
		}
		if stage != "" && stage != st.Stage {
			steps = append(steps, func(tx *pipeline.Tx) error { _, err := tx.Advance(by.id, &stage); return err })
		}
		if place != nil {
			steps = append(steps, func(tx *pipeline.Tx) error { _, _, err := tx.Write(by.id, *place); return err })
		}
		return steps, nil
	}
	d.said = func(st *pipeline.Story) string {
		if stage == "" || stage == st.Stage {
			return phrase.Label(st.ID) + " has a new place."
		}
		return phrase.Label(st.ID) + " is in " + stageName(stage) + ", from " + stageName(st.Stage) + "."
	}
	d.undo = func(st *pipeline.Story) *undo {
		back := "last"
		if next != "" {
			back = "before:" + next
		}
		return &undo{"/story/" + by.id + "/move", map[string]string{"stage": string(st.Stage), "place": back}}
	}
	return d, nil
}

// placeChanges reads a place, nil for none.
func placeChanges(place string) (*pipeline.Changes, error) {
	kind, id, _ := strings.Cut(place, ":")
	switch kind {
	case "":
		return nil, nil
	case pipeline.First:
		return &pipeline.Changes{Before: &kind}, nil
	case pipeline.Last:
		return &pipeline.Changes{After: &kind}, nil
	case "before":
		return &pipeline.Changes{Before: &id}, pipeline.CheckStoryID(id)
	case "after":
		return &pipeline.Changes{After: &id}, pipeline.CheckStoryID(id)
	}
	return nil, badForm("There is no place " + phrase.Line(place) + ".")
}

func block(by *doer) (deed, error) {
	reason := strings.TrimSpace(by.form("reason"))
	if reason == "" {
		return deed{}, &refusal{Problem: "A reason is missing.", Next: "Say what the story waits for: agents and people read it.", Code: "invalid", Field: "reason", status: http.StatusUnprocessableEntity}
	}
	return deed{
		plan: always(func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(by.id, true, &reason); return err }),
		said: func(st *pipeline.Story) string { return phrase.Label(st.ID) + " is blocked." },
		undo: func(st *pipeline.Story) *undo {
			if st.Blocked {
				return &undo{"/story/" + st.ID + "/block", map[string]string{"reason": st.BlockedReason}}
			}
			return &undo{"/story/" + st.ID + "/unblock", map[string]string{}}
		},
	}, nil
}

func unblock(by *doer) (deed, error) {
	return deed{
		plan: always(func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(by.id, false, nil); return err }),
		said: func(st *pipeline.Story) string { return phrase.Label(st.ID) + " is not blocked any more." },
		undo: func(st *pipeline.Story) *undo {
			if !st.Blocked || st.BlockedReason == "" {
				return nil
			}
			return &undo{"/story/" + st.ID + "/block", map[string]string{"reason": st.BlockedReason}}
		},
	}, nil
}

func addNote(by *doer) (deed, error) {
	return deed{
		plan: always(func(tx *pipeline.Tx) error { return tx.AddNote(by.id, nil, by.form("note")) }),
		said: func(st *pipeline.Story) string { return phrase.Label(st.ID) + " has a new note." },
	}, nil
}

// typed returns a text as a form has it: without hidden characters, which nobody could see there, and with
// the ends of lines that the board gives to all texts.
func typed(text string) string { return visible.Text(strings.ReplaceAll(text, "\r\n", "\n")) }

// fingerprint tells one typed text from another.
func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(typed(text)))
	return hex.EncodeToString(sum[:8])
}

// edit writes the fields of a form that differ from those with which the form began. What somebody else
// changed meanwhile is not overwritten, unless the person has seen it.
func edit(by *doer) (d deed, err error) {
	var c pipeline.Changes
	name, text := strings.TrimSpace(by.form("name")), by.form("description")
	changesName, changesText := fingerprint(by.form("name")) != by.form("was_name"), fingerprint(text) != by.form("was_description")
	if changesName {
		c.Name = &name
	}
	if changesText {
		c.Description = &text
	}
	depends := by.form("depends")
	changesDepends := fingerprint(depends) != by.form("was_depends") && by.form("was_depends") != ""
	write := func(tx *pipeline.Tx) error {
		if changesDepends {
			numbers, err := tx.Numbers(names(depends))
			if err != nil {
				return err
			}
			slices.Sort(numbers)
			numbers = slices.Compact(numbers)
			c.DependsOn = &numbers
		}
		_, _, err := tx.Write(by.id, c)
		return err
	}
	d.plan = func(_ *pipeline.State, st *pipeline.Story) ([]step, error) {
		switch {
		case changesName && fingerprint(st.Name) != by.form("was_name") && st.Name != name:
			return nil, editedMeanwhile("name", "name", st.Name)
		case changesText && fingerprint(st.Description) != by.form("was_description") && st.Description != text:
			return nil, editedMeanwhile("description", "description", st.Description)
		case changesDepends && fingerprint(phrase.Numbers(st.DependsOn)) != by.form("was_depends") && phrase.Numbers(st.DependsOn) != depends:
			return nil, editedMeanwhile("depends", "dependencies", phrase.Numbers(st.DependsOn))
		}
		return []step{write}, nil
	}
	d.said = func(st *pipeline.Story) string { return phrase.Label(st.ID) + " is saved." }
	d.undo = func(st *pipeline.Story) *undo {
		now := [2]string{st.Name, st.Description}
		if changesName {
			now[0] = name
		}
		if changesText {
			now[1] = text
		}
		fields := map[string]string{"name": st.Name, "description": st.Description, "was_name": fingerprint(now[0]), "was_description": fingerprint(now[1])}
		if changesDepends {
			fields["depends"], fields["was_depends"] = phrase.Numbers(st.DependsOn), fingerprint(phrase.Numbers(*c.DependsOn))
		}
		return &undo{"/story/" + st.ID + "/edit", fields}
	}
	return d, nil
}

// editedMeanwhile refuses to overwrite a field of a form with what a person typed. The person knows it as what it is called.
func editedMeanwhile(field, called, theirs string) error {
	return &refusal{
		Problem: "Somebody else changed the " + called + " meanwhile. Nothing was written, and your text is still here.",
		Next:    "Bring the two together, and save again.", Code: "conflict", Field: field, Theirs: theirs, Was: fingerprint(theirs), status: http.StatusConflict,
	}
}

// names returns the names of stories that a person gives, with commas or blanks between.
func names(text string) []string {
	all := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	for i := range all {
		all[i] = strings.TrimPrefix(all[i], "#")
	}
	return all
}

// release frees a story that its agent does not hold any more, or that is the person's own.
func release(by *doer) (deed, error) {
	return deed{
		plan: always(func(tx *pipeline.Tx) error { _, err := tx.Release(by.id); return err }),
		said: func(st *pipeline.Story) string { return phrase.Label(st.ID) + freed(st) },
	}, nil
}

// freed says what becomes of a story that is released.
func freed(st *pipeline.Story) string {
	if st.Stage == pipeline.Current {
		return " is back in " + stageName(pipeline.Backlog) + ": an agent can take it."
	}
	return " is free: an agent can take it."
}

// take takes a story from whoever has it, with a reason that stands in its notes. Then it is free, blocked, or
// the person's.
func take(by *doer) (d deed, err error) {
	why := strings.TrimSpace(by.form("why"))
	if why == "" {
		return d, &refusal{Problem: "A reason is missing.", Next: "Say why you take it: the agent reads it in the notes.", Code: "invalid", Field: "why", status: http.StatusUnprocessableEntity}
	}
	steps := []step{func(tx *pipeline.Tx) error { _, err := tx.Release(by.id); return err }}
	end := freed
	switch by.form("then") {
	case "block":
		end = func(*pipeline.Story) string { return " is blocked: no agent takes it." }
		steps = append(steps, func(tx *pipeline.Tx) error { _, err := tx.SetBlocked(by.id, true, &why); return err })
	case "keep":
		end = func(*pipeline.Story) string { return " is yours for " + phrase.Span(keeps) + "." }
		steps = append(steps, func(tx *pipeline.Tx) error {
			_, err := tx.Claim(by.id, by.b.cfg.Session.ClaimOptions(by.who.Name, int64(keeps/time.Second)))
			return err
		})
	}
	d.plan = always(steps...)
	d.said = func(st *pipeline.Story) string { return phrase.Label(st.ID) + end(st) }
	return d, nil
}

func remove(by *doer) (deed, error) {
	return deed{
		plan: always(func(tx *pipeline.Tx) error { _, err := tx.Delete(by.id); return err }),
		said: func(st *pipeline.Story) string { return phrase.Label(by.id) + " is deleted." },
		undo: func(*pipeline.Story) *undo {
			return &undo{"/story/" + by.id + "/restore", map[string]string{}}
		},
	}, nil
}

func restore(by *doer) (deed, error) {
	return deed{
		plan: always(func(tx *pipeline.Tx) error { _, err := tx.Restore(by.id); return err }),
		said: func(st *pipeline.Story) string { return phrase.Label(by.id) + " is back." },
		undo: func(*pipeline.Story) *undo {
			return &undo{"/story/" + by.id + "/delete", map[string]string{}}
		},
	}, nil
}
