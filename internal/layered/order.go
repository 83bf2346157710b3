package layered

import (
	"cmp"
	"slices"
)

// sweeps is how often the layers are sorted. Further ones hardly ever find a better order.
const sweeps = 12

// sort finds an order of each layer with few crossings.
func (g *graph) sort() {
	g.fill()
	at := make([]int, len(g.layer)) // where each cell stands in its layer
	for _, cells := range g.layers {
		number(cells, at)
	}
	best, fewest := clone(g.layers), g.crossings(at)
	for i := 0; i < sweeps && fewest > 0; i++ {
		if i%2 == 0 {
			for _, cells := range g.layers {
				arrange(cells, g.left, at)
			}
		} else {
			for _, cells := range slices.Backward(g.layers) {
				arrange(cells, g.right, at)
			}
		}
		if n := g.crossings(at); n < fewest {
			best, fewest = clone(g.layers), n
		}
	}
	g.layers = best
}

// fill gives the layers their first order: that of the boxes, and bends beside where their line begins.
func (g *graph) fill() {
	for _, layer := range g.layer {
		for len(g.layers) <= layer {
			g.layers = append(g.layers, nil)
		}
	}
	var put func(cell int)
	put = func(cell int) {
		g.layers[g.layer[cell]] = append(g.layers[g.layer[cell]], cell)
		for _, next := range g.right[cell] {
			if next >= g.boxes {
				put(next)
			}
		}
	}
	for _, box := range g.order {
		put(box)
	}
}

func clone(layers [][]int) [][]int {
	out := make([][]int, len(layers))
	for i := range layers {
		out[i] = slices.Clone(layers[i])
	}
	return out
}

// number notes where each cell of a layer stands.
func number(cells, at []int) {
	for i, c := range cells {
		at[c] = i
	}
}

// arrange sorts a layer by where the neighbours of its cells stand on the average. A cell without neighbours
// stays about where it is.
func arrange(cells []int, beside [][]int, at []int) {
	middle := make(map[int]float64, len(cells))
	for i, c := range cells {
		middle[c] = float64(i)
		if len(beside[c]) > 0 {
			sum := 0
			for _, n := range beside[c] {
				sum += at[n]
			}
			middle[c] = float64(sum) / float64(len(beside[c]))
		}
	}
	slices.SortStableFunc(cells, func(a, b int) int { return cmp.Compare(middle[a], middle[b]) })
	number(cells, at)
}

// crossings counts the pairs of lines that cross.
func (g *graph) crossings(at []int) (count int) {
	for i := range len(g.layers) - 1 {
		tree := make([]int, len(g.layers[i+1])+1) // a Fenwick tree over the ends of the lines so far
		seen := 0
		for _, c := range g.layers[i] {
			ends := make([]int, 0, len(g.right[c]))
			for _, n := range g.right[c] {
				ends = append(ends, at[n])
			}
			for _, end := range ends { // those further down cross
				count += seen
				for k := end + 1; k > 0; k -= k & -k {
					count -= tree[k]
				}
			}
			for _, end := range ends {
				seen++
				for k := end + 1; k < len(tree); k += k & -k {
					tree[k]++
				}
			}
		}
	}
	return count
}
