package crdt_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

// The T numbers in names of tests are the threats of docs/threats.md. Here are
// those that an op or its author is; byzantine_order_test.go has those that are
// about the order of stories, byzantine_flood_test.go those of sheer number.

// victim is a replica with two stories in order, one with a note, and an op of
// its own that others may have got hold of.
func victim(t *testing.T) (*replica, *crdt.Op) {
	t.Helper()
	a := newReplica("a")
	a.write(t, "1_story_x", crdt.Set("stage", crdt.String("1_backlog")), crdt.Place(crdt.Anchor{}))
	op := a.write(t, "2_story_y", crdt.Note("by a"), crdt.Place(a.doc.Story("1_story_x").Anchor()))
	return a, op
}

// unchanged fails unless the document still prints the same.
func unchanged(t *testing.T, r *replica, before string) {
	t.Helper()
	r.check(t)
	if diff := cmp.Diff(before, text(r.doc)); diff != "" {
		t.Errorf("the document changed (-before +after):\n%s", diff)
	}
}

// TestT1_TamperedOp: an op with a note and a place is refused with any byte
// changed, and so is one that is cut or has a byte added.
func TestT1_TamperedOp(t *testing.T) {
	_, op := victim(t)
	signed := mustSign(t, op)
	refused := func(what string, payload []byte, sig crdt.Signature) {
		t.Helper()
		if _, err := crdt.Verify(payload, sig); err == nil {
			t.Errorf("%s: the op is admitted", what)
		}
	}
	for i := range signed.Payload {
		for _, by := range []byte{0x01, 0x20, 0x80, 0xff} {
			changed := bytes.Clone(signed.Payload)
			changed[i] ^= by
			refused(fmt.Sprintf("byte %d changed", i), changed, signed.Signature)
		}
		refused(fmt.Sprintf("cut at %d", i), signed.Payload[:i], signed.Signature)
		refused(fmt.Sprintf("byte added at %d", i), slices.Insert(bytes.Clone(signed.Payload), i, signed.Payload[i]), signed.Signature)
	}
	for i := range signed.Signature {
		sig := signed.Signature
		sig[i] ^= 0x40
		refused(fmt.Sprintf("byte %d of the signature changed", i), signed.Payload, sig)
	}
}

// TestT2_Forgery: m cannot write in a's name, with its own key, with a's
// signature on something else, or without any signature.
func TestT2_Forgery(t *testing.T) {
	a, op := victim(t)
	other := a.write(t, "1_story_x", crdt.Set("deleted", crdt.Bool(true)))
	ofOp, ofOther := mustSign(t, op), mustSign(t, other)
	hash := ofOther.ID
	for name, sig := range map[string]crdt.Signature{
		"m's signature":                      crdt.Signature(ed25519.Sign(keyOf("m"), append([]byte("huskies-op-v1\n"), hash[:]...))),
		"a's signature on another op":        ofOp.Signature,
		"a's signature on the bare hash":     crdt.Signature(ed25519.Sign(keyOf("a"), hash[:])),
		"a's signature for another use":      crdt.Signature(ed25519.Sign(keyOf("a"), append([]byte("huskies-op-v2\n"), hash[:]...))),
		"a's signature on the payload":       crdt.Signature(ed25519.Sign(keyOf("a"), ofOther.Payload)),
		"no signature":                       {},
		"the halves of a's signature turned": crdt.Signature(slices.Concat(ofOther.Signature[32:], ofOther.Signature[:32])),
	} {
		_, err := crdt.Verify(ofOther.Payload, sig)
		if err == nil {
			t.Errorf("%s: the op is admitted", name)
			continue
		}
		wantError(t, err, crdt.ErrSignature)
	}
	if _, err := crdt.Sign(&crdt.Op{Author: op.Author, Seq: 1, Story: "1_story_x", Edits: op.Edits}, keyOf("m")); err == nil {
		t.Error("m signs an op with a as its author")
	}
}

// TestT4_SeqJumps: a seq ahead of the parents or behind them is refused by
// Admit and Apply, at once or when the parents come, and wins nothing.
func TestT4_SeqJumps(t *testing.T) {
	a, _ := victim(t)
	m := newReplica("m")
	parents, next := a.doc.Next()
	for _, seq := range []uint64{1, next - 1, next + 1, 2 * next, 1 << 32, crdt.MaxSeq} {
		op := m.sign(t, &crdt.Op{
			Seq: seq, Parents: parents, Story: "1_story_x",
			Edits: []crdt.Edit{crdt.Set("stage", crdt.String("6_archived")), crdt.Note("mine"), crdt.Place(crdt.Anchor{})},
		})
		before := text(a.doc)
		_, err := a.doc.Admit(op)
		wantError(t, err, crdt.ErrRefused, fmt.Sprint("seq ", seq))
		_, err = a.doc.Apply(op)
		wantError(t, err, crdt.ErrRefused, fmt.Sprint("seq ", seq))
		unchanged(t, a, before)

		late := newReplica("late")
		late.receive(t, op)
		late.pull(t, a)
		if diff := cmp.Diff(before, text(late.doc)); diff != "" {
			t.Errorf("seq %d came before its parents (-without it +with it):\n%s", seq, diff)
		}
	}
}

// TestT5_Equivocation: m signs five ops at one seq that contradict each other,
// about registers, the counter, notes, a dependency and the place, and b and c
// go on from different ones. In every order all print the same.
func TestT5_Equivocation(t *testing.T) {
	a, _ := victim(t)
	m, b, c := newReplica("m"), newReplica("b"), newReplica("c")
	parents, seq := a.doc.Next()
	ops := a.ops()
	for n, after := range []crdt.Anchor{{}, {Op: ops[0].ID}, {Op: ops[1].ID}, {Story: "1_story_x"}} {
		ops = append(ops, m.sign(t, &crdt.Op{Seq: seq, Parents: parents, Story: "1_story_x", Edits: []crdt.Edit{
			crdt.Set("stage", crdt.String(fmt.Sprint(n))), crdt.Set("retry_count", crdt.Int(int64(n))),
			crdt.Dep(7, n%2 == 0), crdt.Note(fmt.Sprint("version ", n)), crdt.Place(after),
		}}))
	}
	b.pull(t, a)
	b.receive(t, ops[2])
	ops = append(ops, b.write(t, "3_story_z", crdt.Place(b.doc.Story("1_story_x").Anchor())))
	c.pull(t, a)
	c.receive(t, ops[3])
	ops = append(ops, c.write(t, "1_story_x", crdt.Inc("retry_count", 1, ops[3].ID)))

	want := replay(t, ops)
	if n := want.Story("1_story_x").NoteCount(); n != 4 {
		t.Errorf("%d notes of m are there, want all 4", n)
	}
	permutations(ops[2:], func(rest []*crdt.Op) {
		sameText(t, "another order", text(want), replay(t, slices.Concat(ops[:2], rest)))
		sameText(t, "another order, parents last", text(want), replay(t, slices.Concat(rest, ops[:2])))
	})
}

// TestT8_HugeAndDeep: payloads that are or claim to be huge, and ones nested as
// deep as they are long, are refused without much memory.
func TestT8_HugeAndDeep(t *testing.T) {
	full := func(prefix string) []byte {
		return append([]byte(prefix), bytes.Repeat([]byte{0x81}, crdt.MaxPayload-len(prefix))...)
	}
	for name, payload := range map[string][]byte{
		"64 KiB and a byte":          make([]byte, crdt.MaxPayload+1),
		"16 MiB":                     make([]byte, 16<<20),
		"nested arrays":              full(""),
		"nested maps":                bytes.Repeat([]byte{0xa1, 0x01}, crdt.MaxPayload/2),
		"nested in an unknown key":   full("\xa2\x01\x01\x18\x63"),
		"nested in the edits":        full("\xa2\x01\x01\x06\x81\xa2\x01\x18\x63\x03"),
		"array of 2^32-1":            []byte("\xa2\x01\x01\x06\x9a\xff\xff\xff\xff"),
		"array of 2^64-1":            []byte("\xa2\x01\x01\x06\x9b\xff\xff\xff\xff\xff\xff\xff\xff"),
		"parents, 2^63 of them":      []byte("\xa2\x01\x01\x04\x9b\x80\x00\x00\x00\x00\x00\x00\x00"),
		"map of 2^64-1":              []byte("\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01"),
		"story of 2^62 bytes":        []byte("\xa2\x01\x01\x05\x7b\x40\x00\x00\x00\x00\x00\x00\x00abc"),
		"author of 2^64-1 bytes":     []byte("\xa2\x01\x01\x02\x5b\xff\xff\xff\xff\xff\xff\xff\xffabc"),
		"unknown key of 2^32 bytes":  []byte("\xa2\x01\x01\x18\x63\x5b\x00\x00\x00\x01\x00\x00\x00\x00"),
		"indefinite and never ended": append([]byte("\xa2\x01\x01\x06\x9f"), bytes.Repeat([]byte{0xa1, 0x01, 0x18, 0x63}, 16000)...),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := crdt.Verify(payload, crdt.Signature{})
			runtime.ReadMemStats(&after)
			wantError(t, err, crdt.ErrMalformed)
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("refusing it took %d bytes", used)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestT24_Retargeting: an op cannot be moved to another story, or its place to
// another anchor, and it means the same under whatever name it is filed.
func TestT24_Retargeting(t *testing.T) {
	a, op := victim(t)
	signed := mustSign(t, op)
	anchor := a.ops()[0].ID
	for name, change := range map[string][2][]byte{
		"another story":     {[]byte("2_story_y"), []byte("1_story_x")},
		"another anchor":    {anchor[:], op.ID[:]},
		"another note":      {[]byte("by a"), []byte("by m")},
		"another author":    {op.Author[:], keyOf("m").Public().(ed25519.PublicKey)},
		"no story at all":   {[]byte("2_story_y"), []byte("........x")},
		"the anchor's bits": {anchor[:4], []byte("\x00\x00\x00\x00")},
	} {
		changed := bytes.Replace(signed.Payload, change[0], change[1], 1)
		if bytes.Equal(changed, signed.Payload) {
			t.Fatalf("%s: nothing to change in the payload", name)
		}
		if _, err := crdt.Verify(changed, signed.Signature); err == nil {
			t.Errorf("%s: the op is admitted", name)
		}
	}
	// Sent on top of everything, or to somebody who knows nothing, it is the op
	// that a signed: on its story and behind its anchor.
	before := text(a.doc)
	a.receive(t, op)
	unchanged(t, a, before)
	b := newReplica("b")
	b.receive(t, op)
	if b.doc.StoryCount() != 0 || b.doc.PendingLen() != 1 {
		t.Errorf("without its parent it shows %d stories, %d ops are pending; want 0, 1", b.doc.StoryCount(), b.doc.PendingLen())
	}
}

// TestT25_Replay: every old op again, many times, after deletes, moves and
// resets, by way of replicas that know less: nothing comes back.
func TestT25_Replay(t *testing.T) {
	a, _ := victim(t)
	b := newReplica("b")
	b.pull(t, a)
	base := a.write(t, "1_story_x", crdt.Set("retry_count", crdt.Int(0)))
	a.write(t, "1_story_x", crdt.Inc("retry_count", 5, base.ID))
	a.write(t, "1_story_x", crdt.Set("retry_count", crdt.Int(0)))
	a.write(t, "2_story_y", crdt.Set("deleted", crdt.Bool(true)))
	a.write(t, "1_story_x", crdt.Place(a.doc.Story("1_story_x").Anchor()))
	a.write(t, "1_story_x", crdt.Dep(7, true))
	a.write(t, "1_story_x", crdt.Dep(7, false))
	before := text(a.doc)
	for range 3 {
		for _, op := range slices.Backward(a.ops()) {
			if res := a.receive(t, op); res.Status != crdt.Duplicate {
				t.Errorf("op %s again: got %s, want duplicate", op.ID.Short(), res.Status)
			}
		}
	}
	a.pull(t, b)
	unchanged(t, a, before)
	a.rebuild(t)
	unchanged(t, a, before)
}

// TestT26_ParentsThatCannotBe: op IDs are hashes, so no op can name itself, a
// later one, or one that names it back. With IDs made up all the same, such ops
// wait for ever and hold up nobody else.
func TestT26_ParentsThatCannotBe(t *testing.T) {
	id := func(author string, n int) crdt.OpID { return made(author, n, crdt.Op{}).ID }
	itself := made("m", 1, crdt.Op{Seq: 2, Parents: []crdt.OpID{id("m", 1)}})
	there := made("m", 2, crdt.Op{Seq: 2, Parents: []crdt.OpID{id("m", 3)}})
	back := made("m", 3, crdt.Op{Seq: 2, Parents: []crdt.OpID{id("m", 2)}})
	honest := made("a", 1, crdt.Op{Seq: 1})
	mixed := made("m", 4, crdt.Op{Seq: 2, Parents: []crdt.OpID{honest.ID, id("m", 5)}})
	ring := made("m", 5, crdt.Op{Seq: 3, Parents: []crdt.OpID{mixed.ID}})
	onRing := made("b", 1, crdt.Op{Seq: 4, Parents: []crdt.OpID{ring.ID}})
	ops := []*crdt.Op{itself, there, back, honest, mixed, ring, onRing}
	want := text(replay(t, ops))
	permutations(ops, func(ops []*crdt.Op) { sameText(t, "another order", want, replay(t, ops)) })

	d := replay(t, ops)
	if d.Len() != 1 || d.PendingLen() != 6 || !d.Has(honest.ID) {
		t.Errorf("%d ops are applied, %d pending; want 1, 6", d.Len(), d.PendingLen())
	}
	// Even when a damaged row lets one of the ring pass for applied, the ring does
	// not close: mixed is refused, since its seq is not above that of ring.
	res := d.AssumeApplied(ring.ID, ring.Seq)
	mustCheck(t, d)
	if !sameOps(res.Released, []*crdt.Op{onRing}) || !sameOps(res.Refused, []*crdt.Op{mixed}) || d.PendingLen() != 4 {
		t.Errorf("%d ops are released, %d refused, %d pending; want 1, 1, 4", len(res.Released), len(res.Refused), d.PendingLen())
	}
}

// TestT9_WrongTypesAmongRightEdits: an op whose note and place are right and
// whose register is not is refused as a whole.
func TestT9_WrongTypesAmongRightEdits(t *testing.T) {
	a, _ := victim(t)
	before := text(a.doc)
	parents, seq := a.doc.Next()
	op := newReplica("m").sign(t, &crdt.Op{Seq: seq, Parents: parents, Story: "2_story_y", Edits: []crdt.Edit{
		crdt.Note("mine"), crdt.Place(crdt.Anchor{}), crdt.Set("blocked", crdt.String(strings.Repeat("x", 1000))),
	}})
	_, err := a.doc.Admit(op)
	wantError(t, err, crdt.ErrRefused, "blocked")
	_, err = a.doc.Apply(op)
	wantError(t, err, crdt.ErrRefused, "blocked")
	unchanged(t, a, before)
}
