package board

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// deed is a person's change of one story, under the rules that hold for agents.
type deed struct {
	// plan returns the steps that change the story, which is as it is when it is changed. Each is one op, and all
	// are one transaction. The first may override a holder.
	plan func(s *pipeline.State, st *pipeline.Story) ([]step, error)
	// said tells the person what happened. Before is the story as it was when it was changed.
	said func(before *pipeline.Story) string
	// undo returns what takes the change back. It is nil if nothing does.
	undo func(before *pipeline.Story) *undo
}

// step is a part of a deed.
type step = func(tx *pipeline.Tx) error

// always returns a plan whose steps are the same for every story.
func always(steps ...step) func(*pipeline.State, *pipeline.Story) ([]step, error) {
	return func(*pipeline.State, *pipeline.Story) ([]step, error) { return steps, nil }
}

// undo is a deed that takes another one back.
type undo struct {
	URL    string            `json:"url"`
	Fields map[string]string `json:"fields"`
}

// done is the answer to a deed.
type done struct {
	Said string `json:"said"`
	ID   string `json:"id"`
	Undo *undo  `json:"undo,omitempty"`
	// Warnings say what the person may not have meant.
	Warnings []string `json:"warnings,omitempty"`
}

// doer is the one who does a deed.
type doer struct {
	b    *Board
	who  visitor
	id   string // of the story
	form func(name string) string
}

// caller returns the person as the rules of the pipeline know callers.
func (by *doer) caller() pipeline.Caller {
	return pipeline.Caller{Session: by.b.cfg.Session.ID(), Name: by.who.Name, Agent: by.who.Name}
}

// overriding returns the caller of a person who takes a story from its holder: the person says which state of
// the story was seen, and why.
func (by *doer) overriding() pipeline.Caller {
	c := by.caller()
	if by.form("override") != "" {
		c.Rev, c.Reason = by.form("rev"), by.form("why")
	}
	return c
}

// postDeed changes a story.
func (b *Board) postDeed(w http.ResponseWriter, r *http.Request) {
	by := &doer{b: b, who: visitorOf(r), id: r.PathValue("id"), form: func(name string) string {
		return strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n") // as browsers send the ends of lines
	}}
	deeds := map[string]func(*doer) (deed, error){
		"move": move, "block": block, "unblock": unblock, "note": addNote, "edit": edit,
		"release": release, "take": take, "delete": remove, "restore": restore,
	}
	prepare, ok := deeds[r.PathValue("deed")]
	if !ok {
		b.getNothing(w, r)
		return
	}
	var out done
	d, err := prepare(by)
	if err == nil {
		out, err = by.do(r.Context(), d)
	}
	b.reply(w, r, out, err)
}

// mayWrite returns an error on a board that is for reading.
func (by *doer) mayWrite() error {
	switch {
	case by.b.cfg.ReadOnly:
		return &refusal{Problem: "This board is for reading only.", Next: "Start it without --read-only to change stories.", Code: "read_only", status: http.StatusForbidden}
	case by.who.Name == "":
		return &refusal{Problem: "Changes are made in a name, and none is known.", Next: "Start the board with --agent NAME.", Code: "no_name", status: http.StatusForbidden}
	}
	return nil
}

// do does a deed in one transaction.
func (by *doer) do(ctx context.Context, d deed) (out done, err error) {
	if err := by.mayWrite(); err != nil {
		return out, err
	}
	var before pipeline.Story
	err = by.b.cfg.Replica.UpdateAll(ctx, by.who.Name, func(s *pipeline.State) (changes []func(*pipeline.Tx) error, _ error) {
		out.Warnings = nil
		before, err = s.Story(by.id)
		if err != nil && !isDeleted(err) {
			return nil, err
		}
		steps, err := d.plan(s, &before)
		if err != nil {
			return nil, err
		}
		for i, step := range steps {
			changes = append(changes, func(tx *pipeline.Tx) error {
				if i == 0 {
					tx.By(by.overriding())
				} else {
					tx.By(by.caller())
				}
				err := step(tx)
				if why := strings.TrimSpace(by.form("why")); err == nil && i == 0 && by.form("override") != "" && why != "" {
					err = tx.AddNote(by.id, nil, why) // so that the agent reads it
				}
				out.Warnings = append(out.Warnings, warnings(tx.Warnings())...)
				return err
			})
		}
		return changes, nil
	})
	if err != nil {
		return done{}, by.explain(err, &before)
	}
	out.ID, out.Said = by.id, d.said(&before)
	if d.undo != nil {
		out.Undo = d.undo(&before)
	}
	return out, nil
}

// isDeleted reports whether the error says that the story is deleted.
func isDeleted(err error) bool {
	var e *pipeline.Error
	return errors.As(err, &e) && e.Kind() == pipeline.KindDeleted
}

// explain adds to a refusal for a story that somebody holds how to take it.
func (by *doer) explain(err error, st *pipeline.Story) error {
	var rule *pipeline.Error
	if !errors.As(err, &rule) || rule.Kind() != pipeline.KindHeld || st.Agent == "" {
		return err
	}
	said := by.b.say(err)
	said.Holder, said.Rev = phrase.Line(st.Agent), st.Rev.String()
	said.Problem = said.Holder + " holds " + phrase.Label(st.ID) + ". Nothing was changed."
	if st.Claim != nil {
		said.Problem = said.Holder + " holds " + phrase.Label(st.ID) + " and has " + phrase.Span(st.Claim.Lease.Ends.Sub(by.b.now())) + " left. Nothing was changed."
	}
	return &said
}

// reply answers a form: in JSON to the script, else by leading the browser to the story.
func (b *Board) reply(w http.ResponseWriter, r *http.Request, out done, err error) {
	asked := strings.HasPrefix(r.Header.Get("Accept"), "application/json")
	switch {
	case err != nil && asked:
		said := b.say(err)
		answer(w, said.status, said)
	case err != nil:
		said := b.say(err)
		b.refuse(w, said.status, said.Problem, said.Next)
	case asked:
		answer(w, http.StatusOK, out)
	case strings.HasSuffix(r.URL.Path, "/delete"):
		http.Redirect(w, r, "/", http.StatusSeeOther)
	default:
		http.Redirect(w, r, "/story/"+out.ID, http.StatusSeeOther)
	}
}

// failStory answers for a story that cannot be shown. One that is deleted can be restored there.
func (b *Board) failStory(w http.ResponseWriter, r *http.Request, id string, err error) {
	said := b.say(err)
	if isDeleted(err) {
		p := b.page(r, "story")
		p.Title = phrase.Label(id) + " is deleted"
		b.render(w, said.status, "gone.html", map[string]any{"Page": p, "ID": id, "Label": phrase.Label(id), "May": !b.cfg.ReadOnly})
		return
	}
	b.refuse(w, said.status, said.Problem, said.Next)
}
