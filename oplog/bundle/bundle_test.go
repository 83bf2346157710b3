package bundle

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// sampleOp is something with the form of a signed op.
func sampleOp(payload string) crdt.SignedOp {
	op := crdt.SignedOp{ID: sha256.Sum256([]byte(payload)), Payload: []byte(payload)}
	for i := range op.Signature {
		op.Signature[i] = byte(i)
	}
	return op
}

func sampleLine(payload string) string { return string(AppendLine(nil, sampleOp(payload))) }

// readAll reads to the end and writes down what Next returned: a payload or
// an error a line, each with the number of the line and the offset behind it.
func readAll(r io.Reader) string {
	var story strings.Builder
	b := NewReader(r)
	for {
		op, err := b.Next()
		if err == io.EOF {
			return story.String()
		}
		var bad *LineError
		switch {
		case err == nil:
			fmt.Fprintf(&story, "%d-%d: %.20s\n", b.Line(), b.Offset(), op.Payload)
		case !errors.As(err, &bad):
			fmt.Fprintf(&story, "%v\n", err)
			return story.String()
		case bad.Line != b.Line():
			fmt.Fprintf(&story, "line %d is called %d\n", b.Line(), bad.Line)
		default:
			fmt.Fprintf(&story, "%v\n", err)
		}
	}
}

// TestFormat: a line is what the package comment says, byte for byte.
func TestFormat(t *testing.T) {
	op := sampleOp("an op")
	want := `{"id":"5a52fa0141fb6f82bf2aeba173482d5afc925155fe50ba310ded2026ee45c760","payload":"YW4gb3A=","signature":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="}` + "\n"
	if got := string(AppendLine([]byte("before "), op)); got != "before "+want {
		t.Errorf("got  %swant before %s", got, want)
	}
	var fields map[string]any
	if err := json.Unmarshal(AppendLine(nil, op), &fields); err != nil || len(fields) != 3 {
		t.Errorf("other programs read %v (%v)", fields, err)
	}
}

// TestRoundTrip: real ops come through as they were, admitted by Verify.
func TestRoundTrip(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var bundle []byte
	var want []crdt.SignedOp
	for i := range 10 {
		op := &crdt.Op{Seq: uint64(i + 1), Story: "1_s", Edits: []crdt.Edit{crdt.Set("name", crdt.String(strings.Repeat("é\n", 1<<i)))}}
		signed, err := crdt.Sign(op, key)
		if err != nil {
			t.Fatal(err)
		}
		bundle, want = AppendLine(bundle, signed), append(want, signed)
	}
	b := NewReader(bytes.NewReader(bundle))
	for i, want := range want {
		got, err := b.Next()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("op %d (-want +got):\n%s", i, diff)
		}
		if _, err := crdt.Verify(got.Payload, got.Signature); err != nil {
			t.Error(err)
		}
	}
	for range 2 {
		if _, err := b.Next(); err != io.EOF {
			t.Errorf("behind the last op: got %v, want io.EOF", err)
		}
	}
	if b.Line() != 10 || b.Offset() != int64(len(bundle)) {
		t.Errorf("at the end: line %d, offset %d, want 10, %d", b.Line(), b.Offset(), len(bundle))
	}
}

// TestLines: what the reader takes for a line, however the bytes come in.
func TestLines(t *testing.T) {
	a, b := sampleLine("a"), sampleLine("b")
	n := len(a)
	crlf := strings.NewReplacer("\n", "\r\n").Replace
	most, over := strings.Repeat(" ", MaxLine-len(a)+1), strings.Repeat(" ", MaxLine-len(a)+2)
	for name, test := range map[string]struct{ bundle, want string }{
		"nothing":           {"", ""},
		"blank":             {"\n \t\r\n\n", ""},
		"two":               {a + b, fmt.Sprintf("1-%d: a\n2-%d: b\n", n, 2*n)},
		"twice the same":    {a + a, fmt.Sprintf("1-%d: a\n2-%d: a\n", n, 2*n)},
		"no newline":        {a + strings.TrimSpace(b), fmt.Sprintf("1-%d: a\n2-%d: b\n", n, 2*n-1)},
		"CRLF":              {crlf(a + b), fmt.Sprintf("1-%d: a\n2-%d: b\n", n+1, 2*n+2)},
		"blank between":     {"\n" + a + "\r\n  \n" + b + "\n", fmt.Sprintf("2-%d: a\n5-%d: b\n", n+1, 2*n+6)},
		"indented":          {" \t" + a, fmt.Sprintf("1-%d: a\n", n+2)},
		"byte order mark":   {"\ufeff" + a, fmt.Sprintf("1-%d: a\n", n+3)},
		"marks of two":      {"\ufeff" + a + "\ufeff" + b, fmt.Sprintf("1-%d: a\n2-%d: b\n", n+3, 2*n+6)},
		"a mark alone":      {"\ufeff", ""},
		"bad between":       {a + "x\n" + b, fmt.Sprintf("1-%d: a\nline 2: not JSON: invalid character 'x' looking for beginning of value\n3-%d: b\n", n, 2*n+2)},
		"cut short":         {a + b[:n/2], fmt.Sprintf("1-%d: a\nline 2: not JSON: unexpected end of JSON input\n", n)},
		"two on a line":     {strings.TrimSpace(a) + b, "line 1: not JSON: invalid character '{' after top-level value\n"},
		"as long as may be": {most + a + most + b, fmt.Sprintf("1-%d: a\n2-%d: b\n", len(most)+n, 2*len(most)+2*n)},
		"the same, CRLF":    {crlf(most + a + b), fmt.Sprintf("1-%d: a\n2-%d: b\n", len(most)+n+1, len(most)+2*n+2)},
		"longer by one":     {over + a + b, fmt.Sprintf("line 1: the line is longer than 131072 bytes\n2-%d: b\n", len(over)+2*n)},
		"much longer":       {strings.Repeat("x", 1e6) + "\n" + a, fmt.Sprintf("line 1: the line is longer than 131072 bytes\n2-%d: a\n", 1_000_001+n)},
		"long, the last":    {a + strings.Repeat(" ", 3*MaxLine), fmt.Sprintf("1-%d: a\nline 2: the line is longer than 131072 bytes\n", n)},
	} {
		t.Run(name, func(t *testing.T) {
			for how, r := range map[string]io.Reader{
				"at once":   strings.NewReader(test.bundle),
				"by bytes":  iotest.OneByteReader(strings.NewReader(test.bundle)),
				"with EOF":  iotest.DataErrReader(strings.NewReader(test.bundle)),
				"in halves": iotest.HalfReader(strings.NewReader(test.bundle)),
			} {
				if diff := cmp.Diff(test.want, readAll(r)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", how, diff)
				}
			}
		})
	}
}

// TestBadLines: each says what is wrong with it, and what follows is read.
func TestBadLines(t *testing.T) {
	ops := map[string]string{ // parts of a good line
		"ID":  sampleOp("a").ID.String(),
		"SIG": base64.StdEncoding.EncodeToString(make([]byte, 64)),
		"BIG": base64.StdEncoding.EncodeToString(make([]byte, crdt.MaxPayload+1)),
	}
	for line, want := range map[string]string{
		`[]`:          `got a JSON array, want an object`,
		`"x"`:         `got a JSON string, want an object`,
		`7`:           `got a JSON number, want an object`,
		`null`:        `"id" is missing`,
		`{}`:          `"id" is missing`,
		`{"id":null}`: `"id" is missing`,
		`{"id":"ID"}`: `"payload" is missing`,
		`{"id":"ID","payload":"YQ==","Sig":"SIG"}`:                        `"signature" is missing`,
		`{"id":7,"payload":"YQ==","signature":"SIG"}`:                     `"id" is a JSON number, want a string`,
		`{"id":"ID","payload":["YQ=="],"signature":"SIG"}`:                `"payload" is a JSON array, want a string`,
		`{"id":"ID","payload":"YQ==","signature":{"a":1}}`:                `"signature" is a JSON object, want a string`,
		`{"id":"ab","payload":"YQ==","signature":"SIG"}`:                  `"id" is wrong: parse op ID: got 2 characters, want 64 hex digits`,
		`{"id":"ID","payload":"YQ","signature":"SIG"}`:                    `"payload" is not base64 with padding`,
		`{"id":"ID","payload":"_Q==","signature":"SIG"}`:                  `"payload" is not base64 with padding`,
		`{"id":"ID","payload":"YQ==","signature":"é"}`:                    `"signature" is not base64 with padding`,
		`{"id":"ID","payload":"YQ==","signature":"YQ=="}`:                 `"signature" has 1 bytes, want 64`,
		`{"id":"ID","payload":"BIG","signature":"SIG"}`:                   `"payload" has 65537 bytes, want at most 65536`,
		`{"id":"ID","payload":"Yg==","signature":"SIG"}`:                  `"id" is not the SHA-256 of "payload": one of them was damaged or changed`,
		`{"id":"ID","payload":"","signature":"SIG"}`:                      `"id" is not the SHA-256 of "payload": one of them was damaged or changed`,
		`{"id":"ID","payload":"YQ==","signature":"SIG","payload":"Yg=="}`: `"id" is not the SHA-256 of "payload": one of them was damaged or changed`,
		`{"id":"ID","payload":"YQ==","signature":"SIG","payload":null}`:   `"payload" is missing`,
	} {
		for name, value := range ops {
			line = strings.ReplaceAll(line, `"`+name+`"`, `"`+value+`"`)
		}
		got := readAll(strings.NewReader(line + "\n" + sampleLine("a")))
		want := fmt.Sprintf("line 1: %s\n2-%d: a\n", want, len(line)+1+len(sampleLine("a")))
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%.200s (-want +got):\n%s", line, diff)
		}
	}
}

// TestTakesWhatMayCome: a greatest op fits on a line, and keys of later
// versions do not disturb.
func TestTakesWhatMayCome(t *testing.T) {
	a := sampleLine("a")
	for name, line := range map[string]string{
		"greatest payload": sampleLine(strings.Repeat("a", crdt.MaxPayload)),
		"new keys":         `{"hops":3,"seen":[{"a":null}],` + a[1:],
		"nested deeply":    `{"x":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "," + a[1:],
		"last one wins":    `{"payload":"Yg==","id":"x",` + a[1:],
		"capitals":         strings.Replace(a, `"id"`, `"ID"`, 1),
	} {
		if got, want := readAll(strings.NewReader(line)), fmt.Sprintf("1-%d: a", len(line)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// TestReadError: an error of the underlying reader comes as it is, each
// time, and half a line before it is no op.
func TestReadError(t *testing.T) {
	boom := errors.New("boom")
	a := sampleLine("a")
	for _, rest := range []string{"", a[:50], strings.TrimSpace(a), strings.Repeat(" ", 2*MaxLine)} {
		b := NewReader(io.MultiReader(strings.NewReader(a+rest), iotest.ErrReader(boom), strings.NewReader(a)))
		if _, err := b.Next(); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if op, err := b.Next(); err != boom {
				t.Errorf("after %.60q: got %v, %v, want the reader's error", rest, op, err)
			}
		}
	}
}

// TestLongLineIsNotHeld: a line without end costs no memory.
func TestLongLineIsNotHeld(t *testing.T) {
	const size = 64 << 20
	b := NewReader(io.LimitReader(endless{}, size))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := b.Next()
	runtime.ReadMemStats(&after)
	var bad *LineError
	if !errors.As(err, &bad) || b.Offset() != size {
		t.Errorf("got %v at %d, want a line error at %d", err, b.Offset(), size)
	}
	if held := after.TotalAlloc - before.TotalAlloc; held > MaxLine {
		t.Errorf("a line of %d bytes took %d bytes of memory", size, held)
	}
}

// endless is a file of one line.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// FuzzBundle: whatever the bytes and however they come in, reading them ends
// at their end, every op has the form of one, and written again it reads the
// same.
func FuzzBundle(f *testing.F) {
	a, b := sampleLine("a"), sampleLine(strings.Repeat("b", 300))
	for _, bundle := range []string{
		"", "\n", "\ufeff\r\n", a, a + b, strings.TrimSpace(a + b), a[:len(a)/2], a[:len(a)/2] + b,
		strings.ReplaceAll(a+b, "\n", "\r\n"), "\ufeff" + a + "\n\n" + b, strings.TrimSpace(a) + b,
		strings.Repeat("x", 2*MaxLine) + "\n" + a,
		sampleLine(strings.Repeat("c", crdt.MaxPayload)), sampleLine(strings.Repeat("c", crdt.MaxPayload+1)),
		`{"id":"x","payload":"Yg==",` + a[1:], `{"ID":null,` + a[1:],
		`{"x":{"id":[` + a + `]},` + a[1:], strings.Repeat("[", 20_000),
		`{"id":1,"payload":2,"signature":3}`, "null\n[]\n\"\"\n0",
		sampleLine(""), strings.Replace(a, "==", `\n==`, 1),
	} {
		f.Add([]byte(bundle))
	}
	f.Fuzz(func(t *testing.T, bundle []byte) {
		story := readAll(bytes.NewReader(bundle))
		if again := readAll(iotest.OneByteReader(bytes.NewReader(bundle))); again != story {
			t.Fatalf("byte by byte it reads otherwise (-at once +by bytes):\n%s", cmp.Diff(story, again))
		}
		r := NewReader(bytes.NewReader(bundle))
		lines := 1 + bytes.Count(bundle, []byte("\n"))
		for calls := 0; ; calls++ {
			op, err := r.Next()
			if err == io.EOF {
				break
			}
			if calls == lines {
				t.Fatalf("more than %d lines", lines)
			}
			var bad *LineError
			if err != nil {
				if !errors.As(err, &bad) {
					t.Fatal(err)
				}
				continue
			}
			if len(op.Payload) > crdt.MaxPayload || sha256.Sum256(op.Payload) != op.ID {
				t.Fatalf("line %d is no op: %+v", r.Line(), op)
			}
			line := AppendLine(nil, op)
			again, err := NewReader(bytes.NewReader(line)).Next()
			if err != nil {
				t.Fatalf("written again: %v: %s", err, line)
			}
			if diff := cmp.Diff(op, again); diff != "" {
				t.Fatalf("written again it reads otherwise (-before +after):\n%s", diff)
			}
		}
		if r.Offset() != int64(len(bundle)) || r.Line() > lines {
			t.Fatalf("at the end: line %d, offset %d of %d lines, %d bytes", r.Line(), r.Offset(), lines, len(bundle))
		}
	})
}
