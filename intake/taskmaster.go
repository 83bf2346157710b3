package intake

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
)

// task is a task or a subtask of task-master.
type task struct {
	ID           any               `json:"id"`
	Title        loose             `json:"title"`
	Description  loose             `json:"description"`
	Details      loose             `json:"details"`
	TestStrategy loose             `json:"testStrategy"`
	Status       loose             `json:"status"`
	Priority     loose             `json:"priority"`
	Assignee     loose             `json:"assignee"`
	Dependencies []any             `json:"dependencies"`
	Subtasks     []json.RawMessage `json:"subtasks"`
}

// loose is a text. Models write these files, and now and then put a list or a number where a text belongs.
type loose string

// UnmarshalJSON reads a text, a number, or a list of these as a list in Markdown. Another value becomes
// its own JSON.
func (s *loose) UnmarshalJSON(data []byte) error {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
	case []any:
		for _, e := range v {
			*s += loose("- " + cmp.Or(oneLine(scalar(e)), compact(e)) + "\n")
		}
	default:
		*s = loose(cmp.Or(scalar(v), compact(v)))
	}
	return nil
}

// compact returns a value as JSON, and "" for an empty text.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil || v == "" {
		return ""
	}
	return string(b)
}

// masterTag is the tag that flat files of older versions became.
const masterTag = "master"

// isTaskMaster reports whether the members are those of a tasks.json: a list of tasks, or tags that
// hold such lists.
func isTaskMaster(members map[string]json.RawMessage) bool {
	if raw := members["tasks"]; len(raw) > 0 && raw[0] == '[' {
		return true
	}
	for _, raw := range members {
		if _, ok := tagTasks(raw); ok {
			return true
		}
	}
	return false
}

// tagTasks returns the tasks of a tag.
func tagTasks(raw json.RawMessage) (tasks []json.RawMessage, ok bool) {
	var tag map[string]json.RawMessage
	if json.Unmarshal(raw, &tag) != nil {
		return nil, false
	}
	return tasks, json.Unmarshal(tag["tasks"], &tasks) == nil && tasks != nil
}

func readTaskMaster(l *List, src Source) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(src.Data, &members); err != nil {
		return fmt.Errorf("%s: this is not the JSON of task-master (%w); name its tasks.json", src.Name, err)
	}
	if raw := members["tasks"]; len(raw) > 0 && raw[0] == '[' {
		var tasks []json.RawMessage
		if err := json.Unmarshal(raw, &tasks); err != nil {
			return fmt.Errorf("%s: tasks is not a list (%w); name the tasks.json of task-master", src.Name, err)
		}
		r := tagReader{list: l, file: src.Name, tag: masterTag}
		r.read(tasks)
		return nil
	}
	found := false
	for _, tag := range memberNames(src.Data) {
		if tasks, ok := tagTasks(members[tag]); ok {
			found = true
			r := tagReader{list: l, file: src.Name, tag: tag}
			r.read(tasks)
		}
	}
	if !found {
		return fmt.Errorf("%s: no tag of it holds a list of tasks; name the tasks.json of task-master", src.Name)
	}
	return nil
}

// memberNames returns the names of an object's members in the order in which they stand.
func memberNames(data []byte) []string {
	dec := json.NewDecoder(bytes.NewReader(data))
	var names []string
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		var value json.RawMessage
		if err != nil || dec.Decode(&value) != nil {
			break
		}
		if s, ok := name.(string); ok {
			names = append(names, s)
		}
	}
	return names
}

// tagReader reads the tasks of one tag, which has a numbering of its own.
type tagReader struct {
	list *List
	file string
	tag  string
	// known are the IDs of all tasks and subtasks of the tag, as in "3" and "3.1".
	known map[string]bool
	tasks []parsedTask
}

// parsedTask is a task with its place in the tag.
type parsedTask struct {
	task
	id, parent string
}

func (r *tagReader) read(tasks []json.RawMessage) {
	r.known = map[string]bool{}
	for i, raw := range tasks {
		r.parse(raw, "", i, 0)
	}
	for _, t := range r.tasks {
		r.list.add(r.item(t))
	}
}

// parse enters a task and its subtasks. Depth is how many tasks it is a part of.
func (r *tagReader) parse(raw json.RawMessage, parent string, index, depth int) {
	where := fmt.Sprintf("element %d", index+1)
	if parent != "" {
		where += " of task " + parent
	}
	at := Place{File: r.file, Row: fmt.Sprintf("%s of tag %s", where, r.tag)}
	t := parsedTask{parent: parent}
	if depth > maxSubtasks {
		r.list.breaks(at, "it is a part of %d tasks, and at most %d are read; make it a task of its own", depth, maxSubtasks)
		return
	}
	if !decodeRow(r.list, at, raw, &t.task) {
		return
	}
	id := strings.TrimSpace(scalar(t.ID))
	if id == "" {
		r.list.breaks(at, "the task has no id; give it one")
		return
	}
	t.id = id
	// Some files write the ID of a subtask with that of its task.
	if parent != "" && !strings.HasPrefix(id, parent+".") {
		t.id = parent + "." + id
	}
	r.known[t.id] = true
	r.tasks = append(r.tasks, t)
	for i, sub := range t.Subtasks {
		r.parse(sub, t.id, i, depth+1)
	}
}

// full returns the ID of a task of the tag among all tags.
func (r *tagReader) full(id string) string { return r.tag + "/" + id }

func (r *tagReader) item(t parsedTask) Item {
	it := Item{
		Origin: string(TaskMaster),
		ID:     r.full(t.id),
		Name:   string(t.Title),
		Type:   "story",
		Status: oneLine(string(t.Status)),
		Holder: string(t.Assignee),
		At:     Place{File: r.file, Row: fmt.Sprintf("task %s of tag %s", t.id, r.tag)},
	}
	for _, d := range t.Dependencies {
		if id := strings.TrimSpace(scalar(d)); id != "" {
			it.DependsOn = append(it.DependsOn, r.full(r.resolve(id, t.parent)))
		}
	}
	if t.parent != "" {
		it.Parent = r.full(t.parent)
		it.Links = append(it.Links, Link{"Part of", it.Parent})
	}
	it.Description = withLines(
		compose(string(t.Description), section{"Details", string(t.Details)}, section{"Test strategy", string(t.TestStrategy)}),
		labelled("Priority", string(t.Priority)))
	return it
}

// resolve returns which task a dependency means. In a subtask a number without a point means a sibling,
// if there is one.
func (r *tagReader) resolve(id, parent string) string {
	if sibling := parent + "." + id; parent != "" && r.known[sibling] {
		return sibling
	}
	return id
}
