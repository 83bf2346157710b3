package phrase

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// settingsWords says in words what an op did to the settings.
func settingsWords(op *crdt.Op) string {
	var said []string
	for i := range op.Edits {
		switch d := pipeline.Describe(&op.Edits[i]); {
		case op.Edits[i].Kind != crdt.KindSet:
		case d.Value == "":
			said = append(said, "cleared "+Line(d.Name))
		default:
			said = append(said, "set "+Line(d.Name)+" to "+Cut(Line(d.Value), maxQuoted))
		}
	}
	if len(said) == 0 {
		return "changed no setting"
	}
	return strings.Join(said, ", ")
}
