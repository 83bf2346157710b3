package calls_test

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/tools/calls"
	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

// pingWith returns a ping with so many values, nearly all of them in _meta.
func pingWith(values int) string {
	const others = 7 // four members of the message, one of params, one of _meta, the first element of its list
	return `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"_meta":{"x":["\\",` + strings.Repeat("0,", values-others-1) + `0]}}}`
}

// tooLong returns a ping over the limit with members before and behind what makes it long.
func tooLong(before, behind string) string {
	return `{` + before + `"method":"ping","x":"` + strings.Repeat("x", calls.MaxMessageBytes) + `"` + behind + "}\n"
}

func TestMessages(t *testing.T) {
	const (
		notObject = "null: -32600 a message must be a JSON object"
		batch     = "null: -32600 batches are not part of MCP; send one message at a time"
		notJSON   = "null: -32700 the message is not valid JSON, or nested too deeply; send one whole message at a time, over stdio one a line"
		badID     = "null: -32600 id must be a string or an integer of at most 64 bits"
		badMethod = "method must be a string"
	)
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "\n", []string{notJSON}},
		{"white space", " " + callstest.Ping("1") + " \t\r\n", []string{"1: ok"}},
		{"too long", strings.Repeat("x", calls.MaxMessageBytes+1), []string{"null: -32600 the message is longer than 16777216 bytes and was not read"}},
		{"nesting", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), []string{notJSON}},
		{"number", "7", []string{notObject}},
		{"string", `"ping"`, []string{notObject}},
		{"null", "null", []string{notObject}},
		{"too long, with its ID first", tooLong(`"id":7,`, ``), []string{"7: -32600 the message is longer than 16777216 bytes and was not read"}},
		{"too long, with its ID behind", tooLong(``, `,"jsonrpc":"2.0","id":"a\"b"`), []string{`"a\"b": -32600 the message is longer than 16777216 bytes and was not read`}},
		{"too long response", `{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", calls.MaxMessageBytes) + `"}`, []string{"null: -32600 the message is longer than 16777216 bytes and was not read"}},
		{"too long, with an ID inside", tooLong(``, `,"params":{"id":7}`), []string{"null: -32600 the message is longer than 16777216 bytes and was not read"}},
		{"batch", "[" + callstest.Ping("1") + "]", []string{"1" + strings.TrimPrefix(batch, "null")}},
		{"batch with a notification", "[" + callstest.Ping("1") + `,{"jsonrpc":"2.0","method":"notifications/nope"},7,` + callstest.Ping(`"b"`) + "]", []string{
			"1" + strings.TrimPrefix(batch, "null"), `"b"` + strings.TrimPrefix(batch, "null"),
		}},
		{"batch with too many values", "[" + strings.Repeat(callstest.Ping("1")+",", calls.MaxMessageValues) + callstest.Ping("1") + "]", []string{batch}},
		{"empty batch", "[]", []string{batch}},
		{"null id", callstest.Ping("null"), []string{badID}},
		{"fraction id", callstest.Ping("1.5"), []string{badID}},
		{"exponent id", callstest.Ping("1e2"), []string{badID}},
		{"huge id", callstest.Ping("9223372036854775808"), []string{badID}},
		{"object id", callstest.Ping("{}"), []string{badID}},
		{"bool id", callstest.Ping("true"), []string{badID}},
		{"second id", `{"jsonrpc":"2.0","id":1,"method":"ping","ID":null}`, []string{badID}},
		{"string id", callstest.Ping(`"a\u0041"`), []string{`"aA": ok`}},
		{"empty string id", callstest.Ping(`""`), []string{`"": ok`}},
		{"negative id", callstest.Ping("-7"), []string{"-7: ok"}},
		{"id above 2^53", callstest.Ping("9223372036854775807"), []string{"9223372036854775807: ok"}},
		{"id used twice", callstest.Ping("1") + "\n" + callstest.Ping("1"), []string{"1: ok", "1: ok"}},
		{"no method", `{"jsonrpc":"2.0","id":1}`, []string{"1: -32600 " + badMethod}},
		{"empty object", `{}`, []string{"null: -32600 " + badMethod}},
		{"method of another type", `{"jsonrpc":"2.0","id":1,"method":7}`, []string{"1: -32600 " + badMethod}},
		{"method and result", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, []string{
			"1: -32600 a message must not have a method and also a result or an error",
		}},
		{"unknown method", `{"jsonrpc":"2.0","id":1,"method":"nope"}`, []string{"1: -32601 Method nope not found"}},
		{"other version", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, []string{"1: -32600 Invalid JSON-RPC version"}},
		{"result", `{"jsonrpc":"2.0","id":1,"result":{}}`, nil},
		{"error", `{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}`, nil},
		{"unknown notification", `{"jsonrpc":"2.0","method":"notifications/nope"}`, nil},
		{"notification of another version", `{"jsonrpc":"1.0","method":"notifications/nope"}`, nil},
		{"as many values as may be", pingWith(calls.MaxMessageValues), []string{"1: ok"}},
		{"more values", pingWith(calls.MaxMessageValues + 1), []string{
			"1: -32600 the message has 1025 values and was not read; send at most 1024 in one message, in lists and objects together",
		}},
		{"a text is one value", callstest.Ping("\"" + strings.Repeat(`,[{\"`, 1024) + "\""), []string{"\"" + strings.Repeat(`,[{\"`, 1024) + "\": ok"}},
		{"request sent as a notification", `{"jsonrpc":"2.0","method":"ping"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := callstest.InProcess(t, callstest.NewTools().Srv)
				io.WriteString(c.In, test.in)
				if diff := cmp.Diff(test.want, c.Finish()); diff != "" {
					t.Errorf("output (-want +got):\n%s", diff)
				}
			})
		})
	}
}
