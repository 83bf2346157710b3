package layered

import "math"

// passes is how often the layers are moved. Further ones hardly move anything.
const passes = 12

// place gives each cell the height of its middle.
func (g *graph) place(s *Spacing) {
	y := make([]float64, len(g.layer))
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
		for i := range g.layers {
			if pass%2 == 0 {
				g.settle(g.layers[i], g.left, y, s)
			} else {
				g.settle(g.layers[len(g.layers)-1-i], g.right, y, s)
			}
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

// settle moves the cells of a layer as near to their neighbours on one side as their order and their distances allow: it
// minimizes the sum of the squares of what is missing.
func (g *graph) settle(cells []int, beside [][]int, y []float64, s *Spacing) {
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
		want, weight := g.wish(c, beside[c], y)
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
// straight. A cell without neighbours wants to stay, but gives way.
func (g *graph) wish(c int, beside []int, y []float64) (want, weight float64) {
	if len(beside) == 0 {
		return y[c], 0.1
	}
	for _, b := range beside {
		want += y[b]
	}
	want /= float64(len(beside))
	if c >= g.boxes {
		return want, 4
	}
	return want, 1
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
