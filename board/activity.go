package board

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	// maxWords bounds what a line of the activity says, in columns.
	maxWords = 240
	// pageOfEvents is how many lines of the activity are shown at once.
	pageOfEvents = 60
	// late is by how much the time of a change may lie before its coming here until the activity says so. Clocks
	// of machines differ by less, and machines that exchange all the time need seconds.
	late = 5 * time.Minute
	// maxSought bounds the changes that one page looks at in search of those that are chosen: some 0.2 s.
	maxSought = 4000
)

// event is a line of the activity.
type event struct {
	// N is the number of the row that brought it about: what a browser has seen ends there.
	N     int64
	At    moment
	Clock string
	// Came is when it came here, if that was much later: it stands among what happened then.
	Came      moment
	CameClock string
	Agent     string
	Story     string
	Label     string
	Title     string
	// Link leads to what the event is about.
	Link  string
	Kind  string
	Words string
}

// kinds are the kinds of events, with their names for people.
var kinds = [][2]string{
	{"claimed", "Claimed"},
	{"moved", "Moved"},
	{"blocked", "Blocked, unblocked"},
	{"retried", "Failed attempts"},
	{"noted", "Notes"},
	{"added", "Added"},
	{"edited", "Edited"},
	{"deleted", "Deleted, restored"},
}

// kindOfChange returns the kind of a change: what matters most of what it did.
func kindOfChange(c *replica.Change) string {
	wrote := map[string]bool{}
	for _, name := range c.Fields.Names() {
		wrote[name] = true
	}
	switch {
	case c.Before == "" && c.After != "" && wrote[pipeline.NameStage]:
		return "added"
	case (c.Before == "") != (c.After == ""):
		return "deleted"
	case pipeline.Claims(c.Whole):
		return "claimed"
	case wrote[pipeline.NameBlocked]:
		return "blocked"
	case c.Before != c.After:
		return "moved"
	case wrote[pipeline.NameRetryCount]:
		return "retried"
	case c.Note != "" && len(wrote) == 1:
		return "noted"
	}
	return "edited"
}

// newEvent returns the line of a change.
func newEvent(v *replica.View, c *replica.Change, now time.Time, zone *time.Location) event {
	e := event{
		N: c.Position.Arrival, Agent: phrase.Line(c.Agent), Story: c.Story, Label: phrase.Label(c.Story), Link: "/story/" + c.Story,
		Kind: kindOfChange(c), Words: wordsOf(c),
	}
	if c.At != 0 {
		at := time.UnixMilli(c.At)
		e.At, e.Clock = newMoment(at, now), clock(at, now, zone)
		if came := time.UnixMilli(c.Received); came.Sub(at) > late {
			e.Came, e.CameClock = newMoment(came, now), clock(came, now, zone)
		}
	}
	if c.Story == pipeline.SettingsStory {
		e.Title, e.Link = "settings", "/settings"
	} else if pipeline.Reserved(c.Story) {
		e.Title, e.Link = strings.TrimPrefix(c.Story, pipeline.ReservedPrefix), ""
	} else if st, err := v.Story(c.Story); err == nil {
		e.Title = phrase.Title(&st)
	} else {
		e.Title = "deleted"
	}
	return e
}

// clock returns a time as briefly as it is clear. The script writes it in the reader's own time zone.
func clock(t, now time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	t, now = t.In(zone), now.In(zone)
	switch {
	case t.Year() != now.Year():
		return t.Format("2006-01-02 15:04")
	case t.YearDay() != now.YearDay():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}

// happened returns the line of a change for a message.
func (b *Board) happened(v *replica.View, c *replica.Change, now time.Time) happened {
	e := newEvent(v, c, now, b.cfg.Zone)
	return happened{Story: e.Story, Agent: e.Agent, Kind: e.Kind, HTML: b.part("event", e)}
}

// events is a page of the activity.
type events struct {
	List []event
	// More is the row before which the next page begins, 0 at the beginning of the history.
	More int64
	// Sought is how many changes were looked at, if that were too many to find all.
	Sought int
}

// sought says which events are shown.
type sought struct{ Agent, Story, Kind string }

func soughtOf(q url.Values) sought {
	return sought{Agent: q.Get("agent"), Story: strings.TrimPrefix(phrase.Line(q.Get("story")), "#"), Kind: q.Get("kind")}
}

// Narrow reports whether some events are left out.
func (s sought) Narrow() bool { return s != sought{} }

// has reports whether an event is shown.
func (s sought) has(c *replica.Change) bool {
	return (s.Agent == "" || s.Agent == c.Agent) &&
		(s.Story == "" || s.Story == c.Story || s.Story == phrase.Label(c.Story)) &&
		(s.Kind == "" || s.Kind == kindOfChange(c))
}

// events returns the events before a row, the last first.
func (b *Board) events(v *replica.View, s sought, before int64) (page events, err error) {
	now, looked := b.now(), 0
	var chosen []replica.Change
	err = v.ChangesBefore(before, func(c replica.Change) bool {
		switch {
		case len(chosen) >= pageOfEvents && c.Position.Arrival != page.More: // what one row released stays together
			return false
		case looked == maxSought:
			page.Sought = looked
			return false
		}
		looked++
		if s.has(&c) {
			chosen = append(chosen, c)
		}
		page.More = c.Position.Arrival
		return true
	})
	if err != nil {
		return page, err
	}
	if len(chosen) < pageOfEvents && page.Sought == 0 {
		page.More = 0
	}
	for i := range chosen {
		page.List = append(page.List, newEvent(v, &chosen[i], now, b.cfg.Zone))
	}
	return page, v.Err()
}

// getActivity shows what happened.
func (b *Board) getActivity(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0
	}
	p := b.page(r, "activity")
	chosen := soughtOf(q)
	var list events
	var agents []string
	err = b.view(r.Context(), func(v *replica.View) (err error) {
		if list, err = b.events(v, chosen, before); err != nil {
			return err
		}
		agents = agentNames(v)
		return v.Err()
	})
	if err != nil {
		b.fail(w, err)
		return
	}
	p.Title = "Activity"
	next := ""
	if list.More > 0 {
		query := url.Values{"before": {strconv.FormatInt(list.More, 10)}}
		for name, value := range map[string]string{"agent": chosen.Agent, "story": chosen.Story, "kind": chosen.Kind} {
			if value != "" {
				query.Set(name, value)
			}
		}
		next = "/activity?" + query.Encode()
	}
	b.render(w, http.StatusOK, "activity.html", map[string]any{"Page": p, "Events": list, "Sought": chosen, "Kinds": kinds, "Agents": agents, "Next": next, "First": before == 0})
}
