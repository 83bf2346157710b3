package terminal

import "github.com/huskies/huskies-mcp/pipeline"

// NewBoard returns a board of stories that are in pipeline order.
func NewBoard(stories []pipeline.Story) (b Board) {
	for _, st := range stories {
		if n := len(b.Columns); n == 0 || b.Columns[n-1].Stage != st.Stage {
			b.Columns = append(b.Columns, Column{Stage: st.Stage})
		}
		last := &b.Columns[len(b.Columns)-1]
		last.Stories = append(last.Stories, st)
	}
	return b
}

// BlockedWhy is blockedWhy.
var BlockedWhy = blockedWhy
