package terminal

import (
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// openStages are the stages of work that is not finished.
var openStages = []pipeline.Stage{pipeline.Backlog, pipeline.Current, pipeline.QA, pipeline.Merge}

// maxSame bounds the stories of one number among the dependencies that show prints.
const maxSame = 5

// Resolve returns the ID of the visible story that a person means, see [pipeline.State.Resolve].
func Resolve(v *replica.View, name string) (id string, err error) {
	if id, err = v.Resolve(strings.TrimSpace(name)); err == nil {
		_, err = v.Story(id)
	}
	if failed := v.Err(); failed != nil {
		return "", failed
	}
	return id, err
}

// withClaims adds the claims to the stories that agents have. Lists leave claims out.
func withClaims(v *replica.View, stories []pipeline.Story) error {
	for i := range stories {
		if stories[i].Agent == "" {
			continue
		}
		st, err := v.Story(stories[i].ID)
		if err != nil {
			return err
		}
		stories[i].Claim = st.Claim
	}
	return nil
}
