package pipeline

import (
	"fmt"
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
// error with the candidates. Every other name is returned as it is.
func (s *State) Resolve(name string) (id string, err error) {
	n, ok := NumberNamed(name)
	if !ok || s.visible(name) != nil {
		return name, s.err
	}
	switch ids, count := s.visibleWith(n, maxNamed, ""), s.number(n).Visible; {
	case s.err != nil:
		return "", s.err
	case count == 1 && len(ids) == 1:
		return ids[0], nil
	case count > 0:
		return "", invalid("give the whole story_id of one of them", "number %d is that of several stories: %s", n, someOf(ids, count))
	}
	if deleted := s.deletedWith(n); deleted != "" || s.err != nil {
		return deleted, s.err
	}
	e := &Error{
		Code:    CodeNotFound,
		Message: fmt.Sprintf("no story has the number %d", n),
		Next:    "find the right story_id with list_items; write_item with a name and without story_id creates a story, which gets the next number",
	}
	if missing := s.Missing(); missing != "" {
		e.Message += ", as far as can be seen; " + missing
	}
	return "", e.orErr(s)
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
			tx.warnings = append(tx.warnings, fmt.Sprintf("depends_on %s: several stories have the number %d (%s), and all of them must be done",
				name, n, someOf(tx.state.visibleWith(n, maxNamed, ""), count)))
		}
		numbers = append(numbers, n)
	}
	return numbers, tx.state.err
}

// numberOf returns the number of a story that depends_on names by its ID.
func (tx *Tx) numberOf(id string) (uint32, error) {
	if !crdt.ValidStoryID(id) {
		return 0, invalid("give the number or the story_id of a story", "depends_on %.140q names no story", id)
	}
	if c := tx.state.known(id); c == nil || VisibleStage(c) == "" && !c.Deleted() {
		err := tx.state.notFound(id)
		err.Message = "depends_on: " + err.Message
		return 0, err.orErr(tx.state)
	}
	n, ok := Number(id)
	if !ok {
		return 0, invalid("depend on stories whose IDs begin with a number", "depends_on %s: the ID begins with no number, so nothing can depend on it", id)
	}
	return n, nil
}
