package intake

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// number gives the items story IDs. Stories of huskies keep theirs if the number was never used. The
// others get numbers behind the greatest, in the order given.
func (p *planner) number(order []int) {
	taken := map[uint32]bool{}
	for _, i := range order {
		it := &p.items[i]
		if it.Origin != string(Huskies) || !crdt.ValidStoryID(it.ID) {
			continue
		}
		n, numbered := pipeline.Number(it.ID)
		if numbered && p.here.numbers[n] {
			p.warn(it.At, "the number %d is in use; the story gets another one", n)
			continue
		}
		it.id = it.ID
		if numbered {
			taken[n] = true
		}
	}
	next := uint64(p.here.greatest)
	for _, i := range order {
		if p.items[i].id != "" {
			continue
		}
		for next++; next <= math.MaxUint32 && taken[uint32(next)]; {
			next++
		}
		n := uint32(next)
		if next > math.MaxUint32 {
			n = p.free(taken)
		}
		taken[n] = true
		p.items[i].id = p.storyID(n, &p.items[i].Item)
	}
}

// free returns the least number that is free. There is one: a pipeline has fewer stories than numbers.
func (p *planner) free(taken map[uint32]bool) uint32 {
	n := uint32(1)
	for p.here.numbers[n] || taken[n] {
		n++
	}
	return n
}

func (p *planner) storyID(n uint32, it *Item) string {
	id := fmt.Sprintf("%d_%s", n, it.Type)
	if p.options.Slug != nil {
		if slug := p.options.Slug(it.Name); slug != "" {
			id += "_" + slug
		}
	}
	return strings.TrimRight(id[:min(len(id), crdt.MaxStoryID)], "_")
}

// story returns the story that an item becomes.
func (p *planner) story(i int) Story {
	it := &p.items[i]
	s := Story{
		ID:          it.id,
		Stage:       it.Stage,
		Name:        it.Name,
		Blocked:     it.Blocked,
		RetryCount:  it.RetryCount,
		Description: it.Description,
		DependsOn:   p.dependencies(it),
		At:          it.At,
	}
	if it.Blocked {
		s.BlockedReason = cutWords(it.BlockedReason, pipeline.MaxReason)
	}
	if len(s.Name) > pipeline.MaxName {
		s.Name = cutWords(s.Name, pipeline.MaxName)
		s.Description = tidy(it.Name + "\n\n" + s.Description)
		p.warn(it.At, "the name is cut to %d bytes; the whole of it is in the description", pipeline.MaxName)
	}
	var links []string
	for _, link := range it.Links {
		links = append(links, labelled(link.Label, p.linked(it, link)))
	}
	s.Description = withLines(s.Description, links...)
	s.Note = p.origin(&it.Item)
	if len(s.Description) > pipeline.MaxDescription {
		s.Description = cutText(s.Description, pipeline.MaxDescription)
		s.Note += fmt.Sprintf("\nThe description is cut at %d KiB. The whole of it stands in the source.", pipeline.MaxDescription>>10)
		p.warn(it.At, "the description is cut at %d KiB; a note says where the whole of it stands", pipeline.MaxDescription>>10)
	}
	s.Note = p.withComments(s.Note, it)
	return s
}

// dependencies returns the numbers of what the item waits for, ascending and each once.
func (p *planner) dependencies(it *planned) []uint32 {
	numbers := append([]uint32{}, it.numbers...)
	for _, w := range it.waits {
		if n, ok := pipeline.Number(p.items[w].id); ok {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// linked returns how a description names another item: as its story if there is one.
func (p *planner) linked(it *planned, link Link) string {
	k := keyOf(it.Origin, link.ID)
	story := p.here.stories[k]
	if i, ok := p.byKey[k]; ok {
		story = p.items[i].id
	}
	switch {
	case story == "":
		return link.ID
	case it.Named || story == link.ID:
		return story
	}
	return story + " (" + link.ID + ")"
}

// origin returns the note that says where the story came from, by which it is known again.
func (p *planner) origin(it *Item) string {
	note := ""
	for i, k := range it.keys() {
		if i < maxKeys && !strings.Contains(note, sourceMark+string(k)+"\n") {
			note += sourceMark + string(k) + "\n"
		}
	}
	note += fmt.Sprintf("Brought in from %s.", cutWords(it.At.String(), 512))
	holder := cutWords(it.Holder, crdt.MaxAgent)
	switch {
	case it.Held && holder != "":
		note += fmt.Sprintf(" It was in progress there, held by %s.", holder)
	case it.Held:
		note += " It was in progress there."
	case holder != "":
		note += fmt.Sprintf(" It was assigned to %s there.", holder)
	}
	if it.Odd {
		note += fmt.Sprintf(" Its status there was %q.", cutWords(it.Status, 128))
	}
	return note
}

// withComments appends to a note what people said about the item. An op has one note, so that all
// of it stands there. What does not fit is counted.
func (p *planner) withComments(note string, it *planned) string {
	for i, said := range it.Notes {
		if len(said) > maxComment {
			said = cutText(said, maxComment)
			p.warn(it.At, "a note is cut at %d KiB; the whole of it stands in the source", maxComment>>10)
		}
		if len(note)+len(said)+maxKey > crdt.MaxNote {
			left := len(it.Notes) - i
			p.warn(it.At, "%s of it left out, since a note of a story has room for %d KiB", count(left, "note is", "notes are"), crdt.MaxNote>>10)
			return note + fmt.Sprintf("\n\n%s in the source.", count(left, "more note stands", "more notes stand"))
		}
		note += "\n\n" + said
	}
	return note
}

const cutMark = "…"

// cutWords returns at most the first most bytes of a line, cut at a word.
func cutWords(s string, most int) string {
	if len(s) <= most {
		return s
	}
	head := whole(s[:most-len(cutMark)])
	if i := strings.LastIndexByte(head, ' '); i > 0 {
		head = head[:i]
	}
	return strings.TrimRight(head, " ") + cutMark
}

// cutText returns at most the first most bytes of a text, cut at a line or a word.
func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	head := whole(s[:most-len(cutMark)-1])
	// A text without a line or a word near its end is cut between two characters.
	if i := cmp.Or(max(0, strings.LastIndexByte(head, '\n')), max(0, strings.LastIndexByte(head, ' '))); i > most/2 {
		head = head[:i]
	}
	return strings.TrimRight(head, " \n") + "\n" + cutMark
}

// whole returns s without a character that is cut at its end.
func whole(s string) string {
	for i := 0; i < utf8.UTFMax && len(s) > 0; i++ {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s
}
