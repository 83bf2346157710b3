package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
)

// TestMembersConverge: logs that follow one root and have the same ops hold the same of them, in whatever order they
// came, and so show the same stories. The histories have ops about members by root, by members and by strangers, honest
// ones and such as are built on any past.
func TestMembersConverge(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			first := newEquality(t, 100+seed)
			for range 50 {
				op := first.make(first.keys[first.rng.IntN(len(first.keys))], false)
				if first.rng.IntN(2) == 0 {
					op = first.makeOfMembers()
				}
				first.away = append(first.away, op)
			}
			want := first.deliverAll(first)
			for other := range uint64(2) {
				h := newEquality(t, 1000+10*seed+other)
				if diff := cmp.Diff(want, h.deliverAll(first)); diff != "" {
					t.Fatalf("in another order other ops are held (-one +other):\n%s", diff)
				}
				h.check()
			}
		})
	}
}

// deliverAll delivers the ops that are away at from, in a random order, and follows the root somewhere between. It
// returns what became of each op, and the stories.
func (h *equality) deliverAll(from *equality) map[string]string {
	h.t.Helper()
	h.sign, h.did = from.sign, "delivery"
	follow := h.rng.IntN(len(from.away))
	var batch []*crdt.Op
	for n, i := range h.rng.Perm(len(from.away)) {
		if n == follow {
			h.write(func(tx *Tx) error { return tx.Follow(crdt.AuthorOf(from.root)) })
		}
		if batch = append(batch, from.away[i]); h.rng.IntN(4) == 0 {
			h.deliver(batch...)
			batch = nil
		}
	}
	h.deliver(batch...)
	kinds := make(map[string]string)
	h.must(h.log.View(context.Background(), func(s *Snapshot) error {
		for _, op := range from.away {
			kind, _, there, err := s.KindOf(op.ID)
			if err != nil || !there {
				return errors.Join(err, fmt.Errorf("op %s is not there", op.ID.Short()))
			}
			kinds[op.ID.Short()] = kind.String()
		}
		var stories bytes.Buffer
		err := dumpStories(s.ctx, s.q, &stories)
		kinds["stories"] = stories.String()
		return err
	}))
	return kinds
}

// membersOf is a log with some authors of whom root has added a as an admin and b as a member.
type membersOf struct {
	*equality
	a, b ed25519.PrivateKey
}

func newMembers(t *testing.T) *membersOf {
	h := newEquality(t, 1)
	m := &membersOf{h, h.keys[0], h.keys[1]}
	m.say(h.root, members.Change{Author: crdt.AuthorOf(m.a), Admin: true}, members.Change{Author: crdt.AuthorOf(m.b)})
	h.write(func(tx *Tx) error { return tx.Follow(crdt.AuthorOf(h.root)) })
	return m
}

// say appends an op about members behind all others.
func (m *membersOf) say(key ed25519.PrivateKey, changes ...members.Change) *crdt.Op {
	m.t.Helper()
	op := &crdt.Op{Story: members.Story}
	m.must(m.log.Write(context.Background(), func(tx *Tx) (err error) {
		op.Parents, op.Seq, err = tx.NextOfMembers()
		return err
	}))
	for i := range changes {
		op.Edits = append(op.Edits, changes[i].Edit())
	}
	op = m.seal(op, key)
	m.deliver(op)
	return op
}

// write makes an op on a story behind all others.
func (m *membersOf) write(key ed25519.PrivateKey, name string) *crdt.Op {
	m.t.Helper()
	op := &crdt.Op{Story: "1_story_a", Edits: []crdt.Edit{crdt.Set("name", crdt.String(name)), crdt.Set("stage", crdt.String("1_backlog"))}}
	m.must(m.log.Write(context.Background(), func(tx *Tx) (err error) {
		op.Parents, op.Seq, err = tx.Next()
		return err
	}))
	return m.seal(op, key)
}

// kind returns what became of an op.
func (m *membersOf) kind(op *crdt.Op) (kind Kind) {
	m.t.Helper()
	m.must(m.log.View(context.Background(), func(s *Snapshot) (err error) {
		var there bool
		if kind, _, there, err = s.KindOf(op.ID); !there {
			m.t.Errorf("op %s is not there", op.ID.Short())
		}
		return err
	}))
	m.check()
	return kind
}

func (m *membersOf) headsOf(key ed25519.PrivateKey) []crdt.OpID {
	m.t.Helper()
	var heads [][]crdt.OpID
	m.must(m.log.Write(context.Background(), func(tx *Tx) (err error) {
		heads, err = tx.HeadsOf(crdt.AuthorOf(key))
		return err
	}))
	return heads[0]
}

// TestRemovalHoldsTheRest: of a removed author count the ops that the removal names, and their ancestors, though they
// come later than it.
func TestRemovalHoldsTheRest(t *testing.T) {
	m := newMembers(t)
	before := m.write(m.b, "before")
	m.deliver(before)
	last := m.write(m.b, "last")
	m.deliver(m.write(m.a, "another"))
	if heads := m.headsOf(m.b); len(heads) != 1 || heads[0] != before.ID {
		t.Errorf("the heads of b are %v, want %s", heads, before.ID.Short())
	}
	m.say(m.a, members.Change{Author: crdt.AuthorOf(m.b), Remove: true, Heads: []crdt.OpID{last.ID}})
	if kind := m.kind(before); kind != Held {
		t.Errorf("an op of whose descendants none is here that the removal names is %s, want held", kind)
	}
	m.deliver(last)
	late := m.write(m.b, "after it was removed")
	m.deliver(late)
	if report, err := Verify(context.Background(), Verification{Path: m.cfg.Path, Logger: m.cfg.Logger, Check: pipeline.Check, Found: func(f Finding) {
		t.Errorf("verify finds %+v", f)
	}}); err != nil || report.Rows == 0 {
		t.Errorf("verify: %+v, error %v", report, err)
	}
	for op, want := range map[*crdt.Op]Kind{before: Applied, last: Applied, late: Held} {
		if kind := m.kind(op); kind != want {
			t.Errorf("op %q is %s, want %s", op.Edits[0].Value, kind, want)
		}
	}
	m.say(m.root, members.Change{Author: crdt.AuthorOf(m.b)})
	if kind := m.kind(late); kind != Applied {
		t.Errorf("once the author was added again its op is %s, want applied", kind)
	}
}

// TestMemberThatRemovedItselfComesBack: whoever may add it does so again.
func TestMemberThatRemovedItselfComesBack(t *testing.T) {
	m := newMembers(t)
	for range 2 {
		m.say(m.b, members.Change{Author: crdt.AuthorOf(m.b), Remove: true, Heads: m.headsOf(m.b)})
		late := m.write(m.b, "while it is no member")
		m.deliver(late)
		if kind := m.kind(late); kind != Held {
			t.Errorf("the op of who removed itself is %s, want held", kind)
		}
		m.say(m.a, members.Change{Author: crdt.AuthorOf(m.b)})
		if kind := m.kind(late); kind != Applied {
			t.Errorf("once the author was added again its op is %s, want applied", kind)
		}
	}
}

// TestHeadsOfAuthor: ops about members have heads of their own.
func TestHeadsOfAuthor(t *testing.T) {
	m := newMembers(t)
	adds := m.say(m.a, members.Change{Author: crdt.AuthorOf(m.keys[2])})
	m.deliver(m.write(m.a, "one"))
	top := m.write(m.a, "two")
	m.deliver(top)
	want := []crdt.OpID{adds.ID, top.ID}
	crdt.SortOpIDs(want)
	if diff := cmp.Diff(want, m.headsOf(m.a)); diff != "" {
		t.Errorf("heads of a (-want +got):\n%s", diff)
	}
	m.say(m.root, members.Change{Author: crdt.AuthorOf(m.a), Remove: true, Heads: want})
	m.deliver(m.write(m.keys[2], "who was added by one who is removed by now"))
	for _, op := range m.ops {
		if kind := m.kind(op); kind != Applied {
			t.Errorf("op %s is %s, want applied", op.ID.Short(), kind)
		}
	}
}

// TestStrangersAreHeld: with a root an empty list of decisions here does not mean that everybody counts, and such
// decisions are of no matter. An own key that nobody decided about counts here.
func TestStrangersAreHeld(t *testing.T) {
	m := newMembers(t)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{77}, 32))
	claims := m.say(stranger, members.Change{Author: crdt.AuthorOf(stranger), Admin: true})
	op := m.write(stranger, "hello")
	m.deliver(op)
	m.equality.write(func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(stranger), "") })
	own := m.make(m.log.Key(), true)
	m.deliver(own)
	for op, want := range map[*crdt.Op]Kind{claims: Held, op: Held, own: Applied} {
		if kind := m.kind(op); kind != want {
			t.Errorf("op %s is %s, want %s", op.ID.Short(), kind, want)
		}
	}
	m.equality.write(func(tx *Tx) error { return tx.Follow(crdt.Author{}) })
	if kind := m.kind(op); kind != Applied {
		t.Errorf("without a root the op of a trusted author is %s, want applied", kind)
	}
}

// TestChangedRowAdmitsNobody: whom a row admits that was changed in the file is no member, also by the tables of
// the state.
func TestChangedRowAdmitsNobody(t *testing.T) {
	m := newMembers(t)
	eve := authorKey("eve")
	field := func(key ed25519.PrivateKey) []byte {
		c := members.Change{Author: crdt.AuthorOf(key)}
		return []byte(c.Edit().Field)
	}
	_, err := m.log.file.Conn.ExecContext(context.Background(), "UPDATE crdt_ops SET payload = CAST(replace(payload, ?, ?) AS BLOB)", field(m.b), field(eve))
	check(t, err)
	m.open() // the members are read anew
	op, signed := makeOp(t, eve, 1, "of eve")
	m.equality.write(func(tx *Tx) error {
		_, kind, err := tx.Append(op, signed)
		if err == nil && kind != Held {
			t.Errorf("the op is %s, want held", kind)
		}
		return err
	})
}

// TestDecidedOnce: many ops about members in one transaction are decided once, at its end. What came behind the removal of
// its author is held all the same.
func TestDecidedOnce(t *testing.T) {
	m := newMembers(t)
	removed, late := m.chain(m.a, 10, members.Change{Author: crdt.AuthorOf(m.b), Remove: true}), m.write(m.b, "late")
	m.deliver(m.write(m.b, "early"))
	m.must(m.log.Write(context.Background(), func(tx *Tx) error {
		before := tx.w.trust
		for _, op := range append(removed, late) {
			if _, _, err := tx.Append(op, m.sign[op.ID]); err != nil {
				return err
			}
		}
		if tx.w.trust != before {
			t.Error("the members were decided before the end")
		}
		return nil
	}))
	if kind := m.kind(late); kind != Held {
		t.Errorf("an op of a member that was removed in the same transaction is %s, want held", kind)
	}
	if kind := m.kind(removed[9]); kind != Applied {
		t.Errorf("the last op of the admin is %s, want applied", kind)
	}
}

// chain returns n ops about members of one author, each behind the one before. None is delivered.
func (m *membersOf) chain(key ed25519.PrivateKey, n int, change members.Change) (ops []*crdt.Op) {
	m.t.Helper()
	first := &crdt.Op{Story: members.Story}
	m.must(m.log.Write(context.Background(), func(tx *Tx) (err error) {
		first.Parents, first.Seq, err = tx.NextOfMembers()
		return err
	}))
	for i := range n {
		op := &crdt.Op{Story: members.Story, Parents: first.Parents, Seq: first.Seq + uint64(i), Edits: []crdt.Edit{change.Edit()}}
		if i > 0 {
			op.Parents = []crdt.OpID{ops[i-1].ID}
		}
		ops = append(ops, m.seal(op, key))
	}
	return ops
}

// TestNobodyHeedsStrangers: whose ops count is not read again for ops about members that change nothing. To read it
// costs as much as all such ops that are here.
func TestNobodyHeedsStrangers(t *testing.T) {
	m := newMembers(t)
	stranger := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{77}, 32))
	for _, by := range []struct {
		name  string
		key   ed25519.PrivateKey
		about crdt.Author
		want  bool
	}{
		{"a stranger who names itself", stranger, crdt.AuthorOf(stranger), false},
		{"a member who names itself", m.b, crdt.AuthorOf(m.b), false},
		{"an admin who names a stranger", m.a, crdt.AuthorOf(stranger), true},
	} {
		m.must(m.log.Write(context.Background(), func(tx *Tx) error {
			op := &crdt.Op{Story: members.Story}
			var err error
			if op.Parents, op.Seq, err = tx.NextOfMembers(); err != nil {
				return err
			}
			change := members.Change{Author: by.about, Admin: true}
			op.Edits = []crdt.Edit{change.Edit()}
			op = m.seal(op, by.key)
			if _, _, err := tx.Append(op, m.sign[op.ID]); err != nil {
				return err
			}
			if tx.w.unread != by.want {
				t.Errorf("%s: read again is %v, want %v", by.name, tx.w.unread, by.want)
			}
			return nil
		}))
	}
}
