package tools

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/schemas"
)

// TestLongListsAsText: a list that is sent as text has no more values than one that is sent as a list, and a
// longer one is not taken apart.
func TestLongListsAsText(t *testing.T) {
	schema, err := schemas.Input("write_item")
	if err != nil {
		t.Fatal(err)
	}
	check, err := newChecker("write_item", schema)
	if err != nil {
		t.Fatal(err)
	}
	const values = 100_000
	for _, list := range []string{"[" + strings.Repeat("{},", values) + "1]", strings.Repeat("1,", values)} {
		args := encoded(t, map[string]any{"story_id": "1_s", "depends_on": list})
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := check.arguments(args); err == nil {
				t.Error("the list is taken")
			}
		})
		if allocated > values/10 {
			t.Errorf("a text with %d values takes %v allocations", values, allocated)
		}
	}
}

// TestLongNumbers: the schema is asked about a number that is as short as its meaning, since it takes one with
// a million digits apart for a second, and longer ones for minutes.
func TestLongNumbers(t *testing.T) {
	whole := &jsonschema.Schema{Types: new(jsonschema.Types)}
	whole.Types.Add("integer")
	for _, digits := range []string{strings.Repeat("9", 1000), "-" + strings.Repeat("9", 1000), "1." + strings.Repeat("5", 1000)} {
		got, ok := lenient(json.Number(digits), whole).(json.Number)
		if _, err := got.Float64(); !ok || err != nil || len(got) > 30 {
			t.Errorf("%.20s...: got %.60s, %v", digits, got, err)
		}
	}
}

// TestManyWrongValues: what is said of them fits hosts, as every answer does.
func TestManyWrongValues(t *testing.T) {
	h := newTempHost(t)
	got := h.fails("write_item", `{"story_id":"1_s","depends_on":[`+strings.Repeat("true,", 900)+`true]}`)
	if len(got) > maxAnswerBytes || !strings.Contains(got, "depends_on[0] must be an integer") {
		t.Errorf("%d bytes: %.200s", len(got), got)
	}
}
