package members

import (
	"cmp"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
)

// Graph is the ops of a log with their parents, as numbers: about 150 bytes an op, for as long as somebody asks who
// descends from whom.
type Graph struct {
	index map[crdt.OpID]int32
	nodes []node
	order []int32 // parents first
	// parentIDs are the parents of each node before they are joined.
	parentIDs [][]crdt.OpID
}

type node struct {
	id        crdt.OpID
	seq       uint64
	author    crdt.Author
	parents   []int32
	whole     bool // all its ancestors are here, and it may be built on
	ofMembers bool
	lost      bool // a damaged row, of which only ID and seq are known
}

// NewGraph returns a graph without ops.
func NewGraph() *Graph { return &Graph{index: make(map[crdt.OpID]int32)} }

// Add adds an op, unless it is there. May is false for an op on which nothing may be built. Nothing of op is kept.
func (g *Graph) Add(op *crdt.Op, may bool) {
	g.add(node{id: op.ID, seq: op.Seq, author: op.Author, whole: may, ofMembers: op.Story == Story}, slices.Clone(op.Parents))
}

// AddLost adds an op that cannot be read and counts as applied.
func (g *Graph) AddLost(id crdt.OpID, seq uint64) {
	g.add(node{id: id, seq: seq, whole: true, lost: true}, nil)
}

func (g *Graph) add(n node, parents []crdt.OpID) {
	if _, twice := g.index[n.id]; twice {
		return
	}
	g.index[n.id] = int32(len(g.nodes))
	g.nodes, g.parentIDs = append(g.nodes, n), append(g.parentIDs, parents)
}

// Join must be called once all ops are there, before anything is asked.
func (g *Graph) Join() {
	for i := range g.nodes {
		g.order = append(g.order, int32(i))
		for _, id := range g.parentIDs[i] {
			p, there := g.index[id]
			if !there {
				g.nodes[i].whole = false
				continue
			}
			g.nodes[i].parents = append(g.nodes[i].parents, p)
		}
	}
	g.parentIDs = nil
	slices.SortStableFunc(g.order, func(a, b int32) int { return cmp.Compare(g.nodes[a].seq, g.nodes[b].seq) })
	for _, i := range g.order {
		n := &g.nodes[i]
		var most uint64
		for _, p := range n.parents {
			most = max(most, g.nodes[p].seq)
			n.whole = n.whole && g.nodes[p].whole && g.nodes[p].seq < n.seq
		}
		n.whole = n.whole && (n.lost || n.seq == most+1)
	}
}

// Left returns the ops of a removed author that count: those that each removal names and whose ancestors are all here,
// and these ancestors.
func (g *Graph) Left(s *Standing) (left []crdt.OpID) {
	all := make([]bool, len(g.nodes))
	for i, heads := range s.Cuts {
		marks := g.ancestors(heads)
		for j := range all {
			all[j] = marks[j] && (all[j] || i == 0)
		}
	}
	for j, is := range all {
		if is && g.nodes[j].author == s.Author {
			left = append(left, g.nodes[j].id)
		}
	}
	return left
}

// ancestors marks the heads that are whole and all their ancestors.
func (g *Graph) ancestors(heads []crdt.OpID) []bool {
	marks := make([]bool, len(g.nodes))
	for _, id := range heads {
		if i, there := g.index[id]; there && g.nodes[i].whole {
			marks[i] = true
		}
	}
	for _, i := range slices.Backward(g.order) {
		if marks[i] {
			g.mark(marks, i)
		}
	}
	return marks
}

func (g *Graph) mark(marks []bool, i int32) {
	for _, p := range g.nodes[i].parents {
		marks[p] = true
	}
}

// HeadsOf returns the heads of an author's ops that count: what a removal names so that all of them go on counting. Ops
// about members have heads of their own, since the members are decided by these alone. No more than [MaxHeads] are
// returned, the most recent ones.
func (g *Graph) HeadsOf(a crdt.Author, counts func(crdt.OpID) bool) []crdt.OpID {
	is := func(n *node) bool { return n.author == a && n.whole && counts(n.id) }
	heads := g.heads(func(n *node) bool { return n.ofMembers && is(n) })
	heads = append(heads, g.heads(is)...)
	heads = heads[:min(len(heads), MaxHeads)]
	crdt.SortOpIDs(heads)
	return slices.Compact(heads)
}

// heads returns the ops for which is says yes and from which no other such op descends, the greatest by seq first.
func (g *Graph) heads(is func(*node) bool) (heads []crdt.OpID) {
	marks := make([]bool, len(g.nodes))
	for _, i := range slices.Backward(g.order) {
		chosen := is(&g.nodes[i])
		if chosen && !marks[i] {
			heads = append(heads, g.nodes[i].id)
		}
		if chosen || marks[i] {
			g.mark(marks, i)
		}
	}
	return heads
}
