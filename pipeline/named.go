package pipeline

import (
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// numberNamed matches what names a story by its number alone: 12, #12, story 12, Bug #12.
var numberNamed = regexp.MustCompile(`^(?i:(?:story|bug|spike|refactor|item|ticket|issue|number)\s*)?#?\s*([0-9]{1,10})$`)

// NumberNamed returns the number that name names a story by, and false if name is anything else. An
// ID that begins with a number is not such a name, unless it is the number alone.
func NumberNamed(name string) (uint32, bool) {
	found := numberNamed.FindStringSubmatch(strings.TrimSpace(name))
	if found == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(found[1], 10, 32)
	return uint32(n), err == nil
}

// Resolve returns the ID of the story that name names. The ID of a visible story names that story.
// Any other name of the forms of NumberNamed names the one visible story with the number, or, if no
// visible story has the number, a deleted one. Where that is no story or several, Resolve returns an
// error with the candidates, and so it does of what can be no ID, such as a story's headline. Every
// other name is returned as it is.
func (s *State) Resolve(name string) (id string, err error) {
	n, ok := NumberNamed(name)
	switch {
	case !ok && !crdt.ValidStoryID(name):
		return name, s.meant(name)
	case !ok || s.visible(name) != nil:
		return name, s.err
	}
	switch ids, count := s.visibleWith(n, MaxNamed, ""), s.number(n).Visible; {
	case s.err != nil:
		return "", s.err
	case count == 1 && len(ids) == 1:
		return ids[0], nil
	case count > 0:
		return "", refuse(Fact{Code: CodeSeveral, Number: n, IDs: ids, Count: count})
	}
	if deleted := s.deletedWith(n); deleted != "" || s.err != nil {
		return deleted, s.err
	}
	return "", refuse(Fact{Code: CodeNoNumber, Number: n, Gaps: s.Missing()}).orErr(s)
}

// meant returns an error with the stories that a name may mean that can be no ID. It returns nil if
// there are none: [CheckStoryID] says what is wrong with the name.
func (s *State) meant(name string) error {
	if len(name) > MaxName {
		return s.err
	}
	if ids := s.similar(name); len(ids) > 0 {
		return refuse(Fact{Code: CodeNoStory, Story: name, IDs: ids, Gaps: s.Missing()}).orErr(s)
	}
	return s.err
}

// Numbers returns the numbers of the stories that depends_on names, by their numbers or IDs. No story
// need have a number that is given as such. A story waits for all stories of a number, so Numbers
// warns of a number that several have.
func (tx *Tx) Numbers(names []string) ([]uint32, error) {
	numbers := make([]uint32, 0, len(names))
	for _, name := range names {
		n, ok := NumberNamed(name)
		if !ok {
			var err error
			if n, err = tx.numberOf(name); err != nil {
				return nil, err
			}
		}
		if count := tx.state.number(n).Visible; count > 1 {
			tx.warn(Fact{Code: CodeAllOfNumber, Given: name, Number: n, IDs: tx.state.visibleWith(n, MaxNamed, ""), Count: count})
		}
		numbers = append(numbers, n)
	}
	return numbers, tx.state.err
}

// numberOf returns the number of a story that depends_on names by its ID.
func (tx *Tx) numberOf(id string) (uint32, error) {
	if !crdt.ValidStoryID(id) {
		var e *Error
		if err := tx.state.meant(id); errors.As(err, &e) {
			e.Field = NameDependsOn
			return 0, e
		}
		return 0, refuse(Fact{Code: CodeBadDependency, Given: id}).orErr(tx.state)
	}
	if Reserved(id) {
		return 0, reserved(id)
	}
	if c := tx.state.known(id); c == nil || VisibleStage(c) == "" && !c.Deleted() {
		err := tx.state.notFound(id)
		err.Field = NameDependsOn
		return 0, err.orErr(tx.state)
	}
	n, ok := Number(id)
	if !ok {
		return 0, refuse(Fact{Code: CodeUnnumbered, Story: id})
	}
	return n, nil
}
