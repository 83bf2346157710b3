package pipeline

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Described is an edit in parts: what it changes, how, and to or by what, e.g.
// stage = 2_current, retry_count + 1, depends_on - 10.
type Described struct {
	Name string
	// Sign is '=', '+' or '-', or 0 for an edit that this build does not know.
	Sign  byte
	Value string
	// Text: somebody wrote Name or Value, which may hold anything.
	Text bool
}

// Describe takes an edit apart, for people.
func Describe(e *crdt.Edit) Described {
	switch e.Kind {
	case crdt.KindSet:
		if e.Value.Type() == crdt.TypeString {
			return Described{e.Field, '=', e.Value.Str(), true}
		}
		return Described{e.Field, '=', e.Value.String(), false}
	case crdt.KindInc:
		return Described{e.Field, '+', strconv.FormatUint(e.By, 10), false}
	case crdt.KindDep:
		sign := byte('-')
		if e.Value.Bool() {
			sign = '+'
		}
		return Described{NameDependsOn, sign, strconv.FormatUint(uint64(e.Number), 10), false}
	case crdt.KindNote:
		return Described{NameNote, '=', e.Value.Str(), true}
	case crdt.KindPlace:
		return Described{NamePlace, '=', describePlace(e), false}
	}
	return Described{Name: fmt.Sprintf("(an edit of kind %d, which this build does not know)", e.Kind)}
}

// describePlace says where a place edit puts the story: first, or behind the
// place that an op gave to a story or that is a story's own.
func describePlace(e *crdt.Edit) string {
	switch {
	case e.Anchor != "":
		return "after:" + e.Anchor
	case e.Base.IsZero():
		return "first"
	}
	return "after:" + e.Base.Short()
}

// maxShown bounds the values that a summary shows, in bytes: headlines, not texts.
const maxShown = 100

// Summary says in few words what an op changes: "stage 2_current",
// "depends_on +3 -4", "note". Long values are left out, and so is what only
// machines read.
func Summary(op *crdt.Op) []string {
	var all []string
	dependsOn := -1 // where it stands
	for i := range op.Edits {
		switch d := Describe(&op.Edits[i]); {
		case d.Name == NameDependsOn && op.Edits[i].Kind == crdt.KindDep:
			if dependsOn < 0 {
				dependsOn = len(all)
				all = append(all, NameDependsOn)
			}
			all[dependsOn] += fmt.Sprintf(" %c%s", d.Sign, d.Value)
		case op.Edits[i].Kind == crdt.KindNote, op.Edits[i].Kind == crdt.KindPlace,
			d.Name == NameClaim, d.Name == NameDescription, len(d.Value) > maxShown, d.Sign == 0:
			all = append(all, d.Name)
		case d.Sign == '+':
			all = append(all, d.Name+" +"+d.Value)
		case d.Value == "" || strings.ContainsAny(d.Value, "\r\n"):
			all = append(all, fmt.Sprintf("%s %q", d.Name, d.Value))
		default:
			all = append(all, d.Name+" "+d.Value)
		}
	}
	return all
}
