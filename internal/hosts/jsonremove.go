package hosts

import (
	"bytes"

	"github.com/tailscale/hujson"
)

// findJSON returns the container of a spot and the places of the items in it for
// which is reports true. It returns no places if the path leads nowhere.
func findJSON(text []byte, s spot, is func(hujson.Value) bool) (c container, places []int, err error) {
	at, err := parseText(text)
	if err != nil {
		return c, nil, err
	}
	for i, key := range s.path {
		object, err := objectAt(at, s.path[:i])
		if err != nil {
			return c, nil, err
		}
		found, err := object.find(key)
		if err != nil || found < 0 {
			return c, nil, err
		}
		at = object.items[found].value
	}
	c, ok := contain(at)
	if !ok || c.isArray != (s.key == "") {
		return c, nil, nil
	}
	if !c.isArray {
		if _, err := c.find(s.key); err != nil {
			return c, nil, err
		}
	}
	for i, it := range c.items {
		if it.key == s.key && is(it.value) {
			places = append(places, i)
		}
	}
	return c, places, nil
}

// cutItem returns the spans to cut so that an item and one comma are gone. With
// line the item's line goes too.
func cutItem(text []byte, c container, i int, line bool) []Span {
	it := c.items[i]
	start := it.start
	if line {
		start -= blanksBefore(it.before)
	}
	switch last := i == len(c.items)-1; {
	case !last || c.trailing:
		end := it.end + len(it.after) + 1
		return []Span{{start, end - start}}
	case i > 0:
		before := c.items[i-1]
		return []Span{{before.end + len(before.after), 1}, {start, it.end - start}}
	}
	return []Span{{start, it.end - start}}
}

// blanksBefore returns the length of the blanks at the end of a text, from the last
// newline on if there is one.
func blanksBefore(text []byte) int {
	blanks := text[len(bytes.TrimRight(text, " \t\r\n")):]
	if i := bytes.LastIndexByte(blanks, '\n'); i >= 0 {
		if i > 0 && blanks[i-1] == '\r' {
			i--
		}
		blanks = blanks[i:]
	}
	return len(blanks)
}
