package intake

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// readBacklog reads a folder of Backlog.md. Drafts and archived tasks come only when asked for.
// Decisions, documents and milestones are no tasks.
func readBacklog(name string, f fs.FS, o Options) (*List, error) {
	l := &List{Format: Backlog}
	b := backlog{list: l, ordinals: map[string]float64{}}
	dirs := []struct{ dir, status string }{{"tasks", ""}, {"completed", "completed"}}
	if o.Archive {
		dirs = append(dirs, struct{ dir, status string }{"archive/tasks", "archived"})
	}
	if o.Drafts {
		dirs = append(dirs, struct{ dir, status string }{"drafts", "draft"})
	}
	for _, d := range dirs {
		err := readEach(l, name, f, d.dir, func(file string, data []byte) { b.file(file, data, d.status) })
		if err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(l.Items, b.compare)
	return l, nil
}

// backlog reads the task files of Backlog.md into a list.
type backlog struct {
	list *List
	// ordinals holds where people put the tasks on the board, by ID.
	ordinals map[string]float64
}

// compare orders tasks as the board does: by ordinal, and those without one behind them by ID.
func (b *backlog) compare(x, y Item) int {
	place := func(it Item) float64 {
		if n, ok := b.ordinals[it.ID]; ok {
			return n
		}
		return math.Inf(1)
	}
	return cmp.Or(cmp.Compare(place(x), place(y)), crdt.CompareStoryIDs(digitsFirst(x.ID), digitsFirst(y.ID)))
}

// digitsFirst returns an ID without its prefix, so that it is compared by number.
func digitsFirst(id string) string { return id[strings.LastIndexByte(id, '-')+1:] }

var (
	// backlogFile matches the name of a task's file, as in "task-45 - Add-a-job.md".
	backlogFile = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_-]*-\d+(?:\.\d+)*)(?: +- +(.*))?$`)
	// backlogID parts an ID into prefix and number.
	backlogID = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9_-]*)-)?(\d+(?:\.\d+)*)$`)
	// backlogMark matches the comments by which Backlog.md finds the parts of a task.
	backlogMark = regexp.MustCompile(`(?m)^[ \t]*<!-- (?:SECTION:[A-Z_]+|AC|DOD|COMMENTS?|COMMENT):(?:BEGIN|END) -->[ \t]*\n?`)
	blankLines  = regexp.MustCompile(`\n{3,}`)
)

// file adds the task of one file. The folder's status wins over the file's, since Backlog.md moves a
// file without rewriting it. In drafts the status that the file has is of no use.
func (b *backlog) file(name string, data []byte, folderStatus string) {
	at := Place{File: name}
	front, body, _ := cutFrontMatter(data)
	meta, err := yamlMapping(front)
	if err != nil {
		b.list.breaks(at, "the front matter is not YAML (%v); mend it", err)
		return
	}
	stem := strings.TrimSuffix(path.Base(name), path.Ext(name))
	id, title := meta.first([]string{"id"}), meta.first([]string{"title"})
	if m := backlogFile.FindStringSubmatch(stem); m != nil {
		id = cmp.Or(id, m[1])
		title = cmp.Or(title, strings.ReplaceAll(m[2], "-", " "))
	}
	if id == "" {
		b.list.warn(at, "the file has no id in its front matter or its name, so it is no task; it is left out")
		return
	}
	prefix := "task"
	if m := backlogID.FindStringSubmatch(strings.TrimSpace(id)); m != nil && m[1] != "" {
		prefix = m[1]
	}
	it := Item{
		Origin: string(Backlog),
		ID:     normalID(id, prefix),
		Name:   cmp.Or(oneLine(title), firstHeading(body), stem),
		Status: oneLine(cmp.Or(meta.first([]string{"status"}), "to do")),
		Holder: strings.Join(texts(meta["assignee"]), ", "),
		At:     at,
	}
	it.setType(meta.first([]string{"type"}))
	if n, err := strconv.ParseFloat(meta.first([]string{"ordinal"}), 64); err == nil {
		b.ordinals[it.ID] = n
	}
	b.fill(&it, meta, body, prefix)
	switch {
	case folderStatus == "draft":
		it.Status = "draft"
		it.Stage = standings[""].stage
	case folderStatus != "" && standings[word(it.Status)].stage != standings["archived"].stage:
		it.Status = folderStatus
	}
	b.list.add(it)
}

// fill sets what the front matter and the text say beside the headline.
func (b *backlog) fill(it *Item, meta record, body []byte, prefix string) {
	if labels := texts(meta["labels"]); it.Type == "story" {
		it.Type = typeOfLabels(labels)
	}
	for _, d := range append(texts(meta["dependencies"]), texts(meta["depends_on"])...) {
		it.DependsOn = append(it.DependsOn, normalID(d, prefix))
	}
	if parent := meta.first([]string{"parent_task_id", "parent"}); parent != "" {
		it.Parent = normalID(parent, prefix)
		it.Links = append(it.Links, Link{"Part of", it.Parent})
	}
	description := backlogMark.ReplaceAllString(tidy(string(body)), "")
	description = blankLines.ReplaceAllString(description, "\n\n")
	// The heading of the first part says nothing that the place does not say.
	description = strings.TrimPrefix(strings.TrimLeft(description, "\n"), "## Description\n")
	it.Description = withLines(tidy(description),
		labelled("Labels", strings.Join(texts(meta["labels"]), ", ")),
		labelled("Milestone", scalar(meta["milestone"])),
		labelled("Priority", scalar(meta["priority"])),
		labelled("References", strings.Join(texts(meta["references"]), ", ")))
}

// normalID returns an ID with its prefix in upper case: "task-35" and "TASK-35" are one task, and a
// parent may be written without the prefix.
func normalID(id, prefix string) string {
	m := backlogID.FindStringSubmatch(strings.TrimSpace(id))
	if m == nil {
		return oneLine(id)
	}
	return fmt.Sprintf("%s-%s", strings.ToUpper(cmp.Or(m[1], prefix)), m[2])
}

// firstHeading returns the text of the first heading of a Markdown text, or "".
func firstHeading(body []byte) string {
	for line := range strings.Lines(string(body)) {
		if rest := strings.TrimLeft(line, "#"); rest != line && strings.HasPrefix(rest, " ") {
			return oneLine(strings.TrimRight(rest, "# \r\n"))
		}
	}
	return ""
}
