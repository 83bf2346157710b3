package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// record is a row of CSV or an object of JSON, by its keys in the spelling of key. CSV has texts.
// JSON has what encoding/json gives, with numbers as json.Number.
type record map[string]any

// The keys of a record that mean something, the preferred spelling first.
var (
	idKeys          = []string{"id", "key", "story_id"}
	nameKeys        = []string{"name", "title", "summary"}
	statusKeys      = []string{"status", "stage", "state"}
	descriptionKeys = []string{"description", "body"}
	notesKeys       = []string{"notes"}
	dependsKeys     = []string{"depends_on", "dependencies"}
	typeKeys        = []string{"type", "issue_type"}
	holderKeys      = []string{"agent", "assignee"}
	otherKeys       = []string{"parent", "labels", "priority", "blocked", "blocked_reason", "retry_count"}
)

// knownKeys are all keys that mean something.
var knownKeys = slices.Concat(idKeys, nameKeys, statusKeys, descriptionKeys, notesKeys, dependsKeys, typeKeys, holderKeys, otherKeys)

// key returns a column's or a member's name as records have it.
func key(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(strings.TrimSpace(name)), " ", "_"), "-", "_")
}

// first returns the text of the first of the keys that has one.
func (r record) first(keys []string) string {
	for _, k := range keys {
		if s := scalar(r[k]); strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// scalar returns the text of a value that is a text, a number or a truth value, and "" for any other.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v)
	}
	return ""
}

// texts returns the texts of a list. A text with commas or semicolons is a list too, and so is a
// text that holds a list in JSON.
func texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if m, ok := e.(map[string]any); ok {
				e = record(m).first([]string{"id", "story_id", "key", "number", "name"})
			}
			if s := strings.TrimSpace(scalar(e)); s != "" {
				out = append(out, s)
			}
		}
	case string:
		v = strings.TrimSpace(v)
		if strings.HasPrefix(v, "[") && strings.HasSuffix(v, "]") {
			v = v[1 : len(v)-1]
		}
		for _, s := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
			if s = strings.Trim(s, " \t\r\"'"); s != "" {
				out = append(out, s)
			}
		}
	default:
		if s := scalar(v); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// item returns the record as an item of the file.
func (r record) item(format Format, at Place) (Item, error) {
	it := Item{
		Origin:        string(format) + " " + base(at.File),
		ID:            oneLine(r.first(idKeys)),
		Name:          r.first(nameKeys),
		Status:        oneLine(r.first(statusKeys)),
		Holder:        r.first(holderKeys),
		DependsOn:     append(texts(r["depends_on"]), texts(r["dependencies"])...),
		Parent:        oneLine(r.first([]string{"parent"})),
		BlockedReason: tidy(r.first([]string{"blocked_reason"})),
		At:            at,
	}
	it.setType(r.first(typeKeys))
	if id := oneLine(scalar(r["story_id"])); id != "" {
		it.Origin, it.ID = string(Huskies), id
		if r.first(typeKeys) == "" {
			it.Type = typeOfID(id)
		}
	}
	if it.Parent != "" {
		it.Links = append(it.Links, Link{"Part of", it.Parent})
	}
	if err := r.flags(&it); err != nil {
		return it, err
	}
	it.Description = r.first(descriptionKeys)
	switch notes := r.notes().(type) {
	case []string:
		it.Notes = notes
	case string:
		if strings.TrimSpace(it.Description) == "" {
			it.Description = notes
		} else {
			it.Description = compose(it.Description, section{"Notes", notes})
		}
	}
	it.Description = withLines(it.Description,
		labelled("Labels", strings.Join(texts(r["labels"]), ", ")),
		labelled("Priority", scalar(r["priority"])))
	if it.ID == "" {
		it.Named = true
		it.ID = identity(it.Parent, oneLine(it.Name))
	}
	return it, nil
}

// flags reads the members that have a meaning for huskies alone.
func (r record) flags(it *Item) error {
	switch s := word(scalar(r["blocked"])); s {
	case "", "false", "no", "0":
	case "true", "yes", "1":
		it.Blocked = true
	default:
		return fmt.Errorf("blocked is %q; write true or false", s)
	}
	if s := strings.TrimSpace(scalar(r["retry_count"])); s != "" {
		n, err := parseCount(s)
		if err != nil {
			return err
		}
		it.RetryCount = n
	}
	return nil
}

// parseCount returns a retry_count, which the reference wrote as a fraction.
func parseCount(s string) (int64, error) {
	whole, zeros, _ := strings.Cut(s, ".")
	var n int64
	if _, err := fmt.Sscanf(whole, "%d", &n); err != nil || n < 0 || n > pipeline.MaxRetryCount || strings.Trim(zeros, "0") != "" || fmt.Sprint(n) != whole {
		return 0, fmt.Errorf("retry_count is %q; write a number from 0 to %d", s, pipeline.MaxRetryCount)
	}
	return n, nil
}

// notes returns the notes: one text, or a list of them as an export writes it.
func (r record) notes() any {
	v := r["notes"]
	if s, ok := v.(string); ok {
		if !strings.HasPrefix(strings.TrimSpace(s), "[{") {
			return s
		}
		var list []any
		if json.Unmarshal([]byte(s), &list) != nil {
			return s
		}
		v = list
	}
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	notes := []string{}
	for _, e := range list {
		n := record{"text": e}
		if m, isObject := e.(map[string]any); isObject {
			n = m
		}
		notes = append(notes, remark(scalar(n["agent"]), scalar(n["at"]), scalar(n["text"])))
	}
	return slices.DeleteFunc(notes, func(s string) bool { return s == "" })
}

// remark returns what somebody said, with the name and the day when these are known.
func remark(by, at, said string) string {
	said = tidy(said)
	if said == "" || strings.HasPrefix(said, sourceMark) {
		return said
	}
	by = oneLine(by)
	day, _, _ := strings.Cut(at, "T")
	switch {
	case by != "" && day != "":
		return fmt.Sprintf("%s wrote on %s: %s", by, day, said)
	case by != "":
		return fmt.Sprintf("%s wrote: %s", by, said)
	}
	return said
}
