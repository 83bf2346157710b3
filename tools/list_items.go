package tools

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

const (
	defaultLimit = 50
	maxLimit     = 200

	// maxListBytes bounds the items of one answer, in bytes of JSON. Hosts
	// refuse answers over 25,000 tokens; JSON has at least 2.5 bytes a token.
	maxListBytes = 48 << 10
)

type listItemsIn struct {
	Stage   *pipeline.Stage `json:"stage,omitempty"`
	Agent   *string         `json:"agent,omitempty" jsonschema_description:"\"\" for stories without an agent"`
	Blocked *bool           `json:"blocked,omitempty"`
	Ready   *bool           `json:"ready,omitempty" jsonschema_description:"true: stories that you can claim"`
	Query   string          `json:"query,omitempty" jsonschema:"maxLength=256" jsonschema_description:"words in ID, name, description or notes, each from its beginning"`
	Fields  []listField     `json:"fields,omitempty" jsonschema_description:"default: name, agent, ready, blocked, waiting_on"`
	Limit   *int            `json:"limit,omitempty" jsonschema:"minimum=1,maximum=200,default=50"`
	Cursor  string          `json:"cursor,omitempty" jsonschema_description:"next_cursor of the answer before"`
}

type stageItems struct {
	Stage string     `json:"stage"`
	Count int        `json:"count" jsonschema_description:"on all pages"`
	Items []listItem `json:"items,omitempty"`
}

type listItemsOut struct {
	Stages     []stageItems `json:"stages"`
	Total      int          `json:"total"`
	Warning    string       `json:"warning,omitempty"`
	NextCursor string       `json:"next_cursor,omitempty" jsonschema_description:"more follow: pass it as cursor"`
	position
}

var listItems = define(definition[listItemsIn, listItemsOut]{
	name:        "list_items",
	title:       "List the pipeline",
	description: "List stories grouped by stage, each stage in the order given with after and before. Filters combine. ready=true finds work.",
	readOnly:    true,
	idempotent:  true,
	handle: func(ctx context.Context, s *call, in listItemsIn) (listItemsOut, error) {
		after, err := parseCursor(in.Cursor)
		if err != nil {
			return listItemsOut{}, err
		}
		limit := defaultLimit
		if in.Limit != nil {
			limit = *in.Limit
		}
		fields := defaultFields
		if len(in.Fields) > 0 {
			fields = in.Fields
		}
		filter := pipeline.Filter{
			Agent:   in.Agent,
			Blocked: in.Blocked,
			Ready:   in.Ready,
			Words:   strings.Fields(in.Query),
		}
		if in.Stage != nil {
			filter.Stages = []pipeline.Stage{*in.Stage}
		}
		var page pipeline.Page
		missing := ""
		err = s.view(ctx, func(p *replica.View) (err error) {
			page, err = p.List(filter, after, limit)
			if after == nil {
				missing = p.Missing()
			}
			if err == nil && slices.Contains(fields, "claim") {
				err = addClaims(p.State, page.Stories)
			}
			return err
		})
		if err != nil {
			return listItemsOut{}, err
		}
		out, err := newListItemsOut(page, fields, s.now())
		out.Warning = missing
		if after != nil { // the counts are on the first page
			out.Stages = slices.DeleteFunc(out.Stages, func(s stageItems) bool { return len(s.Items) == 0 })
		}
		return out, err
	},
})

// addClaims adds the claims, which lists of the pipeline leave out.
func addClaims(p *pipeline.State, stories []pipeline.Story) error {
	for i := range stories {
		story, err := p.Story(stories[i].ID)
		if err != nil {
			return err
		}
		stories[i].Claim = story.Claim
	}
	return nil
}

func newListItemsOut(page pipeline.Page, fields []listField, now time.Time) (listItemsOut, error) {
	out := listItemsOut{Stages: make([]stageItems, len(page.Stages)), Total: page.Total}
	group := make(map[pipeline.Stage]*stageItems)
	for i, c := range page.Stages {
		out.Stages[i] = stageItems{Stage: string(c.Stage), Count: c.Count}
		group[c.Stage] = &out.Stages[i]
	}
	size := 0
	for i, story := range page.Stories {
		it := newListItem(story, fields, now)
		b, err := compactJSON(it)
		if err != nil {
			return listItemsOut{}, err
		}
		if size += len(b); size > maxListBytes && i > 0 {
			out.NextCursor = formatCursor(page.Stories[i-1])
			return out, nil
		}
		g := group[story.Stage]
		g.Items = append(g.Items, it)
	}
	if page.More {
		out.NextCursor = formatCursor(page.Stories[len(page.Stories)-1])
	}
	return out, nil
}

// A cursor is the place of the last item of a page, so it holds whatever
// happens to the stories meanwhile: the stage, and the op that made the place or
// the story whose own it is.
func formatCursor(last pipeline.Story) string {
	place := "@" + last.Place.Story
	if last.Place.Story == "" {
		place = "#" + string(last.Place.Op[:])
	}
	return base64.RawURLEncoding.EncodeToString([]byte(string(last.Stage) + "/" + place))
}

func parseCursor(s string) (*pipeline.Position, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	stage, place, ok := strings.Cut(string(b), "/")
	at := pipeline.Position{Stage: pipeline.Stage(stage)}
	if id, own := strings.CutPrefix(place, "@"); own {
		at.Place.Story = id
		ok = ok && crdt.ValidStoryID(id)
	} else {
		op, is := strings.CutPrefix(place, "#")
		ok = ok && is && copy(at.Place.Op[:], op) == len(op) && len(op) == len(at.Place.Op)
	}
	if err != nil || !ok || stage == "" {
		return nil, &pipeline.Error{
			Code:    pipeline.CodeInvalid,
			Message: "cursor is not one that list_items gave",
			Next:    "pass next_cursor as it was given, or leave cursor out to begin at the start",
		}
	}
	return &at, nil
}
