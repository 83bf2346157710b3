package layered

import "math"

// passes is how often the layers are moved. The last two hardly move anything.
const passes = 8

// place gives each cell the height of its middle.
func (g *graph) place(s *Spacing) {
	y := make([]float64, len(g.layer))
	none := make([][]int, len(g.layer))
	for _, cells := range g.layers { // each layer by itself, from the top
		offset := 0
		for i, c := range cells {
			if i > 0 {
				offset += g.distance(cells[i-1], c, s)
			}
			y[c] = float64(offset)
		}
	}
	for pass := range passes {
		left, right := g.left, g.right
		switch {
		case pass >= passes-2: // the last ones look to both sides
		case pass%2 == 0:
			right = none
		default:
			left = none
		}
		for i := range g.layers {
			if pass%2 == 1 {
				i = len(g.layers) - 1 - i
			}
			g.settle(g.layers[i], left, right, y, s)
		}
	}
	g.round(y, s)
}

// distance is the least distance between the middles of two cells, the one above the other.
func (g *graph) distance(above, below int, s *Spacing) int {
	boxes := 0
	for _, c := range []int{above, below} {
		if c < g.boxes {
			boxes++
		}
	}
	return [...]int{s.Lines, s.Lines + s.Height/2, s.Between + s.Height}[boxes]
}

// settle moves the cells of a layer as near to their neighbours as their order and their distances allow: it
// minimizes the sum of the squares of what is missing.
func (g *graph) settle(cells []int, left, right [][]int, y []float64, s *Spacing) {
	type block struct {
		sum, weight float64
		cells       int
	}
	var blocks []block
	offsets := make([]float64, len(cells)) // from the first cell, where all stand as close as they can
	for i, c := range cells {
		if i > 0 {
			offsets[i] = offsets[i-1] + float64(g.distance(cells[i-1], c, s))
		}
		want, weight := g.wish(c, left, right, y)
		b := block{(want - offsets[i]) * weight, weight, 1}
		for len(blocks) > 0 {
			last := blocks[len(blocks)-1]
			if last.sum/last.weight <= b.sum/b.weight {
				break
			}
			b = block{b.sum + last.sum, b.weight + last.weight, b.cells + last.cells}
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	i := 0
	for _, b := range blocks {
		for range b.cells {
			y[cells[i]] = b.sum/b.weight + offsets[i]
			i++
		}
	}
}

// wish returns where a cell wants to be, and how much. Bends want it more than boxes, so that long lines are
// straight.
func (g *graph) wish(c int, left, right [][]int, y []float64) (want, weight float64) {
	n := 0
	for _, beside := range [][]int{left[c], right[c]} {
		for _, b := range beside {
			want += y[b]
			n++
		}
	}
	switch {
	case n == 0:
		return y[c], 0.1
	case c >= g.boxes:
		return want / float64(n), 4
	}
	return want / float64(n), 1
}

// round makes the heights whole numbers from the top on, and keeps all distances.
func (g *graph) round(y []float64, s *Spacing) {
	g.y = make([]int, len(y))
	top := math.MaxInt
	for _, cells := range g.layers {
		for i, c := range cells {
			g.y[c] = int(math.Round(y[c]))
			if i > 0 {
				g.y[c] = max(g.y[c], g.y[cells[i-1]]+g.distance(cells[i-1], c, s))
			}
			edge := g.y[c]
			if c < g.boxes {
				edge -= s.Height / 2
			}
			top = min(top, edge)
		}
	}
	for i := range g.y {
		g.y[i] -= top
	}
}
