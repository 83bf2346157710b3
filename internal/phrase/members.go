package phrase

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
)

// membersWords says in words what an op did to the members of the pipeline.
func membersWords(op *crdt.Op) string {
	var said []string
	for _, c := range members.Changes(op) {
		name := c.Author.Short()
		if c.Name != "" {
			name = Cut(Line(c.Name), maxQuoted) + " (" + name + ")"
		}
		switch {
		case c.Remove:
			said = append(said, "removed the member "+name)
		case c.Admin:
			said = append(said, "made "+name+" an admin")
		default:
			said = append(said, "made "+name+" a member")
		}
	}
	if len(said) == 0 {
		return "changed no member"
	}
	return strings.Join(said, ", ")
}
