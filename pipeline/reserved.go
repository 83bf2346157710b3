package pipeline

import (
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// ReservedPrefix begins the IDs of the reserved stories. A reserved story holds in its registers what
// concerns the pipeline as a whole. It has no stage, whatever ops say, so readers never see it as a
// story, and no rule about stories changes it.
const ReservedPrefix = "huskies."

// SettingsStory is the reserved story that holds the settings of the pipeline.
const SettingsStory = ReservedPrefix + "settings"

// Reserved reports whether the ID is that of a reserved story.
func Reserved(id string) bool { return strings.HasPrefix(id, ReservedPrefix) }

// CheckStoryID returns why id cannot name a story, or nil.
func CheckStoryID(id string) error {
	switch {
	case !crdt.ValidStoryID(id):
		return refuse(Fact{Code: CodeBadID, Given: id})
	case Reserved(id):
		return reserved(id)
	}
	return nil
}

// reserved returns the error for an ID of a reserved story.
func reserved(id string) *Error { return refuse(Fact{Code: CodeReserved, Story: id}) }
