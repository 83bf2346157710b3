package intake

import (
	"fmt"
	"strings"
)

// odd is a word of the source that means nothing here.
type odd struct {
	word  string // as it stands in the first item that has it
	count int    // of items
	// places are those of the first items.
	places []Place
}

// warnOfOdd warns of each status and each type that is not understood, once for each word: it may be a
// typing error, and what it should say is lost.
func (p *planner) warnOfOdd() {
	var statuses, types oddWords
	for i := range p.items {
		it := &p.items[i]
		if it.refused {
			continue
		}
		if it.Odd && !it.staged {
			statuses.add(it.Status, it.At)
		}
		if it.OddType != "" && it.Type == storyType("") {
			types.add(it.OddType, it.At)
		}
	}
	for _, o := range statuses.all {
		p.warn(o.places[0], "the status %q is not understood, so %s to %s%s", o.shown(), goes(o.count, "the story goes", "stories go"), standings[""].stage, o.others())
	}
	for _, o := range types.all {
		p.warn(o.places[0], "the type %q is not understood, so %s of the type %s%s", o.shown(), goes(o.count, "the story is", "stories are"), storyType(""), o.others())
	}
}

// goes returns the words for one story, or the number and the words for several.
func goes(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return count(n, one, many)
}

// oddWords are the odd words of one field, in the order of the source.
type oddWords struct {
	all    []*odd
	byWord map[string]*odd
}

// add notes that the item at a place has the word. Words that differ only as [word] makes equal count as one.
func (w *oddWords) add(text string, at Place) {
	o := w.byWord[word(text)]
	if o == nil {
		if w.byWord == nil {
			w.byWord = map[string]*odd{}
		}
		o = &odd{word: oneLine(text)}
		w.byWord[word(text)] = o
		w.all = append(w.all, o)
	}
	if o.count++; len(o.places) < maxPlaces {
		o.places = append(o.places, at)
	}
}

// shown returns the word at a length that fits a line.
func (o *odd) shown() string { return cutWords(o.word, maxHeadline) }

// others names the places but the first. It is empty if there are no more.
func (o *odd) others() string {
	if o.count == 1 {
		return ""
	}
	var names []string
	for _, at := range o.places[1:] {
		if at.File == o.places[0].File && at.Line > 0 {
			names = append(names, fmt.Sprintf("line %d", at.Line))
		} else {
			names = append(names, at.String())
		}
	}
	text := "; the others: " + strings.Join(names, ", ")
	if more := o.count - len(o.places); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
