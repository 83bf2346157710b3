package terminal

import "github.com/huskies/huskies-mcp/pipeline"

// NewBoard returns a board of stories that are in pipeline order.
func NewBoard(stories []pipeline.Story) (b Board) {
	for i := range stories {
		b.add(stories[i])
	}
	return b
}

// BlockedWhy is blockedWhy.
var BlockedWhy = blockedWhy
