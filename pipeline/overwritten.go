package pipeline

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
)

// Overwritten is a value that was lost since two authors wrote one field of a story apart: neither knew of the
// other's write. The op that wrote it is in the history.
type Overwritten struct {
	Story, Field string
	// Value is the beginning of what was lost, or all of it.
	Value string
	// Lost is the op that wrote the value, and Won the one whose write counts.
	Lost, Won crdt.OpID
	// Agent wrote the value, and By what counts. Both are empty in what a [Source] says.
	Agent, By string
	// At is when the second of the two ops came here, in ms since 1970 UTC.
	At int64
}

// overwrittenShown is for how long a story warns of a value that was lost.
const overwrittenShown = 24 * time.Hour

// CompareOverwritten orders values that were lost, the last first.
func CompareOverwritten(a, b *Overwritten) int {
	return cmp.Or(cmp.Compare(b.At, a.At), crdt.CompareStoryIDs(a.Story, b.Story), cmp.Compare(a.Field, b.Field), a.Lost.Compare(b.Lost))
}

// Settled names a write that was lost, and that its own author or somebody who knew of it has overwritten
// since: then nothing was lost apart.
type Settled struct {
	Story, Field string
	// Over is the beginning of the op's ID.
	Over [8]byte
}

// WroteApart returns what an op that is about to be merged at the given time overwrites or loses without its
// author's knowledge, and what is settled by it.
func WroteApart(story *crdt.Story, op *crdt.Op, at int64) (settled []Settled, lost []Overwritten) {
	for _, a := range story.Apart(schema, op) {
		field := schema.Name(a.Field)
		settled = append(settled, Settled{story.ID(), field, a.Over})
		if a.Same && field != NameClaim || field == NameRetryCount {
			continue // two claims of one second are two claims
		}
		lost = append(lost, Overwritten{Story: story.ID(), Field: field, Value: beginning(valueText(a.Value)), Lost: a.Lost, Won: a.Won, At: at})
	}
	return settled, lost
}

// valueText spells a value as [Describe] does.
func valueText(v crdt.Value) string {
	if v.Type() == crdt.TypeString {
		return v.Str()
	}
	return v.String()
}

// beginning returns so much of a text as a summary shows. It shares nothing with the text.
func beginning(text string) string {
	if len(text) > maxShown {
		n := maxShown
		for !utf8.RuneStart(text[n]) {
			n--
		}
		text = text[:n] + "…"
	}
	return strings.Clone(text)
}

// NameOverwritten makes each edit that writes a field name the op whose value it overwrites. An op that
// creates its story overwrites nothing.
func (tx *Tx) NameOverwritten() error {
	c := tx.state.known(tx.story)
	if c == nil || tx.creates {
		return tx.state.err
	}
	for i := range tx.edits {
		e := &tx.edits[i]
		if f, ok := schema.Field(e.Field); ok && e.Kind == crdt.KindSet {
			e.Over = crdt.OverOp(c.Writer(f))
		}
	}
	return nil
}

// Overwritten returns up to most values that were lost apart since a time, the last first: of one story, or of
// all if the ID is empty. A claim that was lost stands there as one: without the agent and the stage
// that its op wrote besides.
func (s *State) Overwritten(story string, since time.Time, most int) (all []Overwritten) {
	if s.err != nil {
		return nil
	}
	lost, err := s.src.Overwritten(story, since.UnixMilli(), most)
	lost = keep(s, lost, err)
	claims := make(map[crdt.OpID]bool)
	for i := range lost {
		if lost[i].Field == NameClaim {
			claims[lost[i].Lost] = true
		}
	}
	for _, o := range lost {
		if o.Field != NameClaim && claims[o.Lost] {
			continue
		}
		if s.leases != nil {
			agent, err := s.leases.AgentOf(o.Lost)
			o.Agent = keep(s, agent, err)
		}
		if s.leases != nil && s.err == nil {
			by, err := s.leases.AgentOf(o.Won)
			o.By = keep(s, by, err)
		}
		all = append(all, o)
	}
	return all
}

// maxOverwritten bounds the values that the warnings of one story name.
const maxOverwritten = 3

// overwritten returns [CodeOverwritten] of a story of which values were lost apart lately.
func (s *State) overwritten(id string) (Fact, bool) {
	now := s.now()
	if now.IsZero() || s.err != nil {
		return Fact{}, false
	}
	since := now.Add(-overwrittenShown)
	if s.lost == nil { // mostly there is none of any story
		any, err := s.src.Overwritten("", since.UnixMilli(), 1)
		some := len(keep(s, any, err)) > 0
		s.lost = &some
	}
	if !*s.lost {
		return Fact{}, false
	}
	lost := s.Overwritten(id, since, 4*maxOverwritten)
	return Fact{Code: CodeOverwritten, Story: id, Overwritten: first(lost, maxOverwritten), Count: len(lost)}, len(lost) > 0
}

// apartKey names a write that was lost.
type apartKey struct {
	story, field string
	lost         [8]byte
}

// noteApart keeps what an op that is about to be merged overwrites or loses apart.
func (m *Model) noteApart(story *crdt.Story, op *crdt.Op) {
	settled, lost := WroteApart(story, op, m.received)
	for _, o := range settled {
		delete(m.apart, apartKey{o.Story, o.Field, o.Over})
	}
	for _, o := range lost {
		m.apart[apartKey{o.Story, o.Field, [8]byte(o.Lost[:8])}] = o
	}
}

// Receive says when the ops came that are applied from now on, in ms since 1970 UTC.
func (m *Model) Receive(at int64) { m.received = at }

// Overwritten is that of [Source].
func (m *Model) Overwritten(story string, since int64, most int) (all []Overwritten, err error) {
	for _, o := range m.apart {
		if o.At >= since && (story == "" || story == o.Story) {
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Overwritten) int { return CompareOverwritten(&a, &b) })
	return first(all, most), nil
}
