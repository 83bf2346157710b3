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

	"github.com/huskies/huskies-mcp/tools/calls"
	"github.com/huskies/huskies-mcp/tools/calls/callstest"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

func TestInput(t *testing.T) {
	const notJSON = "null: -32700 the message is not valid JSON, or nested too deeply; send one whole message at a time, over stdio one a line"
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"empty", "", nil},
		{"blank lines", "\n\r\n  \n\t\n" + callstest.Ping("1") + "\n\n", []string{"1: ok"}},
		{"CRLF", callstest.Ping("1") + "\r\n" + callstest.Ping("2") + "\r\n", []string{"1: ok", "2: ok"}},
		{"byte order mark", "\uFEFF" + callstest.Ping("1"), []string{"1: ok"}},
		{"byte order mark alone", "\uFEFF\n" + callstest.Ping("1"), []string{"1: ok"}},
		{"byte order mark later", callstest.Ping("1") + "\n\uFEFF" + callstest.Ping("2"), []string{"1: ok", notJSON}},
		{"junk", "hello\n" + callstest.Ping("1"), []string{notJSON, "1: ok"}},
		{"half a message", `{"jsonrpc":"2.0","id":1,`, []string{notJSON}},
		{"two messages on a line", callstest.Ping("1") + callstest.Ping("2"), []string{notJSON}},
		{"invalid UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":\"\xff\",\"method\":\"ping\"}", []string{"null: -32700 the message is not valid UTF-8"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := serve(t, callstest.NewTools().Srv)
				io.WriteString(c.In, test.in)
				if diff := cmp.Diff(test.want, c.Finish()); diff != "" {
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
		{"at the limit", of(calls.MaxMessageBytes) + "\n", 0},
		{"at the limit, CRLF", of(calls.MaxMessageBytes) + "\r\n", 0},
		{"at the limit, at the end", of(calls.MaxMessageBytes), 0},
		{"over the limit", of(calls.MaxMessageBytes+1) + "\n", 1},
		{"over the limit, at the end", of(calls.MaxMessageBytes + 1), 1},
		{"carriage returns", strings.Repeat("\r", calls.MaxMessageBytes+10) + "\n", 1},
		{"twice", of(calls.MaxMessageBytes+1) + "\n" + of(2*calls.MaxMessageBytes) + "\n", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			in, want := test.in, slices.Repeat([]string{tooLong}, test.want)
			if strings.HasSuffix(in, "\n") { // the stream goes on
				in, want = in+callstest.Ping("1"), append(want, "1: ok")
			}
			if err := stdio.Serve(t.Context(), callstest.NewTools().Srv, strings.NewReader(in), &out, slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for l := range strings.Lines(out.String()) {
				got = append(got, callstest.Brief(t, l))
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
	if err := stdio.Serve(t.Context(), callstest.NewTools().Srv, &endless{left: 16 * calls.MaxMessageBytes}, io.Discard, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// Growing to the limit by append takes some five times that in all.
	if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(8*calls.MaxMessageBytes); got > limit {
		t.Errorf("got %d bytes allocated for a line of %d, want at most %d", got, 16*calls.MaxMessageBytes, limit)
	}
}

func FuzzServe(f *testing.F) {
	for _, seed := range []string{
		"", "\uFEFF\r\n\n", "[]", "null", "{}", "\xff",
		callstest.Initialize + "\n" + callstest.Call("1", "note", "a") + "\n" + callstest.Cancel("1") + "\n" + callstest.Ping(`"1"`),
		callstest.Modern("1", "subscriptions/listen", callstest.ToolsChanged) + "\n" + callstest.Modern("2", "tools/call", `"name":"progress",`),
		callstest.Call("1", "panic", "") + "\n" + callstest.Call("1", "unencodable", ""),
		`{"jsonrpc":"2.0","id":1,"result":null}` + "\n" + `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":{}}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		ts := callstest.NewTools()
		ts.Srv.DeleteTools("wait", "share", "stubborn")
		var out bytes.Buffer
		if err := stdio.Serve(t.Context(), ts.Srv, bytes.NewReader(in), &out, slog.New(slog.DiscardHandler)); err != nil {
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
		done <- stdio.Serve(b.Context(), callstest.NewTools().Srv, inR, outW, slog.New(slog.DiscardHandler))
	}()
	request, reply := []byte(callstest.Call("1", "client", "x")+"\n"), make([]byte, 4096)
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

// TestLongRequestsAreAnswered: the ID of a request that is too long is found, where clients write it.
func TestLongRequestsAreAnswered(t *testing.T) {
	long := strings.Repeat("x", 3*calls.MaxMessageBytes/2)
	in := `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + long + `"}}` + "\n" +
		`{"method":"ping","params":{"x":"` + long + `"},"jsonrpc":"2.0","id":"two"}` + "\r\n" +
		`{"method":"ping","params":{"x":"` + long + `"},"id":3}`
	var out bytes.Buffer
	if err := stdio.Serve(t.Context(), callstest.NewTools().Srv, strings.NewReader(in), &out, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	var got []string
	for l := range strings.Lines(out.String()) {
		id, _, _ := strings.Cut(callstest.Brief(t, l), " ")
		got = append(got, id)
	}
	if diff := cmp.Diff([]string{"1:", `"two":`, "3:"}, got); diff != "" {
		t.Errorf("IDs (-want +got):\n%s", diff)
	}
}
