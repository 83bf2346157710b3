package tools

import (
	"context"
	"maps"
	"strings"
	"sync"

	"github.com/huskies/huskies-mcp/pipeline"
)

// made are the claims that a session made and did not end itself, so that it hears when somebody
// else ends one. A session that comes back in another process begins with none: its name, or the
// claims that it remembers, say what it holds.
type made struct {
	mu       sync.Mutex // guards the fields below
	claims   map[string]pipeline.MadeClaim
	released string
}

// addTo tells a caller what the session made.
func (m *made) addTo(c *pipeline.Caller) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.Made, c.Released = maps.Clone(m.claims), m.released
}

// claimed notes a claim of the session.
func (m *made) claimed(story string, claim pipeline.MadeClaim) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.claims == nil {
		m.claims = make(map[string]pipeline.MadeClaim)
	}
	m.claims[story] = claim
	if m.released == story {
		m.released = ""
	}
}

// forget forgets the claims that a caller had made on stories: the session ended them, or was told
// that they have ended. A claim that another call of the session has made since stays.
func (m *made) forget(c *pipeline.Caller, stories ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, story := range stories {
		if m.claims[story] == c.Made[story] {
			delete(m.claims, story)
		}
	}
}

// gaveBack notes which story the session released last.
func (m *made) gaveBack(story string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.released = story
}

// asking is what a call that changes a story says of the caller and of the story. Every member may
// be nil.
type asking struct{ agent, claim, rev, note *string }

// caller returns who makes the call.
func (s *call) caller(a asking) pipeline.Caller {
	c := pipeline.Caller{
		Session: s.session.ID(), Name: s.name,
		Agent: text(a.agent), Claim: text(a.claim), Rev: text(a.rev), Reason: text(a.note),
	}
	s.made.addTo(&c)
	return c
}

// text returns what an argument says, "" if it is left out.
func text(argument *string) string {
	if argument == nil {
		return ""
	}
	return *argument
}

// change makes one change to a story for a caller, and returns the story as the change left it.
func (s *call) change(ctx context.Context, a asking, edit func(*pipeline.Tx) error) (pipeline.Story, error) {
	return s.changeAs(ctx, s.caller(a), edit)
}

func (s *call) changeAs(ctx context.Context, c pipeline.Caller, edit func(*pipeline.Tx) error) (pipeline.Story, error) {
	if err := pipeline.CheckAgent(c.Signature()); err != nil {
		return pipeline.Story{}, err
	}
	about := ""
	story, err := s.submit(ctx, c.Signature(), func(tx *pipeline.Tx) error {
		tx.By(c)
		err := edit(tx)
		about = tx.Story()
		return err
	})
	s.heard(&c, about, story, err)
	return story, err
}

// heard forgets a claim that has ended, now that the session knows: the change ended the claim, or
// the answer says so.
func (s *call) heard(c *pipeline.Caller, about string, story pipeline.Story, err error) {
	claim, ok := c.MadeBy(about)
	switch {
	case !ok:
	case pipeline.IsEnded(err), err == nil && (story.Claim == nil || story.Claim.Token != claim):
		s.made.forget(c, about)
	}
}

// update makes one change to a story, and returns its item and what the change warns of.
func (s *call) update(ctx context.Context, a asking, edit func(*pipeline.Tx) error) (it item, warning string, err error) {
	story, err := s.change(ctx, a, func(tx *pipeline.Tx) error {
		err := edit(tx)
		warning = strings.Join(warnings(tx.Warnings()), "; ")
		return err
	})
	return newItem(story), cut(warning, maxAdviceShown), err
}

// withNote adds the call's note to the story that the transaction is about.
func withNote(tx *pipeline.Tx, story string, note *string, changed *[]string) error {
	if note == nil || *note == "" || tx.Repeated() {
		return nil
	}
	return tx.AddNote(story, changed, *note)
}
