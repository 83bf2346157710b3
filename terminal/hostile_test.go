package terminal_test

import (
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rivo/uniseg"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

// anyText draws a text of what could drive a terminal, hide, or take more columns than characters.
func anyText(t *rapid.T, label string) string {
	pieces := []string{
		"word", " ", "\n", "\r", "\t", "\x1b[2J", "\x1b]0;x\a", "\u009b31m", "\u0085", "\u202e", "\u2066", "\u2028", "\U000e0041", "\U000e0100", "\x7f", "\xff",
		"漢字", "🐕", "👩‍👩‍👧", "e\u0301", "\u200d", "\ufe0f", "```", "# ", "[", "🇩🇪", "ﷺ", "\x00",
	}
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 40).Draw(t, label), "")
}

func anyStory(t *rapid.T, id string, stage pipeline.Stage) pipeline.Story {
	st := pipeline.Story{
		ID: id, Stage: stage, Name: anyText(t, "name"), Agent: anyText(t, "agent"), Description: anyText(t, "description"),
		Blocked: rapid.Bool().Draw(t, "blocked"), BlockedReason: anyText(t, "reason"), Warnings: []pipeline.Fact{{
			Code: pipeline.CodeMadeApart, Count: 2, Makers: []crdt.Maker{{Agent: anyText(t, "maker"), Label: anyText(t, "label")}},
		}},
	}
	if rapid.Bool().Draw(t, "claimed") {
		st.Claim = claim(st.Agent, time.Duration(rapid.IntRange(-1, 100).Draw(t, "left"))*time.Minute)
	}
	return st
}

// TestNothingDrivesATerminal: whatever anybody wrote, nothing of it but printable characters is printed,
// and the lines of lists fit the screen.
func TestNothingDrivesATerminal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := terminal.Screen{Width: rapid.IntRange(40, 200).Draw(t, "width"), Now: now}
		all := []pipeline.Story{anyStory(t, "1_story", pipeline.Backlog), anyStory(t, "12_story", pipeline.Backlog), anyStory(t, "x", pipeline.QA)}
		board := terminal.NewBoard(all)
		o := op(anyText(t, "by"), 0, crdt.Note(anyText(t, "note")), set("stage", anyText(t, "stage")), set(anyText(t, "field"), anyText(t, "value")), set("blocked_reason", anyText(t, "why")))
		events := []terminal.Event{terminal.NewEvent(o, "1", true), terminal.NewEvent(o, "1", false)}
		detail := terminal.Detail{
			Story: all[0], Notes: []pipeline.Note{{Text: anyText(t, "note text"), Agent: anyText(t, "note by")}},
			DependsOn: all[1:], Dependents: all[1:], DependentCount: 2, Events: events,
		}
		stats := terminal.Stats{Agents: []terminal.AgentWork{{Agent: anyText(t, "worker"), Stories: []string{"1_story"}}}}
		part := terminal.Part{Stories: all, Total: 3, Complete: true}
		overview := terminal.Overview{Agent: all[0].Agent, Mine: part, Ready: part, Blocked: part}
		for what, text := range map[string]string{
			"board": board.Text(s), "history": terminal.History(s, events), "stats": stats.Text(s),
			"detail": detail.Text(s), "markdown": board.Markdown(s), "overview": overview.Text(s),
		} {
			for _, r := range text {
				if r != '\n' && (unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r >= 0xE0000 && r <= 0xE01EF) {
					t.Fatalf("%s prints %U:\n%q", what, r, text)
				}
			}
			if what == "detail" || what == "markdown" || what == "overview" {
				continue // texts in them may have words that are longer than a line
			}
			for line := range strings.Lines(text) {
				if n := uniseg.StringWidth(strings.TrimSuffix(line, "\n")); n > s.Width {
					t.Fatalf("%s: a line has %d columns, more than %d: %q", what, n, s.Width, line)
				}
			}
		}
	})
}
