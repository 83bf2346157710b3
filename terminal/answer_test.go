package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/terminal"
)

func TestAnswer(t *testing.T) {
	answers := []string{
		`{"item":{"story_id":"12_story_add_login","stage":"2_current","depends_on":[3,4],"blocked":false,"rev":"0123456789ab"},"description":"# Users\n\n- sign in\n- out\n","notes":[{"text":"one line","agent":"coder-1"},{"text":"two\nlines","agent":"coder-2"}],"warning":null}`,
		`{"stages":[{"stage":"2_current","count":2,"items":[{"story_id":"9_story_i","name":"Log in","agent":"coder-2"},{"story_id":"10_story_j","ready":true}]},{"stage":"3_qa","count":0}],"total":12345678901234567890,"cursor":"12.9f3a01bc.5d0a7c11"}`,
		`{"changed":[],"items":{},"long":["a text that is longer than half of a line, so it stands on its own","b"],"deep":[[1,[2]],[]]}`,
		`"text"`,
	}
	goldens(t, "answer", func(s terminal.Screen) string {
		var out strings.Builder
		for _, data := range answers {
			text, err := terminal.Answer(s, []byte(data))
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(text + "\n")
		}
		return out.String()
	})
	if _, err := terminal.Answer(terminal.Screen{}, []byte(`{"a":`)); err == nil {
		t.Error("half an answer is no error")
	}
}

// TestAnswerOfAnything shows that nothing in an answer drives the terminal.
func TestAnswerOfAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data, err := json.Marshal(map[string]any{
			anyText(t, "key"): anyText(t, "value"),
			"list":            []any{anyText(t, "item"), map[string]any{anyText(t, "inner"): anyText(t, "text"), "b": []string{anyText(t, "deep")}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		text, err := terminal.Answer(terminal.Screen{Now: now}, data)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range text {
			if r != '\n' && (unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) || r >= 0xE0000 && r <= 0xE01EF) {
				t.Fatalf("prints %U: %q", r, text)
			}
		}
	})
}
