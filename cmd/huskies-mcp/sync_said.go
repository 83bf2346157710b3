package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// authorSet holds authors, in the order in which they were added.
type authorSet []crdt.Author

func (s *authorSet) add(a crdt.Author) {
	if !slices.Contains(*s, a) {
		*s = append(*s, a)
	}
}

// maxAuthors bounds the authors whom a note names.
const maxAuthors = 5

// sayTrust says how the ops of authors become applied on one side.
func (x *syncRun) sayTrust(where string, authors authorSet, members bool) {
	command := "trust add"
	if members {
		command = "members accept"
	}
	for _, a := range authors[:min(len(authors), maxAuthors)] {
		fmt.Fprintf(x.cmd.ErrOrStderr(), "note: to apply those of the author, run %s: huskies-mcp %s %s\n", where, command, a)
	}
	if more := len(authors) - maxAuthors; more > 0 {
		fmt.Fprintf(x.cmd.ErrOrStderr(), "note: and so on for %s\n", phrase.Count(more, "author more", "authors more"))
	}
}

// sayHeldHere names the authors of the ops that came and are held here.
func (x *syncRun) sayHeldHere(ctx context.Context, count int) error {
	trusted, err := x.env.replica.Trusted(ctx)
	if err != nil {
		return err
	}
	own, err := x.env.replica.Identities(ctx)
	if err != nil {
		return err
	}
	var authors authorSet
	is, _, err := x.env.replica.Members(ctx)
	if err != nil {
		return err
	}
	err = x.eachCame(func(op *crdt.Op) {
		if is != nil && is.Counts(op.Author) {
			return
		}
		for _, t := range trusted {
			if is == nil && t.Author == op.Author {
				return
			}
		}
		for _, id := range own {
			if id.Author == op.Author {
				return
			}
		}
		authors.add(op.Author)
	})
	fmt.Fprintf(x.cmd.ErrOrStderr(), "note: %s of authors who are not trusted here and change no story\n", phrase.Count(count, "op that came is", "ops that came are"))
	x.sayTrust("here", authors, is != nil)
	return err
}

// heldCount is how a summary of an import counts held ops.
var heldCount = regexp.MustCompile(`\b[1-9][0-9]* held\b`)

func held(summary string) bool { return heldCount.MatchString(summary) }

// sayHeldThere names the authors whom the far side does not trust.
func (x *syncRun) sayHeldThere(ctx context.Context, authors authorSet) {
	said, err := x.far.run(ctx, nil, nil, "trust", "list")
	if err != nil {
		return // its own note says that ops are held
	}
	authors = slices.DeleteFunc(authors, func(a crdt.Author) bool { return strings.Contains(said.stdout, a.String()) })
	x.sayTrust("at "+phrase.Line(x.far.name), authors, strings.HasPrefix(said.stdout, membersDecide))
}

const (
	// maxTwice bounds the decisions that are spelt out.
	maxTwice = 20
	// maxValue is how many columns of a value are shown.
	maxValue = 40
)

// sayTwice says what was decided on both sides, and what became of it.
func (x *syncRun) sayTwice(ctx context.Context) error {
	twice := x.sides.Twice()
	if len(twice) == 0 {
		return nil
	}
	lines := []string{fmt.Sprintf("decided on both sides: %s", phrase.Count(len(twice), "field", "fields"))}
	err := x.env.replica.View(ctx, func(v *replica.View) error {
		lines = lines[:1]
		for _, t := range twice[:min(len(twice), maxTwice)] {
			lines = append(lines, "  "+decided(v, t))
		}
		return v.Err()
	})
	if more := len(twice) - maxTwice; more > 0 {
		lines = append(lines, fmt.Sprintf("  and %d more", more))
	}
	if err != nil {
		return err
	}
	return printText(x.cmd, strings.Join(lines, "\n")+"\n")
}

// decided says what became of a field that both sides wrote.
func decided(v *replica.View, t pipeline.Twice) string {
	st, err := v.Story(t.Story)
	if t.Field == crdt.DeletedField {
		text := t.Story + " was deleted here and changed there"
		if t.Here != "true" {
			text = t.Story + " was deleted there and changed here"
		}
		if err != nil {
			text += ": it is deleted, and huskies-mcp undelete brings it back"
		}
		return text
	}
	text := fmt.Sprintf("%s %s: %s here, %s there", t.Story, phrase.Line(t.Field), shown(t.Here), shown(t.There))
	if err != nil {
		return text
	}
	switch now, ok := st.Value(t.Field); {
	case ok && now == t.Here:
		text += "; that of here counts"
	case ok && now == t.There:
		text += "; that of there counts"
	}
	return text
}

// shown returns the beginning of a value, on one line.
func shown(value string) string {
	if value = phrase.Line(value); value == "" {
		return "empty"
	}
	return phrase.Cut(value, maxValue)
}
