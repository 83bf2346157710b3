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

// findBlock returns where our block begins and ends in a text, as whole lines. A person may have written the
// start alone elsewhere, and what stands between that and our block is the person's.
func findBlock(text []byte) (start, end int, found bool) {
	for at := 0; ; at = end + len(blockEnd) {
		length := bytes.Index(text[at:], []byte(blockEnd))
		if length < 0 {
			return 0, 0, false
		}
		end = at + length
		n := bytes.LastIndex(text[at:end], []byte(blockStart))
		if n < 0 {
			continue
		}
		start = lineStart(text, at+n)
		if len(bytes.TrimSpace(text[start:at+n])) == 0 {
			return start, lineEnd(text, end), true
		}
	}
}
