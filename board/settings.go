package board

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// settingRow is one setting of the pipeline on its page.
type settingRow struct {
	Name, Value, Default string
	Means                string
	By                   string
	At                   moment
	// Problem says why the value does not count.
	Problem string
	// Known is false for a setting that another build wrote.
	Known bool
}

// meanings say what the settings are for.
var meanings = map[string]string{
	pipeline.NameMaxRetries:              "failed attempts at which a story is blocked and waits for a person; 0 for never",
	pipeline.LimitName(pipeline.Current): "stories that may be claimed in Current at a time; empty for any number",
	pipeline.LimitName(pipeline.QA):      "stories that may be claimed in QA at a time",
	pipeline.LimitName(pipeline.Merge):   "stories that may be claimed in Merge at a time; 1 has merges done one after the other",
	pipeline.NameLeaseGrace:              "how long a claim outlives the session that made it, such as 5m",
}

// readSettings returns the settings as people see them.
func readSettings(v *replica.View, now time.Time) (rows []settingRow, err error) {
	var ops []*crdt.Op
	err = v.History(pipeline.SettingsStory, 0, func(e replica.Entry) bool { ops = append(ops, e.Op); return true })
	for _, s := range pipeline.SettingsBy(slices.Values(ops)) {
		row := settingRow{Name: s.Name, Value: phrase.Line(s.Value), Default: s.Default, Means: meanings[s.Name], Known: slices.Contains(pipeline.SettingNames(), s.Name)}
		if s.Set != nil {
			row.By = phrase.Line(s.Set.Agent)
			if s.Set.At != 0 {
				row.At = newMoment(time.UnixMilli(s.Set.At), now)
			}
		}
		if s.Ignored != nil {
			row.Problem = sentence(phrase.Fact(s.Ignored))
		}
		rows = append(rows, row)
	}
	return rows, err
}

// getSettings shows the settings of the pipeline.
func (b *Board) getSettings(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "settings")
	p.Title = "Settings"
	var rows []settingRow
	err := b.view(r.Context(), func(v *replica.View) (err error) {
		rows, err = readSettings(v, b.now())
		return err
	})
	if err != nil {
		b.fail(w, err)
		return
	}
	b.render(w, http.StatusOK, "settings.html", map[string]any{"Page": p, "Settings": rows, "Fixed": b.cfg.MaxRetries})
}

// postSetting changes a setting. An empty value clears it, so that the default counts.
func (b *Board) postSetting(w http.ResponseWriter, r *http.Request) {
	by := &doer{b: b, who: visitorOf(r)}
	name, value := r.PathValue("name"), strings.TrimSpace(r.PostForm.Get("value"))
	err := by.mayWrite()
	if err == nil {
		_, err = b.cfg.Replica.Update(r.Context(), by.who.Name, func(tx *pipeline.Tx) error {
			tx.By(by.caller())
			_, err := tx.SetSetting(name, value)
			return err
		})
	}
	if err != nil {
		b.reply(w, r, done{}, err)
		return
	}
	said := name + " is " + value + " now, for everybody."
	if value == "" {
		said = "For " + name + " the default counts now."
	}
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		answer(w, http.StatusOK, done{Said: said})
		return
	}
	http.Redirect(w, r, "/settings", http.StatusSeeOther)
}
