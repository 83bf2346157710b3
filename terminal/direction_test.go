package terminal_test

import (
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/terminal"
)

// TestKeepColumns shows where a mark keeps names that are written from right to left in their columns.
func TestKeepColumns(t *testing.T) {
	for given, want := range map[string]string{
		"  5  plain  name 2h left\n":      "  5  plain  name 2h left\n",
		"  5  שם אחד  דנה 2h 5m left\n":   ">  >5  >שם אחד  >דנה >2h >5m left\n",
		"  5  שם ארוך… דנה\n":             ">  >5  >שם ארוך… >דנה\n",
		"  blocked 4 \"שם\": סיבה\n":      ">  >blocked 4 \"שם\": >סיבה\n",
		"שורה אחת של טקסט 3 4\n":          "שורה אחת של טקסט 3 4\n",
		"\x1b[31m  اسم\x1b[0m  \x1b[31mx": ">\x1b[31m  >اسم\x1b[0m  >\x1b[31mx",
		"plain\n  שם\nplain  2h":          "plain\n>  >שם\nplain  2h",
	} {
		if got := strings.ReplaceAll(terminal.KeepColumns(given), "\u200e", ">"); got != want {
			t.Errorf("%q:\ngot  %q\nwant %q", given, got, want)
		}
	}
}

// TestMarksTakeNoColumn: the lines of a board are as wide with marks as without.
func TestMarksTakeNoColumn(t *testing.T) {
	b := terminal.NewBoard([]pipeline.Story{
		{ID: "1_a", Stage: pipeline.QA, Name: "תיקון דף הכניסה של האתר", Agent: "דנה"},
		{ID: "2_b", Stage: pipeline.QA, Name: "صفحة", Blocked: true, BlockedReason: "ممنوع"},
	})
	for _, color := range []bool{false, true} {
		text := b.Text(terminal.Screen{Now: now, Width: 60, Color: color})
		marked := terminal.KeepColumns(text)
		if marked == text || phrase.Width(marked) != phrase.Width(text) || strings.ReplaceAll(marked, "\u200e", "") != text {
			t.Errorf("got %q of %q", marked, text)
		}
	}
}
