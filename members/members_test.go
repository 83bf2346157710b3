package members

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

func key(n int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(n + 1)}, ed25519.SeedSize))
}

func authorOf(n int) crdt.Author { return crdt.AuthorOf(key(n)) }

// history is a set of ops that a test writes. Author 0 is root.
type history struct {
	t   testing.TB
	ops []Op
}

// say appends an op of an author behind parents, as it would come from another machine.
func (h *history) say(by int, parents []crdt.OpID, changes ...Change) crdt.OpID {
	h.t.Helper()
	op := &crdt.Op{Story: Story, Parents: slices.Clone(parents), At: int64(len(h.ops) + 1)}
	crdt.SortOpIDs(op.Parents)
	op.Parents = slices.Compact(op.Parents)
	for _, p := range op.Parents {
		for i := range h.ops {
			if h.ops[i].Stamp.Op == p {
				op.Seq = max(op.Seq, h.ops[i].Stamp.Seq)
			}
		}
	}
	op.Seq++
	for i := range changes {
		op.Edits = append(op.Edits, changes[i].Edit())
	}
	signed, err := crdt.Sign(op, key(by))
	if err != nil {
		h.t.Fatal(err)
	}
	read, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil {
		h.t.Fatal(err)
	}
	h.ops = append(h.ops, Read(read))
	return op.ID
}

// heads returns the ops that none names.
func (h *history) heads() (heads []crdt.OpID) {
	named := make(map[crdt.OpID]bool)
	for i := range h.ops {
		for _, p := range h.ops[i].Parents {
			named[p] = true
		}
	}
	for i := range h.ops {
		if id := h.ops[i].Stamp.Op; !named[id] {
			heads = append(heads, id)
		}
	}
	return heads[:min(len(heads), crdt.MaxParents)]
}

// next appends an op of an author who knows all others.
func (h *history) next(by int, changes ...Change) crdt.OpID {
	h.t.Helper()
	return h.say(by, h.heads(), changes...)
}

func (h *history) decide() *Members { return Decide(authorOf(0), h.ops) }

func add(n int) Change { return Change{Author: authorOf(n), Name: fmt.Sprintf("m%d", n)} }
func admin(n int) Change {
	return Change{Author: authorOf(n), Name: fmt.Sprintf("m%d", n), Admin: true}
}

func remove(n int, heads ...crdt.OpID) Change {
	return Change{Author: authorOf(n), Remove: true, Heads: heads}
}

// is compares the members with "admins|members|cut ones", each a list of numbers.
func (h *history) is(want string) {
	h.t.Helper()
	var groups [3]string
	m := h.decide()
	for n := range 9 {
		switch s := m.Of(authorOf(n)); {
		case s == nil:
		case s.Admin:
			groups[0] += fmt.Sprint(n)
		case s.Member:
			groups[1] += fmt.Sprint(n)
		default:
			groups[2] += fmt.Sprint(n)
		}
	}
	if got := groups[0] + "|" + groups[1] + "|" + groups[2]; got != want {
		h.t.Errorf("admins|members|removed are %s, want %s", got, want)
	}
}

func TestChangesAreReadAsTheyWereWritten(t *testing.T) {
	id := crdt.OpID{1, 2, 3}
	for _, c := range []Change{
		add(1), admin(2),
		{Author: authorOf(3), Transport: "UABC", Name: "a laptop, two words"},
		{Author: authorOf(3)},
		remove(1), remove(2, crdt.OpID{}, id),
	} {
		e := c.Edit()
		got, ok := parse(e.Field, e.Value.Str())
		if diff := cmp.Diff(c, got); !ok || diff != "" {
			t.Errorf("%s %s is read otherwise (-want +got):\n%s", e.Field, e.Value, diff)
		}
	}
	for _, bad := range [][2]string{
		{"add.", "member - x"},
		{"add.AAAA", "member - x"},
		{add(1).fieldOf(), "owner - x"},
		{"stage", "5_done"},
		{"remove." + add(1).fieldOf()[len("add."):], "not-a-head"},
		{add(1).fieldOf() + "=", "member - x"},
	} {
		if c, ok := parse(bad[0], bad[1]); ok {
			t.Errorf("%q: %q is read as %+v, want nothing", bad[0], bad[1], c)
		}
	}
}

func (c Change) fieldOf() string { e := c.Edit(); return e.Field }

func TestRule(t *testing.T) {
	for name, test := range map[string]struct {
		want string
		say  func(h *history)
	}{
		"nobody": {"||", func(h *history) { h.next(1, admin(1)) }},
		"root adds": {"1|2|", func(h *history) {
			h.next(0, admin(1))
			h.next(0, add(2))
		}},
		"a member adds nobody": {"1|2|", func(h *history) {
			h.next(0, admin(1), add(2))
			h.next(2, add(3))
		}},
		"an admin adds": {"13|2|", func(h *history) {
			h.next(0, admin(1), add(2))
			h.next(1, admin(3))
		}},
		"nothing counts from before one was an admin": {"12||", func(h *history) {
			first := h.next(0, admin(1), add(2))
			h.say(2, []crdt.OpID{first}, add(3))
			h.say(1, []crdt.OpID{first}, admin(2))
		}},
		"a removal cuts": {"1||2", func(h *history) {
			h.next(0, admin(1), add(2))
			h.next(1, remove(2))
		}},
		"a removal wins over what was said at the same time": {"1||2", func(h *history) {
			first := h.next(0, admin(1), add(2))
			h.say(1, []crdt.OpID{first}, remove(2))
			h.say(0, []crdt.OpID{first}, add(2))
		}},
		"adding again undoes a removal": {"1|2|", func(h *history) {
			h.next(0, admin(1), add(2))
			h.next(1, remove(2))
			h.next(0, add(2))
		}},
		"two removals at once, one undone": {"1||2", func(h *history) {
			first := h.next(0, admin(1), add(2))
			r := h.say(1, []crdt.OpID{first}, remove(2))
			h.say(0, []crdt.OpID{first}, remove(2))
			h.say(0, []crdt.OpID{r}, add(2))
		}},
		"admins who remove each other: the senior one stays": {"1||2", func(h *history) {
			h.next(0, admin(1))
			first := h.next(1, admin(2))
			h.say(1, []crdt.OpID{first}, remove(2))
			h.say(2, []crdt.OpID{first}, remove(1))
		}},
		"of two admins of one rank the one who was added first stays": {"2||1", func(h *history) {
			h.next(0, admin(2))
			first := h.next(0, admin(1))
			h.say(1, []crdt.OpID{first}, remove(2))
			h.say(2, []crdt.OpID{first}, remove(1))
		}},
		"a removed admin's removal does not count": {"1|3|2", func(h *history) {
			h.next(0, admin(1))
			first := h.next(1, admin(2), add(3))
			h.say(1, []crdt.OpID{first}, remove(2))
			h.say(2, []crdt.OpID{first}, remove(3))
		}},
		"a removal that names an op lets it count": {"1||23", func(h *history) {
			h.next(0, admin(1))
			h.next(1, admin(2), add(3))
			before := h.next(2, remove(3))
			h.next(1, remove(2, before))
		}},
		"a removal dated back does not count": {"1|3|2", func(h *history) {
			h.next(0, admin(1))
			first := h.next(1, admin(2), add(3))
			h.next(1, remove(2, first))
			h.say(2, []crdt.OpID{first}, remove(3))
		}},
		"a removed admin cannot take back its own past": {"1|3|2", func(h *history) {
			h.next(0, admin(1))
			first := h.next(1, admin(2))
			adds := h.next(2, add(3))
			h.next(1, remove(2, adds))
			h.say(2, []crdt.OpID{first}, remove(2))
		}},
		"an admin removes itself": {"1|3|2", func(h *history) {
			h.next(0, admin(1))
			h.next(1, admin(2))
			adds := h.next(2, add(3))
			h.next(2, remove(2, adds))
			h.next(2, add(2))
		}},
		"a junior does not undo": {"1||2", func(h *history) {
			h.next(0, admin(2))
			h.next(0, admin(1))
			h.next(0, remove(2))
			h.next(1, admin(2))
		}},
		"who is added again without office has none": {"1|2|", func(h *history) {
			h.next(0, admin(1), admin(2))
			h.next(0, remove(2))
			back := h.next(0, add(2))
			h.say(2, []crdt.OpID{back}, add(3))
		}},
		"nor can it go back to the time when it had one": {"1|2|", func(h *history) {
			first := h.next(0, admin(1), admin(2))
			h.next(0, remove(2))
			h.next(0, add(2))
			h.say(2, []crdt.OpID{first}, add(3))
		}},
		"added and removed at once: without login, up to its heads": {"1||2", func(h *history) {
			h.next(0, admin(1))
			h.next(1, add(2), remove(2, crdt.OpID{7}))
		}},
		"nobody removes root": {"1|2|", func(h *history) {
			h.next(0, admin(1))
			h.next(1, remove(0))
			h.next(0, add(2))
		}},
		"a foreign parent": {"1|2|", func(h *history) {
			h.next(0, admin(1), add(2))
			h.say(1, append(h.heads(), crdt.OpID{9}), add(3))
			h.ops[len(h.ops)-1].Stamp.Seq = 2
		}},
	} {
		t.Run(name, func(t *testing.T) {
			h := &history{t: t}
			test.say(h)
			h.is(test.want)
		})
	}
}

func TestMayDecide(t *testing.T) {
	h := &history{t: t}
	h.next(0, admin(1), admin(2), add(3))
	h.next(1, admin(4))
	m := h.decide()
	for _, test := range []struct {
		by, about int
		want      bool
	}{{0, 1, true}, {1, 0, false}, {0, 0, false}, {1, 4, true}, {4, 1, false}, {4, 3, true}, {3, 4, false}, {4, 8, true}, {8, 3, false}, {1, 1, false}} {
		if got := m.MayDecide(authorOf(test.by), authorOf(test.about)); got != test.want {
			t.Errorf("%d may decide about %d: %t, want %t", test.by, test.about, got, test.want)
		}
	}
	if one, two := m.MayDecide(authorOf(1), authorOf(2)), m.MayDecide(authorOf(2), authorOf(1)); one == two {
		t.Errorf("of two admins of one rank %t and %t may remove the other, want one", one, two)
	}
}
