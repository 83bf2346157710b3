package members

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// BenchmarkDecide measures what thousands of ops of one author cost, at n, 2n and 4n: an admin adds and removes somebody
// again and again, or names ever more admins, or a member removes itself. It should be no more than their square.
func BenchmarkDecide(b *testing.B) {
	for _, work := range []struct {
		name    string
		changes func(i int) []Change
	}{
		{"adds and removes", func(i int) []Change { return [][]Change{{admin(2)}, {remove(2)}}[i%2] }},
		{"names admins", twentyAdmins},
		{"removes itself", func(int) []Change { return []Change{remove(1)} }},
	} {
		for _, n := range []int{1500, 3000, 6000} {
			b.Run(fmt.Sprintf("%s/%d", work.name, n), func(b *testing.B) {
				ops := chainOf(n, work.changes)
				for b.Loop() {
					Decide(authorOf(0), ops)
				}
			})
		}
	}
}

func twentyAdmins(i int) (named []Change) {
	for n := range uint64(20) {
		c := Change{Admin: true}
		binary.BigEndian.PutUint64(c.Author[:], uint64(i)<<8|n)
		named = append(named, c)
	}
	return named
}

// chainOf returns n ops of an admin, each of which has the one before as its parent.
func chainOf(n int, changes func(i int) []Change) []Op {
	ops := []Op{{Stamp: crdt.Stamp{Seq: 1, Author: authorOf(0), Op: crdt.OpID{1}}, Changes: []Change{admin(1)}}}
	for i := range n {
		last := &ops[i].Stamp
		stamp := crdt.Stamp{Seq: last.Seq + 1, Author: authorOf(1)}
		binary.BigEndian.PutUint64(stamp.Op[:], stamp.Seq)
		ops = append(ops, Op{Stamp: stamp, Parents: []crdt.OpID{last.Op}, Changes: changes(i)})
	}
	return ops
}
