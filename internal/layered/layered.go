// Package layered places a directed graph in layers, from left to right. It knows numbers and points, and
// nothing of what they stand for.
//
// The method is that of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical
// System Structures" (1981), in its four steps:
//
//  1. A depth-first search turns an edge of each circle around, so that no circle is left.
//  2. Each box goes into the layer that the longest way to it demands. A box with more edges to the right
//     than to the left then moves as far right as these allow, which makes lines shorter.
//  3. An edge that passes layers gets a bend in each of them. Sweeps to the right and to the left sort each
//     layer by the barycenters of the neighbours. The order with the fewest crossings wins. They are counted
//     as in Barth, Jünger and Mutzel, "Simple and Efficient Bilayer Cross Counting" (2002).
//  4. Sweeps move each layer as near to its neighbours as the order and the distances allow. This is
//     isotonic regression, solved exactly by pooling adjacent violators (Ayer and others 1955).
//
// The same graph gives the same drawing. Boxes never overlap, and no line crosses a box.
package layered

import "slices"

// Edge is an edge between two boxes, named by their numbers from 0 on.
type Edge struct{ From, To int }

// Spacing says how large things are. All lengths are in the same unit. Height must be a multiple of 4.
type Spacing struct {
	// Width and Height are those of each box.
	Width, Height int
	// Across is the distance between two layers, Between the least distance between two boxes of a layer.
	Across, Between int
	// Lines is the least distance of a line from another one, and from the boxes that it passes.
	Lines int
	// Pieces bounds the pieces of all lines together: a line has a piece for each layer that it goes on.
	// The longest lines are left out first.
	Pieces int
}

// Point is a point. X goes to the right, Y down.
type Point struct{ X, Y int }

// Drawing is a graph with places.
type Drawing struct {
	Width, Height int
	// Boxes has the upper left corner of each box.
	Boxes []Point
	// Lines are the edges that are drawn, in the order in which they were given.
	Lines []Line
	// LeftOut counts the edges that are not drawn, since there were more pieces than may be.
	LeftOut int
}

// Line is an edge with its way.
type Line struct {
	Edge
	// Back says that the edge closes a circle, so its line runs from right to left.
	Back bool
	// Points leads from the one box to the other. Its first and its last point are on the edges of these. Between
	// them are two points for each layer that the line passes: where it enters and where it leaves the
	// layer. A line from a box to itself begins and ends at the right side.
	Points []Point
}

// Draw places a graph with that many boxes. No edge must be there twice.
func Draw(boxes int, edges []Edge, s Spacing) Drawing {
	g := newGraph(boxes, edges)
	g.cut(s.Pieces)
	g.bend()
	g.sort()
	g.place(&s)
	return g.drawing(&s)
}

// drawing returns the drawing of a graph that has layers, an order, and heights.
func (g *graph) drawing(s *Spacing) Drawing {
	d := Drawing{Boxes: make([]Point, g.boxes)}
	for i := range d.Boxes {
		d.Boxes[i] = Point{g.layer[i] * (s.Width + s.Across), g.y[i] - s.Height/2}
		d.Width, d.Height = max(d.Width, d.Boxes[i].X+s.Width), max(d.Height, d.Boxes[i].Y+s.Height)
	}
	for i := range g.lines {
		l := &g.lines[i]
		if l.cut {
			d.LeftOut++
			continue
		}
		line := Line{Edge: l.Edge, Back: l.back}
		left, right := d.Boxes[l.left], d.Boxes[l.right]
		port := s.Height / 2
		if l.back { // so that it is another line than that of the edge to the other side
			port = s.Height * 3 / 4
		}
		if l.left == l.right {
			x := left.X + s.Width
			line.Points = []Point{{x, left.Y + s.Height/4}, {x, left.Y + s.Height*3/4}}
			d.Lines = append(d.Lines, line)
			continue
		}
		line.Points = append(line.Points, Point{left.X + s.Width, left.Y + port})
		for _, b := range l.bends {
			x := g.layer[b] * (s.Width + s.Across)
			line.Points = append(line.Points, Point{x, g.y[b]}, Point{x + s.Width, g.y[b]})
			d.Height = max(d.Height, g.y[b])
		}
		line.Points = append(line.Points, Point{right.X, right.Y + port})
		if l.back {
			slices.Reverse(line.Points)
		}
		d.Lines = append(d.Lines, line)
	}
	return d
}
