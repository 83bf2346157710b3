package pipeline_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/huskies/huskies-mcp/pipeline"
)

// shown returns the code of a fact and the values that it has, e.g. "too_long Field:name Have:258 Most:256".
func shown(f *pipeline.Fact) string {
	text := string(f.Code)
	v := reflect.ValueOf(*f)
	for i := 1; i < v.NumField(); i++ {
		field := v.Field(i)
		switch value := field.Interface().(type) {
		case []pipeline.Kept:
			text += keptShown(value)
			continue
		case *pipeline.Crowd:
			if value != nil {
				text += fmt.Sprintf(" Crowd:%d of %d in %s", value.Count, value.Limit, value.Stage) + storiesShown(value.Stories)
			}
			continue
		case *pipeline.ClaimEnd:
			if value != nil && value.Op != nil {
				text += fmt.Sprintf(" End:%s by %s", value.Agent, value.Op.Agent)
			}
			continue
		}
		if !field.IsZero() {
			text += fmt.Sprintf(" %s:%+v", v.Type().Field(i).Name, reflect.Indirect(field))
		}
	}
	return text
}

var obstacles = map[pipeline.Obstacle]string{
	pipeline.IsMine: "mine", pipeline.IsHeld: "held", pipeline.IsBlocked: "blocked", pipeline.IsWaiting: "waiting", pipeline.IsFinished: "finished",
	pipeline.IsCrowded: "crowded",
}

// keptShown returns how many stories each obstacle keeps, and those that are named.
func keptShown(kept []pipeline.Kept) (text string) {
	for _, k := range kept {
		text += fmt.Sprintf(" %d %s:", k.Count, obstacles[k.Why]) + storiesShown(k.Stories)
	}
	return text
}

// storiesShown returns the stories, and what keeps them.
func storiesShown(stories []pipeline.KeptStory) (text string) {
	for _, s := range stories {
		text += " " + s.ID
		if s.Hold != nil {
			text += " by " + s.Hold.Agent
		}
		if s.WaitingOn != nil {
			text += fmt.Sprint(" on ", s.WaitingOn)
		}
	}
	return text
}

// refusal is shown for an error of the pipeline. It returns the text of any other error.
func refusal(err error) string {
	var e *pipeline.Error
	if errors.As(err, &e) {
		return shown(&e.Fact)
	}
	return fmt.Sprint(err)
}

// allShown is shown for several facts.
func allShown(facts []pipeline.Fact) string {
	var all []string
	for i := range facts {
		all = append(all, shown(&facts[i]))
	}
	return strings.Join(all, "; ")
}
