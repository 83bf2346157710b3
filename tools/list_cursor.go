package tools

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// A cursor is the place of the last item of a page, so it holds whatever
// happens to the stories meanwhile: the stage, and the op that made the place or
// the story whose own it is.
//
// A stage that this build does not know may have a long name, for which a short one stands.
func formatCursor(at pipeline.Position) string {
	place := "@" + at.Place.Story
	if at.Place.Story == "" {
		place = "#" + string(at.Place.Op[:])
	}
	return base64.RawURLEncoding.EncodeToString([]byte(shortStage(at.Stage) + "/" + place))
}

// longStage marks the short name of a stage.
const longStage = "~"

// shortStage returns the name of a stage in cursors.
func shortStage(stage pipeline.Stage) string {
	if _, known := pipeline.ParseStage(string(stage)); known {
		return string(stage)
	}
	sum := sha256.Sum256([]byte(stage))
	return longStage + hex.EncodeToString(sum[:8])
}

// resolveCursor puts the name of the stage in the place of a short one.
func resolveCursor(p *pipeline.State, at *pipeline.Position) error {
	if at == nil || !strings.HasPrefix(string(at.Stage), longStage) {
		return nil
	}
	for _, stage := range p.Unknown() {
		if shortStage(stage) == string(at.Stage) {
			at.Stage = stage
			return nil
		}
	}
	return &misuse{"cursor names a stage in which no story is any more", "leave cursor out to begin at the start"}
}

func parseCursor(s string) (*pipeline.Position, error) {
	if s == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	stage, place, ok := strings.Cut(string(b), "/")
	at := pipeline.Position{Stage: pipeline.Stage(stage)}
	if id, own := strings.CutPrefix(place, "@"); own {
		at.Place.Story = id
		ok = ok && crdt.ValidStoryID(id)
	} else {
		op, is := strings.CutPrefix(place, "#")
		ok = ok && is && copy(at.Place.Op[:], op) == len(op) && len(op) == len(at.Place.Op)
	}
	if err != nil || !ok || stage == "" {
		return nil, &misuse{"cursor is not one that list_items gave", "pass next_cursor as it was given, or leave cursor out to begin at the start"}
	}
	return &at, nil
}
