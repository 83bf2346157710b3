package tools

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/huskies/huskies-mcp/schemas"
)

// TestEmptyIsLeftOut: in every tool, every argument that need not be given may be given empty, in any
// way that models do, and the answer is the same as without the argument.
func TestEmptyIsLeftOut(t *testing.T) {
	required := map[string]string{"story_id": "1_s", "blocked": "true", "since": "0"}
	for _, tl := range all() {
		b, err := schemas.Input(tl.name)
		if err != nil {
			t.Fatal(err)
		}
		check, err := newChecker(tl.name, b)
		if err != nil {
			t.Fatal(err)
		}
		base := map[string]any{}
		for _, name := range check.schema.Required {
			base[name] = required[name]
		}
		want := checked(t, check, base)
		for name, s := range check.schema.Properties {
			for _, empty := range empties(name, s) {
				args := map[string]any{name: empty}
				for k, v := range base {
					if k != name {
						args[k] = v
					}
				}
				if base[name] != nil {
					if _, err := check.arguments(encoded(t, args)); err == nil || !strings.Contains(err.Error(), tl.name+" needs "+name) {
						t.Errorf("%s %s: got %v, want that it needs %s", tl.name, encoded(t, args), err, name)
					}
					continue
				}
				if diff := cmp.Diff(want, checked(t, check, args)); diff != "" {
					t.Errorf("%s %s (-without +with):\n%s", tl.name, encoded(t, args), diff)
				}
			}
		}
	}
}

// empties returns the values that say nothing for an argument.
func empties(name string, s *jsonschema.Schema) []any {
	all := []any{nil, "", []any{}, " \n", []any{nil}, []any{""}}
	if !wants(s, "array") {
		all = all[:4]
	}
	if !wants(s, "integer") || s.Minimum != nil && s.Minimum.Sign() > 0 {
		all = append(all, 0, 0.0)
	}
	if wants(s, "integer") && s.Minimum != nil && s.Minimum.Sign() > 0 {
		all = append(all, "0")
	}
	if name == "since" {
		return all[:3] // 0 is the beginning
	}
	return all
}

func encoded(t *testing.T, args map[string]any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checked(t *testing.T, c *checker, args map[string]any) map[string]any {
	t.Helper()
	got, err := c.arguments(encoded(t, args))
	if err != nil {
		t.Fatalf("%s %s: %v", c.tool, encoded(t, args), err)
	}
	return got
}

// TestZeroAndFalseAreValues where they can be meant: they are written.
func TestZeroAndFalseAreValues(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog","retry_count":2,"blocked":true}`)
	got := h.ok("write_item", `{"story_id":"1_s","retry_count":0,"blocked":false}`)
	if !strings.Contains(got, `"changed":["retry_count","blocked"]`) {
		t.Errorf("got %s", got)
	}
}

// TestAllArgumentsFilledIn: a model that fills in every argument, most of them empty, changes what it
// has something to say for and wipes nothing.
func TestAllArgumentsFilledIn(t *testing.T) {
	h := newTempHost(t)
	h.ok("write_item", `{"story_id":"1_s","stage":"1_backlog"}`)
	h.ok("write_item", `{"story_id":"2_s","stage":"1_backlog","name":"n","description":"d","agent":"ann","depends_on":[1]}`)
	got := h.ok("write_item", `{"story_id":"2_s","type":"","stage":"","name":"","agent":"","description":"","note":"done","depends_on":[],"after":"","before":null,"clear":[],"if_rev":"","claim":0,"toolCallId":"x","sessionId":"y","action":"z","chatInput":"","_meta":{"a":1}}`)
	if !strings.Contains(got, `"changed":["note"]`) {
		t.Errorf("got %s", got)
	}
	got = h.ok("write_item", `{"story_id":"2_s","clear":["agent","description","depends_on","name"]}`)
	if !strings.Contains(got, `"changed":["name","agent","depends_on","description"]`) {
		t.Errorf("got %s", got)
	}
}

// TestEndsOfTheOrder: first and last are words for after and before alike.
func TestEndsOfTheOrder(t *testing.T) {
	h := newTempHost(t)
	for _, id := range []string{"1_s", "2_s", "3_s"} {
		h.ok("write_item", `{"story_id":"`+id+`","stage":"1_backlog"}`)
	}
	for _, tt := range []struct{ args, want string }{
		{`"after":"first"`, "2_s 1_s 3_s"},
		{`"after":"last"`, "1_s 3_s 2_s"},
		{`"before":"first"`, "2_s 1_s 3_s"},
		{`"before":"last"`, "1_s 3_s 2_s"},
	} {
		h.ok("write_item", `{"story_id":"2_s",`+tt.args+`}`)
		var out listItemsOut
		if err := json.Unmarshal([]byte(h.ok("list_items", `{"stage":"1_backlog"}`)), &out); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, it := range out.Stages[0].Items {
			ids = append(ids, it.StoryID)
		}
		if got := strings.Join(ids, " "); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.args, got, tt.want)
		}
	}
}
