package crdt_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// TestNonDeterministicEncodings: an op has one encoding. Each row is a change
// of the bytes that leaves the meaning alone (or repeats it), signed anew.
func TestNonDeterministicEncodings(t *testing.T) {
	author := crdt.AuthorOf(keyOf("a"))
	// {1: 1, 2: author, 3: 1, 4: [], 5: "1_s", 6: [{1: 1, 2: "name", 3: 5}]}
	const honest = "a6 01 01 02 5820 AUTHOR 03 01 04 80 05 63315f73 06 81 a3 01 01 02 646e616d65 03 05"
	build := func(s string) []byte { return raw(strings.ReplaceAll(s, "AUTHOR", hex.EncodeToString(author[:]))) }
	if _, err := crdt.Verify(build(honest), signBytes(build(honest), "a").Signature); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, old, new string }{
		{"version in two bytes", "a6 01 01", "a6 01 1801"},
		{"key in two bytes", "a6 01 01", "a6 1801 01"},
		{"seq in two bytes", "03 01 04", "03 1801 04"},
		{"seq in three bytes", "03 01 04", "03 190001 04"},
		{"seq in nine bytes", "03 01 04", "03 1b0000000000000001 04"},
		{"seq 23 in two bytes", "03 01 04", "03 1817 04"},
		{"seq 255 in three bytes", "03 01 04", "03 1900ff 04"},
		{"seq 65535 in five bytes", "03 01 04", "03 1a0000ffff 04"},
		{"seq 2^32-1 in nine bytes", "03 01 04", "03 1b00000000ffffffff 04"},
		{"value in two bytes", "03 05", "03 1805"},
		{"author's length in three bytes", "5820", "590020"},
		{"story's length in two bytes", "63315f73", "7803315f73"},
		{"map's length in two bytes", "a6 01", "b806 01"},
		{"edits' length in two bytes", "06 81", "06 9801"},
		{"edit's length in two bytes", "a3 01 01", "b803 01 01"},
		{"indefinite map", "a6 01 01", "bf 01 01"}, // the break is added below
		{"indefinite parents", "04 80", "04 9fff"},
		{"indefinite story", "63315f73", "7f 63315f73 ff"},
		{"indefinite author", "5820 AUTHOR", "5f 5820 AUTHOR ff"},
		{"keys out of order", "03 01 04 80", "04 80 03 01"},
		{"edit's keys out of order", "01 01 02 646e616d65", "02 646e616d65 01 01"},
		{"seq twice", "a6 01 01 02 5820 AUTHOR 03 01", "a7 01 01 02 5820 AUTHOR 03 01 03 01"},
		{"edit's field twice", "a3 01 01 02 646e616d65", "a4 01 01 02 646e616d65 02 646e616d65"},
		{"unknown key twice", "03 05", "03 05 20 01 20 01"},
		{"self-described tag", "a6 01 01", "d9d9f7 a6 01 01"},
		{"tagged seq", "03 01 04", "03 c101 04"},
		{"bignum seq", "03 01 04", "03 c24101 04"},
		{"unknown key before known ones", "a6 01 01", "a7 20 01 01 01"},
		{"unknown integer not the shortest", "03 05", "03 05 20 1817"},
		{"unknown text's length not the shortest", "03 05", "03 05 20 780161"},
		{"unknown array's length not the shortest", "03 05", "03 05 20 980101"},
		{"unknown map's key not the shortest", "03 05", "03 05 20 a1180101"},
		{"unknown map's keys out of order", "03 05", "03 05 20 a220010101"},
		{"unknown map's keys by value, not bytes", "03 05", "03 05 20 a26162016018"},
		{"unknown map's key twice", "03 05", "03 05 20 a2616101616102"},
		{"unknown array indefinite", "03 05", "03 05 20 9fff"},
		{"unknown text indefinite", "03 05", "03 05 20 7fff"},
		{"unknown tag", "03 05", "03 05 20 c101"},
		{"unknown reserved head", "03 05", "03 05 20 1c"},
		{"unknown break", "03 05", "03 05 20 ff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(honest, tt.old) {
				t.Fatalf("%q is not in the honest op", tt.old)
			}
			s := strings.Replace(honest, tt.old, tt.new, 1)
			switch {
			case tt.name == "indefinite map":
				s += "ff"
			case tt.name == "unknown key twice":
				s = strings.Replace(s, "a3", "a5", 1)
			case strings.HasPrefix(tt.name, "unknown") && tt.name != "unknown key before known ones":
				s = strings.Replace(s, "a3", "a4", 1) // one more key in the edit
			}
			payload := build(s)
			_, err := crdt.Verify(payload, signBytes(payload, "a").Signature)
			wantError(t, err, crdt.ErrMalformed)
			_, err = crdt.Decode(payload) // which a replay calls
			wantError(t, err, crdt.ErrMalformed)
		})
	}
}

// TestClaimedLengths: a length that is claimed but not there is refused, and no
// room is made for it.
func TestClaimedLengths(t *testing.T) {
	for name, payload := range map[string][]byte{
		"map":          raw("bbffffffffffffffff"),
		"author":       raw("a1 02 5b7fffffffffffffff"),
		"author, less": raw("a1 02 5820 01"),
		"parents":      raw("a1 04 98ff"),
		"parents, all": raw("a1 04 9bffffffffffffffff"),
		"story":        raw("a1 05 7bffffffffffffffff"),
		"story, less":  raw("a1 05 7a00010000 61"),
		"edits":        raw("a1 06 99 0100"),
		"edits, all":   raw("a1 06 9bffffffffffffffff"),
		"edit":         raw("a1 06 81 bbffffffffffffffff"),
		"unknown":      raw("a1 09 5bffffffffffffffff"),
		"deep unknown": raw("a1 09 99 0100 99 0100 99 0100"),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			const times = 1000
			for range times {
				if _, err := crdt.Decode(payload); !errors.Is(err, crdt.ErrMalformed) {
					t.Fatalf("got error %v, want %v", err, crdt.ErrMalformed)
				}
			}
			runtime.ReadMemStats(&after)
			if got := (after.TotalAlloc - before.TotalAlloc) / times; got > 2<<10 {
				t.Errorf("refusing %d bytes takes %d bytes of memory", len(payload), got)
			}
		})
	}
}

// TestC12_EveryByteIsSigned: an op with any bit flipped, cut anywhere or with a
// byte added is refused.
func TestC12_EveryByteIsSigned(t *testing.T) {
	r := newReplica("a")
	r.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")))
	op := exampleOp()
	op.Parents, op.Seq = r.doc.Next()
	signed := mustSign(t, op)
	if _, err := crdt.Verify(signed.Payload, signed.Signature); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, i int, payload []byte, sig crdt.Signature) {
		t.Helper()
		if _, err := crdt.Verify(payload, sig); err == nil {
			t.Errorf("%s %d: the changed op is admitted", what, i)
		}
	}
	for i := range len(signed.Payload) * 8 {
		p := bytes.Clone(signed.Payload)
		p[i/8] ^= 1 << (i % 8)
		refused("payload with bit flipped,", i, p, signed.Signature)
	}
	for i := range len(signed.Signature) * 8 {
		sig := signed.Signature
		sig[i/8] ^= 1 << (i % 8)
		refused("signature with bit flipped,", i, signed.Payload, sig)
	}
	for i := range signed.Payload {
		refused("payload cut to", i, signed.Payload[:i], signed.Signature)
		refused("payload without first", i+1, signed.Payload[i+1:], signed.Signature)
	}
	for b := range 256 {
		refused("payload followed by", b, append(bytes.Clone(signed.Payload), byte(b)), signed.Signature)
		refused("payload after", b, append([]byte{byte(b)}, signed.Payload...), signed.Signature)
	}
	refused("no payload", 0, nil, signed.Signature)
	refused("no signature", 0, signed.Payload, crdt.Signature{})
	refused("payload beyond the bound", 0, make([]byte, crdt.MaxPayload+1), signed.Signature)
}

// TestC13_TheAuthorSigns: nobody signs for another.
func TestC13_TheAuthorSigns(t *testing.T) {
	signed := mustSign(t, exampleOp())
	t.Run("signed by another", func(t *testing.T) {
		_, err := crdt.Verify(signed.Payload, signBytes(signed.Payload, "b").Signature)
		wantError(t, err, crdt.ErrSignature)
	})
	t.Run("author swapped", func(t *testing.T) {
		a, b := crdt.AuthorOf(keyOf("a")), crdt.AuthorOf(keyOf("b"))
		swapped := bytes.Replace(signed.Payload, a[:], b[:], 1)
		_, err := crdt.Verify(swapped, signed.Signature)
		wantError(t, err, crdt.ErrSignature)
		_, err = crdt.Verify(swapped, signBytes(swapped, "a").Signature)
		wantError(t, err, crdt.ErrSignature)
	})
	t.Run("signature of another op", func(t *testing.T) {
		other := exampleOp()
		other.Story = "11_story_other"
		_, err := crdt.Verify(signed.Payload, mustSign(t, other).Signature)
		wantError(t, err, crdt.ErrSignature)
	})
	t.Run("sign as another", func(t *testing.T) {
		op := exampleOp()
		op.Author = crdt.AuthorOf(keyOf("b"))
		if _, err := crdt.Sign(op, keyOf("a")); err == nil {
			t.Error("Sign signs an op of another author")
		}
	})
}

// TestC18_ValuesRoundTrip: text of every kind and the greatest integers come
// back byte for byte, and nothing is normalized.
func TestC18_ValuesRoundTrip(t *testing.T) {
	values := map[string]crdt.Value{
		"empty":           crdt.String(""),
		"ASCII":           crdt.String("plain"),
		"control":         crdt.String("a\x00b\x1b[31m\r\n\t\x7f"),
		"NFC":             crdt.String("caf\u00e9"),
		"NFD":             crdt.String("cafe\u0301"),
		"four bytes":      crdt.String("🐺 𝔥 𠜎"),
		"not characters":  crdt.String("\uffff\ufffe\U0010ffff"),
		"byte order mark": crdt.String("\ufeffx"),
		"right to left":   crdt.String("\u202eabc\u202c"),
		"separators":      crdt.String("a\u2028b\u2029c"),
		"60 KiB":          crdt.String(strings.Repeat("0123456789abcdef", 60<<10/16)),
		"looks like JSON": crdt.String(`{"a": NaN}`),
		"zero":            crdt.Int(0),
		"greatest":        crdt.Int(crdt.MaxSeq),
		"least":           crdt.Int(-crdt.MaxSeq),
		"true":            crdt.Bool(true),
		"false":           crdt.Bool(false),
	}
	ids := map[crdt.OpID]string{}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			op := exampleOp()
			op.Edits = []crdt.Edit{crdt.Set("some_field", v)}
			signed := mustSign(t, op)
			read, err := crdt.Verify(signed.Payload, signed.Signature)
			if err != nil {
				t.Fatal(err)
			}
			if got := read.Edits[0].Value; got != v {
				t.Errorf("value: got %s, want %s", got, v)
			}
			if again := mustSign(t, read); !bytes.Equal(again.Payload, signed.Payload) {
				t.Errorf("payload again: got %x, want %x", again.Payload, signed.Payload)
			}
			if other, taken := ids[signed.ID]; taken {
				t.Errorf("has the same op ID as %s", other)
			}
			ids[signed.ID] = name
		})
	}
}
