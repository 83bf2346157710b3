package pipeline

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// types are the kinds of stories that an ID may name.
var types = []string{"story", "bug", "spike", "refactor"}

// Types returns the kinds of stories that an ID may name.
func Types() []string { return slices.Clone(types) }

// NewID returns an ID for a new story: <number>_<type>_<slug>, or
// <number>_<type> without a slug. The number is the one that was offered, if it is unused. Else it is above all that were
// ever used, those of deleted stories too. Typ is story, bug, spike or refactor; "" is story.
// Of slug so much is taken as an ID can hold, without the type if it begins with that. Where other
// replicas may give out the same number meanwhile, the ID ends in a suffix, see MakeApart.
func (tx *Tx) NewID(typ, slug string) (string, error) {
	if typ == "" {
		typ = types[0]
	}
	if !slices.Contains(types, typ) {
		return "", refuse(Fact{Code: CodeBadType, Given: typ})
	}
	n, err := tx.number()
	if err != nil {
		return "", err
	}
	suffix := ""
	if tx.apart != nil {
		if suffix, err = tx.apart(); err != nil {
			return "", err
		}
	}
	id := fmt.Sprintf("%d_%s", n, typ)
	if slug = strings.TrimPrefix(slug, typ+"_"); slug != "" && slug != typ {
		id += "_" + slug
	}
	if suffix != "" {
		suffix = "_" + suffix
	}
	return strings.TrimRight(id[:min(len(id), crdt.MaxStoryID-len(suffix))], "_") + suffix, nil
}

// number returns the number of a new story.
func (tx *Tx) number() (uint32, error) {
	if n := tx.offered; n > 0 && tx.state.number(n).Known == 0 {
		return n, tx.state.err
	}
	return tx.state.nextNumber()
}

// OfferNumber makes the next new story take a number that a hub keeps for it, if no story had the number. 0 is none.
func (tx *Tx) OfferNumber(n uint32) { tx.offered = n }

// GreatestNumber returns the greatest number that a story ever had, 0 if none had one.
func (s *State) GreatestNumber() uint32 { return s.greatest() }

// nextNumber returns a number that no story ever had: the one after the
// greatest, or, after somebody has used the greatest there is, the least.
func (s *State) nextNumber() (uint32, error) {
	if greatest := s.greatest(); s.err != nil || greatest < math.MaxUint32 {
		return greatest + 1, s.err
	}
	n, ok, err := s.src.Unused()
	if keep(s, ok, err); s.err != nil {
		return 0, s.err
	}
	if !ok {
		return 0, refuse(Fact{Code: CodeNoFreeNumber})
	}
	return n, nil
}
