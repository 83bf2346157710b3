package board

import (
	"net/http"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

// getAdd shows the form for a new story.
func (b *Board) getAdd(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "add")
	p.Title = "New story"
	stage, _ := pipeline.ParseStage(r.URL.Query().Get("stage"))
	b.render(w, http.StatusOK, "add.html", map[string]any{"Page": p, "Stages": stageChoices(), "Stage": stage})
}

// postAdd adds a story.
func (b *Board) postAdd(w http.ResponseWriter, r *http.Request) {
	by := &doer{b: b, who: visitorOf(r), form: func(name string) string { return strings.ReplaceAll(r.PostForm.Get(name), "\r\n", "\n") }}
	out, err := by.add(r)
	b.reply(w, r, out, err)
}

func (by *doer) add(r *http.Request) (out done, err error) {
	if err := by.mayWrite(); err != nil {
		return out, err
	}
	name := strings.TrimSpace(by.form("name"))
	if name == "" {
		return out, &refusal{Problem: "The name is empty.", Next: "Say what is to be done.", Code: "invalid", Field: "name", status: http.StatusUnprocessableEntity}
	}
	stage, ok := pipeline.ParseStage(by.form("stage"))
	if !ok {
		return out, badForm("There is no stage " + phrase.Line(by.form("stage")) + ".")
	}
	place, err := placeChanges(by.form("place"))
	if err != nil {
		return out, err
	}
	if place == nil {
		place = &pipeline.Changes{}
	}
	place.Stage, place.Name = &stage, &name
	if text := by.form("description"); strings.TrimSpace(text) != "" {
		place.Description = &text
	}
	var number uint32
	if by.b.cfg.Number != nil {
		if number, err = by.b.cfg.Number(r.Context()); err != nil {
			return out, err
		}
	}
	var said []string
	st, err := by.b.cfg.Replica.Update(r.Context(), by.who.Name, func(tx *pipeline.Tx) error {
		said = nil
		c := *place
		tx.By(by.caller())
		if given := names(by.form("depends")); len(given) > 0 {
			numbers, err := tx.Numbers(given)
			if err != nil {
				return err
			}
			c.DependsOn = &numbers
		}
		tx.OfferNumber(number)
		id, err := tx.NewID(by.form("type"), pipeline.Slug(name))
		if err == nil {
			_, _, err = tx.Write(id, c)
		}
		said = warnings(tx.Warnings())
		return err
	})
	if err != nil {
		return out, err
	}
	text := phrase.Label(st.ID) + " is added to " + stageName(st.Stage) + "."
	return done{Said: text, ID: st.ID, Warnings: said, Undo: &undo{"/story/" + st.ID + "/delete", map[string]string{}}}, nil
}
