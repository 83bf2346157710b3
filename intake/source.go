package intake

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// sourceMark begins the line of a note that says where a story came from.
const sourceMark = "source: "

// Key identifies an item among all sources: its origin and its ID there.
type Key string

// key returns the item's key.
func (it *Item) key() Key { return keyOf(it.Origin, it.ID) }

// keys returns the item's key and those that its notes name: a story in an export may have been
// brought in from elsewhere before.
func (it *Item) keys() []Key {
	keys := []Key{it.key()}
	if it.Origin == string(Huskies) {
		for _, note := range it.Notes {
			keys = append(keys, sources(note)...)
		}
	}
	return keys
}

// sources returns the keys in the lines with which a note begins.
func sources(note string) []Key {
	var keys []Key
	for line := range strings.Lines(note) {
		rest, ok := strings.CutPrefix(line, sourceMark)
		if !ok {
			break
		}
		keys = append(keys, Key(strings.TrimSpace(rest)))
	}
	return keys
}

func keyOf(origin, id string) Key {
	k := oneLine(origin + " " + id)
	if len(k) > maxKey {
		sum := sha256.Sum256([]byte(k))
		k = strings.ToValidUTF8(k[:maxKey], "") + fmt.Sprintf("~%x", sum[:8])
	}
	return Key(k)
}

// Index knows which items the pipeline holds already, and which numbers were used. The zero value is
// an empty pipeline.
type Index struct {
	stories map[Key]string
	// deleted holds the IDs of deleted stories.
	deleted map[string]bool
	// numbers are those of all stories.
	numbers map[uint32]bool
	// live holds a story for each number of stories that are not deleted.
	live map[uint32]string
	// greatest is the greatest number that was used.
	greatest uint32
}

// Add enters a story with its notes. The caller must add all stories before a plan is made.
func (x *Index) Add(id string, notes ...string) {
	x.add(id, notes)
	if n, ok := pipeline.Number(id); ok {
		x.live[n] = id
	}
}

// AddDeleted enters a deleted story. Its number is not given out again, and its work is not brought in
// anew.
func (x *Index) AddDeleted(id string, notes ...string) {
	x.add(id, notes)
	x.deleted[id] = true
}

// add is what Add and AddDeleted have in common.
func (x *Index) add(id string, notes []string) {
	if x.stories == nil {
		x.stories = map[Key]string{}
		x.deleted = map[string]bool{}
		x.numbers = map[uint32]bool{}
		x.live = map[uint32]string{}
	}
	x.enter(keyOf(string(Huskies), id), id)
	for _, note := range notes {
		for _, k := range sources(note) {
			x.enter(k, id)
		}
	}
	if n, ok := pipeline.Number(id); ok {
		x.numbers[n] = true
		x.greatest = max(x.greatest, n)
	}
}

// enter keeps the first story of a key.
func (x *Index) enter(k Key, id string) {
	if x.stories[k] == "" {
		x.stories[k] = id
	}
}

// find returns the story that an item is in the pipeline already.
func (x *Index) find(it *Item) (Known, bool) {
	for _, k := range it.keys() {
		if id, ok := x.stories[k]; ok {
			return Known{it.At, k, id}, true
		}
	}
	return Known{}, false
}
