package stdio_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/huskies/huskies-mcp/tools/stdio"
)

func TestInput(t *testing.T) {
	const (
		notObject = "null: -32600 a message must be a JSON object"
		batch     = "null: -32600 batches are not part of MCP; send one message a line"
		notJSON   = "null: -32700 the line is not valid JSON, or nested too deeply; send one whole message a line"
		badID     = "null: -32600 id must be a string or an integer of at most 64 bits"
		badMethod = "method must be a string"
	)
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"blank lines", "\n\r\n  \n\t\n" + ping("1") + "\n\n", []string{"1: ok"}},
		{"CRLF", ping("1") + "\r\n" + ping("2") + "\r\n", []string{"1: ok", "2: ok"}},
		{"byte order mark", "\uFEFF" + ping("1"), []string{"1: ok"}},
		{"byte order mark alone", "\uFEFF\n" + ping("1"), []string{"1: ok"}},
		{"byte order mark later", ping("1") + "\n\uFEFF" + ping("2"), []string{"1: ok", notJSON}},
		{"junk", "hello\n" + ping("1"), []string{notJSON, "1: ok"}},
		{"half a message", `{"jsonrpc":"2.0","id":1,`, []string{notJSON}},
		{"two messages on a line", ping("1") + ping("2"), []string{notJSON}},
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", []string{"null: -32700 the line is not valid UTF-8"}},
		{"nesting", strings.Repeat("[", 20000) + strings.Repeat("]", 20000), []string{notJSON}},
		{"number", "7", []string{notObject}},
		{"string", `"ping"`, []string{notObject}},
		{"null", "null", []string{notObject}},
		{"batch", "[" + ping("1") + "]", []string{batch}},
		{"empty batch", "[]", []string{batch}},
		{"null id", ping("null"), []string{badID}},
		{"fraction id", ping("1.5"), []string{badID}},
		{"exponent id", ping("1e2"), []string{badID}},
		{"huge id", ping("9223372036854775808"), []string{badID}},
		{"object id", ping("{}"), []string{badID}},
		{"bool id", ping("true"), []string{badID}},
		{"second id", `{"jsonrpc":"2.0","id":1,"method":"ping","ID":null}`, []string{badID}},
		{"string id", ping(`"a\u0041"`), []string{`"aA": ok`}},
		{"empty string id", ping(`""`), []string{`"": ok`}},
		{"negative id", ping("-7"), []string{"-7: ok"}},
		{"id above 2^53", ping("9223372036854775807"), []string{"9223372036854775807: ok"}},
		{"id used twice", ping("1") + "\n" + ping("1"), []string{"1: ok", "1: ok"}},
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
		{"request sent as a notification", `{"jsonrpc":"2.0","method":"ping"}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, newTools().srv)
				io.WriteString(c.in, test.in)
				if diff := cmp.Diff(test.want, c.finish()); diff != "" {
					t.Errorf("output (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestLongLines(t *testing.T) {
	const tooLong = "null: -32600 the message is longer than 16777216 bytes and was not read"
	of := func(n int) string { // a message of n bytes that is not answered
		const frame = `{"jsonrpc":"2.0","id":1,"result":""}`
		return strings.Replace(frame, `""`, `"`+strings.Repeat("x", n-len(frame))+`"`, 1)
	}
	for _, test := range []struct {
		name, in string
		want     int // of the lines, how many are too long
	}{
		{"at the limit", of(stdio.MaxMessageBytes) + "\n", 0},
		{"at the limit, CRLF", of(stdio.MaxMessageBytes) + "\r\n", 0},
		{"at the limit, at the end", of(stdio.MaxMessageBytes), 0},
		{"over the limit", of(stdio.MaxMessageBytes+1) + "\n", 1},
		{"over the limit, at the end", of(stdio.MaxMessageBytes + 1), 1},
		{"carriage returns", strings.Repeat("\r", stdio.MaxMessageBytes+10) + "\n", 1},
		{"twice", of(stdio.MaxMessageBytes+1) + "\n" + of(2*stdio.MaxMessageBytes) + "\n", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			in, want := test.in, slices.Repeat([]string{tooLong}, test.want)
			if strings.HasSuffix(in, "\n") { // the stream goes on
				in, want = in+ping("1"), append(want, "1: ok")
			}
			if err := stdio.Serve(t.Context(), newTools().srv, strings.NewReader(in), &out, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for l := range strings.Lines(out.String()) {
				got = append(got, brief(t, l))
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
		})
	}
}

// endless is a line without an end.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	for i := range p[:n] {
		p[i] = 'x'
	}
	e.left -= n
	return n, nil
}

func TestLongLineIsNotHeld(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := stdio.Serve(t.Context(), newTools().srv, &endless{left: 16 * stdio.MaxMessageBytes}, io.Discard, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Growing to the limit by append takes some five times that in all.
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(8*stdio.MaxMessageBytes); got > limit {
		t.Errorf("got %d bytes allocated for a line of %d, want at most %d", got, 16*stdio.MaxMessageBytes, limit)
	}
}

func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		"", "\uFEFF\r\n\n", "[]", "null", "{}", "\xff",
		initialize + "\n" + call("1", "note", "a") + "\n" + cancel("1") + "\n" + ping(`"1"`),
		modern("1", "subscriptions/listen", toolsChanged) + "\n" + modern("2", "tools/call", `"name":"progress",`),
		call("1", "panic", "") + "\n" + call("1", "unencodable", ""),
		`{"jsonrpc":"2.0","id":1,"result":null}` + "\n" + `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		ts := newTools()
		ts.srv.DeleteTools("wait", "stubborn")
		var out bytes.Buffer
		if err := stdio.Serve(t.Context(), ts.srv, bytes.NewReader(in), &out, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatalf("Serve: %v", err)
		}
		for l := range strings.Lines(out.String()) {
			var m map[string]json.RawMessage
			if err := json.Unmarshal([]byte(l), &m); err != nil || string(m["jsonrpc"]) != `"2.0"` || !strings.HasSuffix(l, "\n") {
				t.Errorf("got line %q (%v), want a JSON-RPC object", l, err)
			}
		}
	})
}

func BenchmarkCall(b *testing.B) {
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error)
	go func() {
		done <- stdio.Serve(b.Context(), newTools().srv, inR, outW, slog.New(slog.DiscardHandler))
	}()
	request, reply := []byte(call("1", "client", "x")+"\n"), make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inW.Write(request); err != nil {
			b.Fatal(err)
		}
		if n, err := outR.Read(reply); err != nil || reply[n-1] != '\n' {
			b.Fatalf("got %q (%v), want one line", reply[:n], err)
		}
	}
	inW.Close()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
