package board

import (
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// maxLinks bounds the stories that are listed on either side of one.
const maxLinks = 50

// links are the stories beside one by its dependencies.
type links struct {
	// DependsOn are those that come first, Needed those that wait for it, the first NeededCount of them.
	DependsOn, Needed []linked
	NeededCount       int
}

// linked is a story that another one depends on, or that depends on it.
type linked struct {
	ID, Label, Title string
	Stage            string // "": there is no such story
	Done             bool
}

// linksOf returns the stories beside one.
func linksOf(v *replica.View, st *pipeline.Story) (l links, err error) {
	for _, n := range st.DependsOn {
		stories := v.NumberedOutlines(n)
		for i := range stories {
			l.DependsOn = append(l.DependsOn, newLinked(&stories[i]))
		}
		if len(stories) == 0 {
			l.DependsOn = append(l.DependsOn, linked{Label: phrase.Numbers([]uint32{n})})
		}
	}
	ids, count := v.Dependents(st.ID, maxLinks)
	l.NeededCount = count
	for _, id := range ids {
		other, err := v.Outline(id)
		if err != nil {
			return l, err
		}
		l.Needed = append(l.Needed, newLinked(&other))
	}
	return l, v.Err()
}

func newLinked(st *pipeline.Story) linked {
	return linked{ID: st.ID, Label: phrase.Label(st.ID), Title: phrase.Title(st), Stage: stageName(st.Stage), Done: !isOpen(st.Stage)}
}
