package terminal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// openStages are the stages of work that is not finished.
var openStages = []pipeline.Stage{pipeline.Backlog, pipeline.Current, pipeline.QA, pipeline.Merge}

// maxSame bounds the stories of one number that an error names.
const maxSame = 5

// Resolve returns the ID of the story that a person means: the story with exactly that ID, or the
// only one with that number. A story that is deleted is found by its whole ID alone.
func Resolve(v *replica.View, name string) (string, error) {
	name = strings.TrimPrefix(name, "#")
	if err := pipeline.CheckStoryID(name); err != nil {
		return "", err
	}
	_, err := v.Story(name)
	if err == nil {
		return name, nil
	}
	if failed := v.Err(); failed != nil {
		return "", failed
	}
	if n, isNumber := pipeline.Number(name); isNumber && !strings.Contains(name, "_") {
		ids := v.IDs(strconv.FormatUint(uint64(n), 10)+"_", maxSame)
		switch {
		case v.Err() != nil:
			return "", v.Err()
		case len(ids) == 1:
			return ids[0], nil
		case len(ids) > 1:
			return "", fmt.Errorf("several stories have the number %d: give the whole ID of one, such as %s", n, strings.Join(ids, " or "))
		}
	}
	return "", notFound(v, name, err)
}

// notFound returns the error for a name of which there is no story, in the words of a person at a
// terminal.
func notFound(v *replica.View, name string, why error) error {
	var refusal *pipeline.Error
	if !errors.As(why, &refusal) {
		return why
	}
	if refusal.Kind() == pipeline.KindDeleted {
		return fmt.Errorf("story %s is deleted: huskies-mcp undelete %s brings it back", name, name)
	}
	hint := "huskies-mcp list --all shows all stories"
	if len(name) >= 3 {
		if similar := v.IDsWith(name, 3); len(similar) > 0 {
			hint = "did you mean " + strings.Join(similar, " or ") + "?"
		}
	}
	return fmt.Errorf("there is no story %s: %s", name, hint)
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
