package board

import (
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxNotes and maxHistory bound what one page shows of a story.
	maxNotes   = 100
	maxHistory = 100
)

// detail is all that the page of one story shows.
type detail struct {
	card
	Name        string
	Description string
	Rendered    template.HTML
	StageName   string
	Claim       *heldStory
	MaxRetries  int64
	Warnings    []string
	DependsOn   string
	Reason      string
	// BlockedSince is when it was blocked for that reason.
	BlockedSince moment
	Rev          string
	UpdatedAt    moment
	Notes        []note
	NoteCount    int
	Links        links
	// Graph is the drawing of the stories near it. It is nil if there are none, and in a menu.
	Graph   *drawing
	History []past
	// Older says that there are changes before those of History.
	Older        bool
	Before, Next string
	// May says what the person may do.
	May may
}

// note is a note as the page shows it.
type note struct {
	Agent string
	At    moment
	Clock string
	Text  template.HTML
}

// past is a line of the history of a story.
type past struct {
	At       moment
	Clock    string
	Agent    string
	Author   string
	Words    string
	Rev      string
	Verified bool
}

// may says which of the changes make sense of a story as it is.
type may struct {
	Write   bool
	Deleted bool
	// Holder is who else holds the story now, "" if nobody does.
	Holder string
	// Release says that the story has an agent that holds it no more, so that it can be freed at once.
	Release bool
	// Mine says that the person has it.
	Mine bool
}

// detail reads the page of one story.
func (b *Board) detail(v *replica.View, id string, who visitor) (d detail, err error) {
	st, err := v.Story(id)
	if err != nil {
		return d, err
	}
	now := b.now()
	var r prose
	d = detail{
		card: newCard(v, &st, now), Name: typed(st.Name), Description: typed(st.Description), Rendered: r.text(st.Description),
		StageName: stageName(st.Stage), DependsOn: phrase.Numbers(st.DependsOn), Reason: st.BlockedReason, BlockedSince: newMoment(st.BlockedSince, now), Rev: st.Rev.String(), UpdatedAt: newMoment(st.UpdatedAt, now),
	}
	for _, w := range phrase.Warnings(troubling(st.Warnings)) {
		d.Warnings = append(d.Warnings, phrase.Line(w))
	}
	if st.Agent != "" {
		held := newHeld(v, &st, now)
		d.Claim = &held
	}
	d.MaxRetries = b.maxRetries(v)
	d.May = b.may(&st, who, now)
	d.Before, d.Next = v.Beside(id)
	if d.Links, err = linksOf(v, &st); err != nil {
		return d, err
	}
	notes, count := v.Notes(id, maxNotes)
	d.NoteCount = count
	for _, n := range notes {
		at := note{Agent: phrase.Line(n.Agent), Text: r.text(n.Text)}
		if !n.At.IsZero() {
			at.At, at.Clock = newMoment(n.At, now), clock(n.At, now, b.cfg.Zone)
		}
		d.Notes = append([]note{at}, d.Notes...) // the newest first
	}
	return d, b.history(v, &d, now)
}

// may says what the person may do with a story.
func (b *Board) may(st *pipeline.Story, who visitor, now time.Time) may {
	m := may{Write: !b.cfg.ReadOnly}
	switch {
	case st.Agent == "":
	case st.Claim.Live(now) && st.Agent != who.Name:
		m.Holder = phrase.Line(st.Agent)
	case st.Agent == who.Name:
		m.Mine = true
	default:
		m.Release = true
	}
	return m
}

// history reads the last changes of a story, the last first.
func (b *Board) history(v *replica.View, d *detail, now time.Time) error {
	var ops []*crdt.Op
	err := v.History(d.ID, 0, func(e replica.Entry) bool {
		if d.Older = len(ops) == maxHistory; d.Older {
			return false
		}
		ops = append(ops, e.Op)
		p := past{Agent: phrase.Line(e.Op.Agent), Author: e.Op.Author.Short(), Rev: e.Op.ID.Short(), Verified: e.Verified()}
		if e.Op.At != 0 {
			at := time.UnixMilli(e.Op.At)
			p.At, p.Clock = newMoment(at, now), clock(at, now, b.cfg.Zone)
		}
		d.History = append(d.History, p)
		return true
	})
	for i, op := range ops {
		d.History[i].Words = phrase.Cut(phrase.Words(op, "it", i == len(ops)-1 && !d.Older, stageNames), maxWords)
	}
	return err
}

// getStory shows one story.
func (b *Board) getStory(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "story")
	id, d, err := b.readDetail(r, readGraph)
	if err != nil {
		b.failStory(w, r, id, err)
		return
	}
	if id != r.PathValue("id") { // a number
		to := url.URL{Path: "/story/" + id, RawQuery: r.URL.RawQuery}
		http.Redirect(w, r, to.String(), http.StatusSeeOther)
		return
	}
	p.Title = d.Label + " " + d.Title
	b.render(w, http.StatusOK, "story.html", map[string]any{"Page": p, "Story": d, "Stages": stageChoices(), "Edit": r.URL.Query().Has("edit")})
}

// getMenu shows what can be done with one story.
func (b *Board) getMenu(w http.ResponseWriter, r *http.Request) {
	id, d, err := b.readDetail(r, nil)
	if err != nil {
		b.failStory(w, r, id, err)
		return
	}
	b.render(w, http.StatusOK, "menu.html", map[string]any{"Page": b.page(r, "menu"), "Story": d, "Stages": stageChoices()})
}

// readDetail reads the story that an address names. Then it calls more, unless that is nil, to read the rest.
func (b *Board) readDetail(r *http.Request, more func(*replica.View, *http.Request, *detail) error) (id string, d detail, err error) {
	id = r.PathValue("id")
	err = b.view(r.Context(), func(v *replica.View) error {
		found, err := v.Resolve(id)
		if err != nil {
			return err
		}
		id = found
		d, err = b.detail(v, id, visitorOf(r))
		if err != nil || more == nil {
			return err
		}
		return more(v, r, &d)
	})
	return id, d, err
}

// stageChoice is a stage that a story can be moved to.
type stageChoice struct {
	Stage pipeline.Stage
	Name  string
}

func stageChoices() (all []stageChoice) {
	for _, s := range pipeline.Stages() {
		all = append(all, stageChoice{s, stageName(s)})
	}
	return all
}
