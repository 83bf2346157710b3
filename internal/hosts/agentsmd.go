package hosts

import (
	"bytes"
	"strings"
)

// AgentsFile is the file of a project that most agents read first.
const AgentsFile = "AGENTS.md"

// The lines around our block in AgentsFile. A later version of the block has
// another number in its first line.
const (
	blockStart = "<!-- huskies:start"
	blockEnd   = "<!-- huskies:end -->"
)

// AgentsBlock is what AgentsFile says of the pipeline.
const AgentsBlock = blockStart + " v1 -->\n" +
	"## Stories\n\n" +
	"The stories of this project are in a pipeline that all agents share, over the MCP server `huskies`.\n\n" +
	"1. `claim_item` gives you the next story that is ready. Work only on a story that you have claimed.\n" +
	"2. `read_item` shows the story's description, notes and history.\n" +
	"3. `advance_item` moves a finished story to the next stage. Its note says what you did.\n" +
	"4. `set_blocked` with a reason asks a person for help. `release_item` gives a story back.\n" +
	blockEnd + "\n"

// insertBlock returns the insertion that puts our block at the end of a text.
func insertBlock(text []byte) []insertion {
	return appendPart(text, strings.ReplaceAll(AgentsBlock, "\n", newline(text)))
}

// findBlock returns where our block begins and ends in a text, as whole lines.
func findBlock(text []byte) (start, end int, found bool) {
	start = bytes.Index(text, []byte(blockStart))
	if start < 0 {
		return 0, 0, false
	}
	length := bytes.Index(text[start:], []byte(blockEnd))
	if length < 0 {
		return 0, 0, false
	}
	return lineStart(text, start), lineEnd(text, start+length), true
}
