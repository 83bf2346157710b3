package tools

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/schemas"
)

// TestPlainArguments: what agents send day by day is seen to fit at once.
func TestPlainArguments(t *testing.T) {
	for _, test := range []struct{ tool, args string }{
		{"read_item", `{"story_id":"1_story_a"}`},
		{"read_item", ` { "history" : 5 , "story_id" : "1_story_a" } `},
		{"write_item", `{"name":"Say \"hello\"\n","stage":"1_backlog","blocked":false,"retry_count":0,"description":"Grüße"}`},
		{"claim_item", `{}`},
		{"claim_item", `{"agent":"coder-1","lease_seconds":60}`},
		{"advance_item", `{"story_id":"1_story_a","to":"3_qa","claim":"0123456789ab","note":"done"}`},
	} {
		if !newTestChecker(t, test.tool).plain.fits([]byte(test.args)) {
			t.Errorf("%s %s is left to the schema", test.tool, test.args)
		}
	}
}

// FuzzPlain: what plain takes for fit is fit for the schema, too, and needs no leniency. What it does not take costs
// time and nothing else.
func FuzzPlain(f *testing.F) {
	for _, args := range []string{
		`{"story_id":"1_s"}`, `{"story_id":1}`, `{"story_id":"1_s","history":101}`, `{"story_id":"1_s","history":"1"}`,
		`{"story_id":"1_s","story_id":"2_s"}`, `{"story_id":"1_s","agnet":"a"}`, `{}`, `{"story_id":null}`, `null`, `[]`, `"x"`,
		`{"stage":"1_backlog","blocked":true,"retry_count":-1}`, `{"stage":"1_back\u006cog"}`, `{"st\u0061ge":"1_backlog"}`,
		`{"name":"` + strings.Repeat("x", 257) + `"}`, `{"depends_on":[1,2]}`, `{"retry_count":1e2}`, `{"retry_count":1.0}`, `{"name":"\\"}`,
		`{"blocked":true }`, `{"blocked":truex}`, `{"limit":50}`, ` {"limit" : 50 , "ready":true}`, `{"lease_seconds":9007199254740993}`,
	} {
		f.Add(args)
	}
	var checkers []*checker
	for _, name := range Names() {
		checkers = append(checkers, newTestChecker(f, name))
	}
	f.Fuzz(func(t *testing.T, args string) {
		if !json.Valid([]byte(args)) {
			return // the transport refuses it
		}
		for _, c := range checkers {
			if !c.plain.fits([]byte(args)) {
				continue
			}
			got, err := c.bySchema([]byte(args))
			if err != nil || string(got) != args {
				t.Errorf("%s %s is taken for plain, and the schema makes of it %s, %v", c.tool, args, got, err)
			}
		}
	})
}

func newTestChecker(t testing.TB, tool string) *checker {
	t.Helper()
	schema, err := schemas.Input(tool)
	if err != nil {
		t.Fatal(err)
	}
	c, err := newChecker(tool, schema)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
