package workload

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"iter"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Author signs ops past all rules of this build, as a malicious or broken replica may. The ops keep
// what every replica checks, so that they are taken in.
type Author struct {
	Key ed25519.PrivateKey
	// Agent and At stand in the ops.
	Agent string
	At    int64

	seq  uint64
	last []crdt.OpID
}

// NewAuthor returns an author with a key of its own. The same number gives the same key.
func NewAuthor(n byte) *Author {
	return &Author{
		Key:   ed25519.NewKeyFromSeed(bytes.Repeat([]byte{n}, ed25519.SeedSize)),
		Agent: "foreign", At: 1_700_000_000_000,
	}
}

// Next signs an op behind the author's last one.
func (a *Author) Next(story string, edits ...crdt.Edit) crdt.SignedOp {
	signed := a.Sign(a.seq+1, a.last, story, edits...)
	a.seq++
	a.last = []crdt.OpID{signed.ID}
	return signed
}

// Sign signs an op with the seq and the parents.
func (a *Author) Sign(seq uint64, parents []crdt.OpID, story string, edits ...crdt.Edit) crdt.SignedOp {
	op := &crdt.Op{Seq: seq, Parents: parents, Story: story, Edits: edits, Agent: a.Agent, At: a.At}
	signed, err := crdt.Sign(op, a.Key)
	if err != nil {
		panic(fmt.Errorf("sign an op about %s: %w", story, err)) // who calls keeps the format's bounds
	}
	return signed
}

// Bundle returns ops as a bundle has them.
func Bundle(ops iter.Seq[crdt.SignedOp]) []byte {
	var all []byte
	for op := range ops {
		all = bundle.AppendLine(all, op)
	}
	return all
}

// Malice is a kind of bundle that is meant to cost more than it should.
type Malice struct {
	Name string
	// Sizes are n, 2n and 4n, the last of them the size that was once found to hurt.
	Sizes [3]int
	// Ops yields the ops of a bundle of size n.
	Ops func(n int) iter.Seq[crdt.SignedOp]
	// Then yields one op that comes later and touches all that Ops made. It may be nil.
	Then func(n int) crdt.SignedOp
}

// Malices are the kinds of bundles whose costs are measured. The size counts what Name names.
var Malices = []Malice{
	{"layered dependencies", [3]int{50_000, 100_000, 200_000}, layered, nil},
	{"heads", [3]int{40_000, 80_000, 160_000}, heads, nil},
	{"held ops that wait for one", [3]int{8_000, 16_000, 32_000}, waiting, nil},
	{"stages", [3]int{2_500, 5_000, 10_000}, stages, nil},
	{"dependencies of one story", [3]int{25_000, 50_000, 100_000}, dependencies, nil},
	{"dependents of one story", [3]int{5_000, 10_000, 20_000}, dependents, dependedOn},
}

var backlog = crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Backlog)))

// layered makes stories in 200 layers. Each of the n dependencies leads from a story to one of the next
// layer, 64 from each story.
func layered(n int) iter.Seq[crdt.SignedOp] {
	const layers, each = 200, 64
	width := max(1, n/(layers*each))
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(1)
		for i := range layers * width {
			edits := []crdt.Edit{backlog}
			next := (i/width + 1) * width
			for d := range each {
				edits = append(edits, crdt.Dep(uint32(1+next+d), true))
			}
			if !yield(a.Next(StoryID(i+1), edits...)) {
				return
			}
		}
	}
}

// heads makes n ops that nothing builds on.
func heads(n int) iter.Seq[crdt.SignedOp] {
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(2)
		for i := range n {
			if !yield(a.Sign(1, nil, StoryID(i+1), backlog)) {
				return
			}
		}
	}
}

// waiting makes n ops whose parent every replica refuses, since its seq does not follow from its parents.
// The refused op comes again after each hundred.
func waiting(n int) iter.Seq[crdt.SignedOp] {
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(3)
		root := a.Sign(1, nil, "1_story_root", backlog)
		refused := a.Sign(7, []crdt.OpID{root.ID}, "1_story_root", backlog)
		if !yield(root) {
			return
		}
		for i := range n {
			if i%100 == 0 && !yield(refused) || !yield(a.Sign(8, []crdt.OpID{refused.ID}, StoryID(i+1), backlog)) {
				return
			}
		}
	}
}

// stages makes n stories, each in a stage that no build knows.
func stages(n int) iter.Seq[crdt.SignedOp] {
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(4)
		for i := range n {
			if !yield(a.Next(StoryID(i+1), crdt.Set(pipeline.NameStage, crdt.String(fmt.Sprintf("7_%d", i))))) {
				return
			}
		}
	}
}

// dependencies makes one story that depends on n numbers, which no story has.
func dependencies(n int) iter.Seq[crdt.SignedOp] {
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(5)
		if !yield(a.Next("1_story_many", backlog)) {
			return
		}
		for from := 0; from < n; from += crdt.MaxEdits {
			var edits []crdt.Edit
			for i := range min(crdt.MaxEdits, n-from) {
				edits = append(edits, crdt.Dep(uint32(2+from+i), true))
			}
			if !yield(a.Next("1_story_many", edits...)) {
				return
			}
		}
	}
}

// dependents makes one story and n that depend on it.
func dependents(n int) iter.Seq[crdt.SignedOp] {
	return func(yield func(crdt.SignedOp) bool) {
		a := NewAuthor(6)
		if !yield(a.Next("1_story_many", backlog)) {
			return
		}
		for i := range n {
			if !yield(a.Next(StoryID(i+2), backlog, crdt.Dep(1, true))) {
				return
			}
		}
	}
}

// dependedOn moves the story of dependents to another stage, so that all of them become ready.
func dependedOn(n int) crdt.SignedOp {
	a := NewAuthor(6)
	var last crdt.SignedOp
	for last = range dependents(n) {
	}
	return a.Sign(uint64(n)+2, []crdt.OpID{last.ID}, "1_story_many", crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Done))))
}
