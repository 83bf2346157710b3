package demo

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// storiesText are the stories of the week in the order in which they are added, so that the n-th gets
// the number n. Each begins with its kind and name. Fields follow, and after an empty line the
// description:
//
//	day      when it is added, see week.at
//	by       who adds it, if it is not the person
//	needs    the numbers of the stories that come first
//	note     what the agent that works on it writes
//	reject   why the review sends it back
//	retries  how often the work fails before it succeeds
//	limit    "yes" if it never succeeds
//	block    why the agent that begins it gives it back blocked
//	drop     when the person deletes it
//
//go:embed stories.md
var storiesText string

// plan is what is to become of one story.
type plan struct {
	kind, name, text string
	day, drop        float64
	by, block        string
	needs            []int
	notes, rejects   []string
	retries          int
	limit            bool
}

// readPlans reads stories in the form of storiesText.
func readPlans(text string) (plans []plan, err error) {
	for i, part := range strings.Split("\n"+text, "\n# ")[1:] {
		p, err := readPlan(part)
		if err != nil {
			return nil, fmt.Errorf("story %d: %w", i+1, err)
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func readPlan(part string) (p plan, err error) {
	head, text, _ := strings.Cut(part, "\n\n")
	lines := strings.Split(head, "\n")
	kind, name, ok := strings.Cut(lines[0], ": ")
	if !ok {
		return p, fmt.Errorf("heading %q has no kind", lines[0])
	}
	p.kind, p.name, p.text = kind, name, strings.TrimSpace(text)
	for _, line := range lines[1:] {
		if err := p.field(line); err != nil {
			return p, fmt.Errorf("%q: %w", line, err)
		}
	}
	return p, nil
}

// field reads one line of a story's head.
func (p *plan) field(line string) (err error) {
	name, value, _ := strings.Cut(line, ": ")
	switch name {
	case "day":
		p.day, err = strconv.ParseFloat(value, 64)
	case "drop":
		p.drop, err = strconv.ParseFloat(value, 64)
	case "by":
		p.by = value
	case "note":
		p.notes = append(p.notes, value)
	case "reject":
		p.rejects = append(p.rejects, value)
	case "block":
		p.block = value
	case "limit":
		p.limit = value == "yes"
	case "retries":
		p.retries, err = strconv.Atoi(value)
	case "needs":
		for n := range strings.SplitSeq(value, ", ") {
			number, err := strconv.Atoi(n)
			if err != nil {
				return err
			}
			p.needs = append(p.needs, number)
		}
	default:
		err = fmt.Errorf("no story has a field %q", name)
	}
	return err
}
