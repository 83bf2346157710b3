package board

import (
	"net/http"
	"slices"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxInHand bounds the stories in hand that are listed by age.
const maxInHand = 200

// getCharts shows figures of the pipeline as tables: what there is in each stage, and the work in hand by the
// time that it has been there.
func (b *Board) getCharts(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "charts")
	p.Title = "Charts"
	var tops []head
	var hand []card
	more := false
	err := b.view(r.Context(), func(v *replica.View) (err error) {
		hand = nil
		if tops, err = heads(v, &choice{}); err != nil {
			return err
		}
		page, err := v.List(pipeline.Filter{Stages: []pipeline.Stage{pipeline.Current, pipeline.QA, pipeline.Merge}}, nil, maxInHand)
		if err != nil {
			return err
		}
		now := b.now()
		for i := range page.Stories {
			hand = append(hand, newCard(v, &page.Stories[i], now))
		}
		more = page.More
		return v.Err()
	})
	if err != nil {
		b.fail(w, err)
		return
	}
	slices.SortStableFunc(hand, func(a, b card) int { return int(a.Since.Unix - b.Since.Unix) })
	b.render(w, http.StatusOK, "charts.html", map[string]any{"Page": p, "Heads": tops, "Hand": hand, "More": more})
}
