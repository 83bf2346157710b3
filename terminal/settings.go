package terminal

import (
	"cmp"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// Settings are the settings of a pipeline.
type Settings []pipeline.Setting

// ReadSettings reads the settings of a pipeline.
func ReadSettings(v *replica.View) (Settings, error) {
	var failed error
	all := pipeline.SettingsBy(func(yield func(*crdt.Op) bool) {
		failed = v.History(pipeline.SettingsStory, 0, func(e replica.Entry) bool { return yield(e.Op) })
	})
	return all, failed
}

// NoSettings returns the settings of a pipeline that does not exist yet.
func NoSettings() Settings { return pipeline.SettingsBy(func(func(*crdt.Op) bool) {}) }

// Only returns the setting with the name alone, or an error that names those that there are.
func (all Settings) Only(name string) (Settings, error) {
	for i := range all {
		if all[i].Name == name {
			return all[i : i+1], nil
		}
	}
	return nil, &pipeline.Error{Fact: pipeline.Fact{Code: pipeline.CodeNoSetting, Given: name}}
}

// none stands for a value that is not there.
const none = "-"

// Text returns the settings as a table.
func (all Settings) Text(s Screen) string {
	rows := [][]string{{"setting", "value", "default", "set"}}
	for i := range all {
		st := &all[i]
		value := cmp.Or(phrase.Line(st.Value), none)
		if st.Ignored != nil {
			value += " (ignored)"
		}
		rows = append(rows, []string{phrase.Line(st.Name), value, cmp.Or(st.Default, none), whoSet(s, st.Set)})
	}
	var out strings.Builder
	writeTable(&out, rows)
	for i := range all {
		if why := all[i].Ignored; why != nil {
			out.WriteString("ignored: " + phrase.Line(phrase.Fact(why)) + "\n")
		}
	}
	return out.String()
}

// writeTable writes rows in columns with two blanks between them.
func writeTable(out *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], phrase.Width(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += pad(cell, widths[i]+2)
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// whoSet says who wrote a setting, and when.
func whoSet(s Screen, op *crdt.Op) string {
	if op == nil {
		return none
	}
	who := cmp.Or(phrase.Line(op.Agent), "replica "+op.Author.Short())
	if at := pipeline.TimeOf(op.At); !at.IsZero() {
		return who + ", " + when(s, at)
	}
	return who
}

// settingRow is a setting as JSON has it, for scripts.
type settingRow struct {
	Name    string `json:"name"`
	Value   string `json:"value,omitempty"`
	Default string `json:"default,omitempty"`
	Ignored string `json:"ignored,omitempty"`
	SetBy   string `json:"set_by,omitempty"`
	SetAt   string `json:"set_at,omitempty"`
	Rev     string `json:"rev,omitempty"`
}

// JSON returns the settings with a line each, as JSON objects. The values are those that were set.
func (all Settings) JSON() (string, error) {
	var out strings.Builder
	for i := range all {
		st := &all[i]
		row := settingRow{Name: st.Name, Value: st.Value, Default: st.Default}
		if st.Ignored != nil {
			row.Ignored = phrase.Fact(st.Ignored)
		}
		if op := st.Set; op != nil {
			row.SetBy, row.SetAt, row.Rev = op.Agent, pipeline.FormatTime(pipeline.TimeOf(op.At)), op.ID.Short()
		}
		line, err := lineOfJSON(row)
		if err != nil {
			return "", err
		}
		out.WriteString(line)
	}
	return out.String(), nil
}
