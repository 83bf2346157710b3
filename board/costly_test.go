package board

import (
	"fmt"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
)

// costs are texts whose cost grows faster than their length, made of about n bytes.
var costs = map[string]func(n int) string{
	"quotes in quotes":    func(n int) string { return strings.Repeat("> ", n/2) + "x" },
	"quotes without room": func(n int) string { return strings.Repeat(">", n) },
	"lists in lists":      func(n int) string { return strings.Repeat("- ", n/2) + "x" },
	"numbered lists":      func(n int) string { return strings.Repeat("1. ", n/3) + "x" },
	"mixed":               func(n int) string { return strings.Repeat("> - 1) ", n/7) + "x" },
	"brackets":            func(n int) string { return strings.Repeat("[", n) },
	"links in links":      func(n int) string { return strings.Repeat("[a](", n/4) },
	"images":              func(n int) string { return strings.Repeat("![", n/2) },
	"emphasis":            func(n int) string { return strings.Repeat("*a_ ", n/4) },
	"emphasis in lines":   func(n int) string { return strings.Repeat("*a_\n", n/4) },
	"strikethrough":       func(n int) string { return strings.Repeat("~~a _", n/5) },
	"continued items":     func(n int) string { return "x\n" + strings.Repeat("    - *a_\n", n/10) },
	"a wide table": func(n int) string {
		return strings.Repeat("|a", n/8) + "\n" + strings.Repeat("|-", n/8) + "\n" + strings.Repeat("|\n", n/4)
	},
	"a quoted table": func(n int) string {
		return "> " + strings.Repeat("|a", n/8) + "\n> " + strings.Repeat("|-", n/8) + "\n" + strings.Repeat("> |\n", n/8)
	},
}

// TestCostlyTexts: a text that is made to cost more than it should stands on the page as it was typed.
func TestCostlyTexts(t *testing.T) {
	for name, make := range costs {
		text := "# A story\n\n- one\n- two\n\n" + make(pipeline.MaxDescription)
		if got := string((&prose{}).text(text)); !strings.HasPrefix(got, "<pre># A story\n") {
			t.Errorf("%s: got %.100s", name, got)
		}
	}
}

// TestCostlyPage: many texts, none of them costly by itself, together cost no more.
func TestCostlyPage(t *testing.T) {
	part := costs["emphasis"](2 << 10)
	var r prose
	plain := 0
	for range 100 {
		if strings.HasPrefix(string(r.text(part)), "<pre>") {
			plain++
		}
	}
	if plain == 0 || plain == 100 || r.spent > maxCost {
		t.Errorf("%d of 100 texts stand as they were typed, and %d was spent", plain, r.spent)
	}
	if got := string(r.text("some *words*")); !strings.Contains(got, "<em>words</em>") {
		t.Errorf("after that a short text is %s", got)
	}
}

// TestTextsOfPeople: what people write is rendered, also the longest.
func TestTextsOfPeople(t *testing.T) {
	var b strings.Builder
	b.WriteString("---\n\n***\n\n" + strings.Repeat("-", 200) + "\n\n")
	for i := range 200 {
		fmt.Fprintf(&b, "- [ ] do **this** and `that_one` with [a link](http://x.y/%d_a) in snake_case_words\n", i)
	}
	b.WriteString("\n| a | b | c |\n|---|---|---|\n" + strings.Repeat("| 1 | *2* | `3_a` |\n", 200) + "\n")
	b.WriteString(strings.Repeat("> > - > a quote in a quote with an *item*\n\n", 20))
	for b.Len() < pipeline.MaxDescription {
		b.WriteString("A paragraph of *some* words, with __many__ of them [here][1].\nIt goes on.\n\n")
	}
	if got := string((&prose{}).text(b.String())); strings.HasPrefix(got, "<pre>") {
		t.Errorf("it costs %d and stands as it was typed", cost(b.String()))
	}
}

// BenchmarkCostlyTexts renders the most costly texts that a page shows, of 32 KiB each.
func BenchmarkCostlyTexts(b *testing.B) {
	for name, make := range costs {
		most := 0
		for step := pipeline.MaxDescription; step > 0; step /= 2 {
			if cost(make(most+step)) <= maxCost {
				most += step
			}
		}
		text := make(most)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_ = rendered(text)
			}
		})
	}
}
