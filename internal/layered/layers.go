package layered

import (
	"cmp"
	"slices"
)

// graph is a graph while it gets its places. Its cells are the boxes, and behind them the bends of lines.
type graph struct {
	boxes int
	lines []line
	// order has the boxes so that each line leads from an earlier one to a later one.
	order []int
	// layer is the layer of each cell.
	layer []int
	// left and right are the neighbours of each cell in the layers beside it.
	left, right [][]int
	// layers has the cells of each layer from top to bottom.
	layers [][]int
	// y is the middle of each cell.
	y []int
}

// line is an edge without its direction: it leads to the right.
type line struct {
	Edge
	left, right int
	back        bool
	cut         bool
	bends       []int
}

// newGraph returns a graph without circles whose boxes have layers.
func newGraph(boxes int, edges []Edge) *graph {
	g := &graph{boxes: boxes, layer: make([]int, boxes)}
	out := make([][]int, boxes) // the lines that each box begins
	for i, e := range edges {
		g.lines = append(g.lines, line{Edge: e, left: e.From, right: e.To})
		out[e.From] = append(out[e.From], i)
	}
	g.search(out)
	g.rank()
	return g
}

// search turns edges of circles around and finds the order of the boxes.
func (g *graph) search(out [][]int) {
	const fresh, open, done = 0, 1, 2
	state := make([]int, g.boxes)
	var visit func(box int)
	visit = func(box int) {
		state[box] = open
		for _, i := range out[box] {
			l := &g.lines[i]
			switch state[l.To] {
			case fresh:
				visit(l.To)
			case open:
				l.back, l.left, l.right = true, l.To, l.From
			}
		}
		state[box] = done
		g.order = append(g.order, box)
	}
	for box := range g.boxes {
		if state[box] == fresh {
			visit(box)
		}
	}
	slices.Reverse(g.order)
}

// rank gives each box its layer.
func (g *graph) rank() {
	before, after := make([][]int, g.boxes), make([][]int, g.boxes)
	for i := range g.lines {
		if l := &g.lines[i]; l.left != l.right {
			before[l.right] = append(before[l.right], l.left)
			after[l.left] = append(after[l.left], l.right)
		}
	}
	for _, box := range g.order {
		for _, b := range before[box] {
			g.layer[box] = max(g.layer[box], g.layer[b]+1)
		}
	}
	for _, box := range slices.Backward(g.order) {
		if len(after[box]) > len(before[box]) {
			nearest := after[box][0]
			for _, a := range after[box] {
				if g.layer[a] < g.layer[nearest] {
					nearest = a
				}
			}
			g.layer[box] = g.layer[nearest] - 1
		}
	}
}

// span is how many layers a line goes on.
func (g *graph) span(l *line) int { return g.layer[l.right] - g.layer[l.left] }

// cut leaves out the longest lines, until the others have that many pieces at most.
func (g *graph) cut(pieces int) {
	byLength := make([]*line, len(g.lines))
	for i := range g.lines {
		byLength[i] = &g.lines[i]
	}
	slices.SortStableFunc(byLength, func(a, b *line) int { return cmp.Compare(g.span(a), g.span(b)) })
	for _, l := range byLength {
		pieces -= max(1, g.span(l))
		l.cut = pieces < 0
	}
}

// bend gives lines that pass layers a cell in each of them, and all cells their neighbours.
func (g *graph) bend() {
	g.left, g.right = make([][]int, g.boxes), make([][]int, g.boxes)
	join := func(a, b int) {
		g.right[a] = append(g.right[a], b)
		g.left[b] = append(g.left[b], a)
	}
	for i := range g.lines {
		l := &g.lines[i]
		if l.cut || l.left == l.right {
			continue
		}
		last := l.left
		for at := g.layer[l.left] + 1; at < g.layer[l.right]; at++ {
			b := len(g.layer)
			g.layer, g.left, g.right = append(g.layer, at), append(g.left, nil), append(g.right, nil)
			l.bends = append(l.bends, b)
			join(last, b)
			last = b
		}
		join(last, l.right)
	}
}
