package intake

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

// bead is a line of .beads/issues.jsonl, or an element of what "bd list --json" prints.
type bead struct {
	Kind         string        `json:"_type"`
	ID           string        `json:"id"`
	Title        string        `json:"title"`
	Description  string        `json:"description"`
	Design       string        `json:"design"`
	Acceptance   string        `json:"acceptance_criteria"`
	Notes        string        `json:"notes"`
	Status       string        `json:"status"`
	Priority     any           `json:"priority"`
	Type         string        `json:"issue_type"`
	Assignee     string        `json:"assignee"`
	CloseReason  string        `json:"close_reason"`
	Labels       []string      `json:"labels"`
	Dependencies []beadLink    `json:"dependencies"`
	Comments     []beadComment `json:"comments"`
}

// beadLink is a dependency. The export names its members otherwise than "bd show --json" does.
type beadLink struct {
	DependsOn string `json:"depends_on_id"`
	Type      string `json:"type"`
	ShownID   string `json:"id"`
	ShownType string `json:"dependency_type"`
}

type beadComment struct {
	Author    string `json:"author"`
	Text      string `json:"text"`
	CreatedAt string `json:"created_at"`
}

// readBeads reads JSON Lines, or one array of the same objects.
func readBeads(l *List, src Source) error {
	rows := lines(src)
	if trimmed := bytes.TrimSpace(src.Data); len(trimmed) > 0 && trimmed[0] == '[' {
		var err error
		if rows, err = elements(l, src); err != nil {
			return err
		}
	}
	for _, row := range rows {
		var b bead
		if !decodeRow(l, row.at, row.raw, &b) {
			continue
		}
		switch {
		case b.Kind != "" && b.Kind != "issue": // a memory or another thing that is no work
		case word(b.Status) == "tombstone": // the issue was deleted
		case b.ID == "":
			l.breaks(row.at, "the issue has no id; give it one")
		default:
			l.add(b.item(row.at))
		}
	}
	return nil
}

func (b *bead) item(at Place) Item {
	it := Item{
		Origin: string(Beads),
		ID:     oneLine(b.ID),
		Name:   b.Title,
		Status: oneLine(b.Status),
		Holder: b.Assignee,
		At:     at,
	}
	it.setType(b.Type)
	if it.Type == "story" {
		it.Type = typeOfLabels(b.Labels)
	}
	for _, d := range b.Dependencies {
		d.enter(&it)
	}
	it.Description = compose(b.Description,
		section{"Design", b.Design},
		section{"Acceptance criteria", b.Acceptance},
		section{"Notes", b.Notes})
	it.Description = withLines(it.Description,
		labelled("Labels", strings.Join(b.Labels, ", ")),
		labelled("Priority", scalar(b.Priority)))
	for _, c := range b.Comments {
		it.Notes = append(it.Notes, remark(c.Author, c.CreatedAt, c.Text))
	}
	if reason := oneLine(b.CloseReason); reason != "" {
		it.Notes = append(it.Notes, "Closed: "+reason)
	}
	return it
}

// enter adds the link to the item. Only "blocks" makes the item wait: an epic's children would never
// be ready if they waited for the epic.
func (d beadLink) enter(it *Item) {
	// Behind the ID can stand a newline and the output of a program.
	id, _, _ := strings.Cut(strings.TrimSpace(cmp.Or(d.DependsOn, d.ShownID)), "\n")
	id = oneLine(id)
	kind := word(cmp.Or(d.Type, d.ShownType))
	switch {
	case id == "":
	case kind == "blocks" || kind == "":
		if !slices.Contains(it.DependsOn, id) {
			it.DependsOn = append(it.DependsOn, id)
		}
	case kind == "parent-child":
		it.Parent = id
		it.Links = append(it.Links, Link{"Part of", id})
	default:
		label := strings.ReplaceAll(kind, "-", " ")
		it.Links = append(it.Links, Link{strings.ToUpper(label[:1]) + label[1:], id})
	}
}
