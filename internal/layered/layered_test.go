package layered_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/huskies/huskies-mcp/internal/layered"
)

var spacing = layered.Spacing{Width: 100, Height: 40, Across: 50, Between: 12, Lines: 8, Pieces: 4000}

// graphs draws graphs of all kinds: with circles, with boxes that depend on themselves, in several parts.
func graphs(most int) *rapid.Generator[[]layered.Edge] {
	return rapid.Custom(func(t *rapid.T) []layered.Edge {
		box := rapid.IntRange(0, most-1)
		edge := rapid.Custom(func(t *rapid.T) layered.Edge { return layered.Edge{From: box.Draw(t, "from"), To: box.Draw(t, "to")} })
		return rapid.SliceOfNDistinct(edge, 0, 3*most, rapid.ID[layered.Edge]).Draw(t, "edges")
	})
}

// TestLaws: whatever the graph is, its drawing can be read.
func TestLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		boxes := rapid.IntRange(1, 30).Draw(t, "boxes")
		edges := graphs(boxes).Draw(t, "graph")
		d := layered.Draw(boxes, edges, spacing)
		if len(d.Boxes) != boxes {
			t.Fatalf("got %d boxes, want %d", len(d.Boxes), boxes)
		}
		if diff := cmp.Diff(d, layered.Draw(boxes, edges, spacing)); diff != "" {
			t.Fatalf("the same graph gives another drawing:\n%s", diff)
		}
		apart(t, &d)
		var drawn []layered.Edge
		for _, l := range d.Lines {
			drawn = append(drawn, l.Edge)
			meets(t, &d, &l)
			clear(t, &d, &l)
		}
		if !slices.Equal(drawn, edges) || d.LeftOut != 0 {
			t.Fatalf("got the lines %v and %d left out, want %v", drawn, d.LeftOut, edges)
		}
	})
}

// apart: no two boxes of a layer are nearer than they may be, other layers are further away, and all are
// in the drawing.
func apart(t *rapid.T, d *layered.Drawing) {
	for i, a := range d.Boxes {
		if a.X < 0 || a.Y < 0 || a.X+spacing.Width > d.Width || a.Y+spacing.Height > d.Height {
			t.Fatalf("box %d at %v is not in the drawing of %d by %d", i, a, d.Width, d.Height)
		}
		for k, b := range d.Boxes[:i] {
			x, y := max(a.X-b.X, b.X-a.X), max(a.Y-b.Y, b.Y-a.Y)
			if x < spacing.Width+spacing.Across && (x != 0 || y < spacing.Height+spacing.Between) {
				t.Fatalf("the boxes %d at %v and %d at %v are too near", i, a, k, b)
			}
		}
	}
}

// meets: a line leads from its one box to the other, to the right unless it closes a circle.
func meets(t *rapid.T, d *layered.Drawing, l *layered.Line) {
	first, last := l.Points[0], l.Points[len(l.Points)-1]
	from, to := d.Boxes[l.From], d.Boxes[l.To]
	on := func(p, box layered.Point, side int) bool {
		return p.X == box.X+side && p.Y > box.Y && p.Y < box.Y+spacing.Height
	}
	begins, ends := spacing.Width, 0
	switch {
	case l.From == l.To:
		ends = spacing.Width
	case l.Back:
		begins, ends = 0, spacing.Width
	}
	if !on(first, from, begins) || !on(last, to, ends) {
		t.Fatalf("the line %+v does not lead from the box at %v to that at %v", l, from, to)
	}
	if l.Back != (first.X >= last.X) {
		t.Fatalf("the line %+v has the wrong direction", l)
	}
	for i := 1; i < len(l.Points) && l.From != l.To; i++ {
		if l.Back == (l.Points[i].X > l.Points[i-1].X) {
			t.Fatalf("the line %+v turns", l)
		}
	}
}

// clear: where a line passes a layer it is level, and it touches no box of it.
func clear(t *rapid.T, d *layered.Drawing, l *layered.Line) {
	between := l.Points[1 : len(l.Points)-1]
	for i := 0; i < len(between); i += 2 {
		a, b := between[i], between[i+1]
		if a.Y != b.Y || max(a.X-b.X, b.X-a.X) != spacing.Width || a.Y < 0 || a.Y > d.Height {
			t.Fatalf("the line %+v does not pass a layer level", l)
		}
		for k, box := range d.Boxes {
			if box.X == min(a.X, b.X) && a.Y > box.Y-spacing.Lines && a.Y < box.Y+spacing.Height+spacing.Lines {
				t.Fatalf("the line %+v runs into box %d at %v", l, k, box)
			}
		}
	}
}

// TestBack: without a circle no line runs back. In a circle one line does.
func TestBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		boxes := rapid.IntRange(2, 30).Draw(t, "boxes")
		edges := graphs(boxes).Draw(t, "graph")
		edges = slices.DeleteFunc(edges, func(e layered.Edge) bool { return e.From >= e.To })
		for _, l := range layered.Draw(boxes, edges, spacing).Lines {
			if l.Back {
				t.Fatalf("the line %+v runs back, and there is no circle in %v", l, edges)
			}
		}
		ring := make([]layered.Edge, boxes)
		for i := range ring {
			ring[i] = layered.Edge{From: i, To: (i + 1) % boxes}
		}
		back := 0
		for _, l := range layered.Draw(boxes, ring, spacing).Lines {
			if l.Back {
				back++
			}
		}
		if back != 1 {
			t.Fatalf("%d lines of a circle of %d run back, want 1", back, boxes)
		}
	})
}

// TestFewCrossings: a tree whose boxes come in a bad order is drawn without crossings.
func TestFewCrossings(t *testing.T) {
	edges := []layered.Edge{{From: 0, To: 4}, {From: 1, To: 3}, {From: 4, To: 6}, {From: 3, To: 7}, {From: 2, To: 5}, {From: 5, To: 6}, {From: 0, To: 6}}
	d := layered.Draw(8, edges, spacing)
	for i, a := range d.Lines {
		for _, b := range d.Lines[:i] {
			for k := 0; k+1 < len(a.Points); k += 2 {
				for m := 0; m+1 < len(b.Points); m += 2 {
					begins, ends := a.Points[k].Y-b.Points[m].Y, a.Points[k+1].Y-b.Points[m+1].Y
					if a.Points[k].X == b.Points[m].X && begins*ends < 0 {
						t.Errorf("%+v and %+v cross", a, b)
					}
				}
			}
		}
	}
}

// TestLeftOut: where there is too much to draw, long lines are left out first.
func TestLeftOut(t *testing.T) {
	var edges []layered.Edge
	for to := range 6 {
		for from := range to {
			edges = append(edges, layered.Edge{From: from, To: to})
		}
	}
	s := spacing
	s.Pieces = 5 + 2*2
	d := layered.Draw(6, edges, s)
	if len(d.Lines) != 7 || d.LeftOut != len(edges)-7 {
		t.Errorf("got %d lines and %d left out", len(d.Lines), d.LeftOut)
	}
	for _, l := range d.Lines {
		if l.To-l.From > 2 {
			t.Errorf("got the long line %+v", l)
		}
	}
}

// TestNothing: a graph without boxes, and one without edges.
func TestNothing(t *testing.T) {
	if d := layered.Draw(0, nil, spacing); d.Width != 0 || d.Height != 0 {
		t.Errorf("got %+v", d)
	}
	want := layered.Drawing{Width: 100, Height: 92, Boxes: []layered.Point{{Y: 52}, {}}}
	if diff := cmp.Diff(want, layered.Draw(2, nil, spacing)); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkDraw draws 300 boxes with 1,000 edges, and a row of 300 boxes with as many edges as are drawn.
func BenchmarkDraw(b *testing.B) {
	var wide, long []layered.Edge
	for i := range 1000 {
		from := (i * 7919) % 290
		wide = append(wide, layered.Edge{From: from, To: from + 1 + (i*104729)%(299-from)})
	}
	for to := range 300 {
		for from := max(0, to-64); from < to; from++ {
			long = append(long, layered.Edge{From: from, To: to})
		}
	}
	slices.SortFunc(wide, func(a, b layered.Edge) int { return (a.From-b.From)*300 + a.To - b.To })
	for name, edges := range map[string][]layered.Edge{"wide": slices.Compact(wide), "long": long} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				layered.Draw(300, edges, spacing)
			}
		})
	}
}

// TestNear: a row is straight, a box stands in the middle of what it leads to, and one that only leads to a late
// box is in the layer before it.
func TestNear(t *testing.T) {
	edges := []layered.Edge{{From: 0, To: 1}, {From: 1, To: 2}, {From: 2, To: 3}, {From: 2, To: 4}, {From: 2, To: 5}, {From: 6, To: 3}}
	d := layered.Draw(7, edges, spacing)
	children := []int{d.Boxes[3].Y, d.Boxes[4].Y, d.Boxes[5].Y}
	slices.Sort(children)
	step := spacing.Height + spacing.Between
	if children[1]-children[0] != step || children[2]-children[1] != step {
		t.Errorf("the boxes behind box 2 stand at %v", children)
	}
	for i := range 3 {
		if y := d.Boxes[i].Y; y < children[0] || y > children[2] || max(y-d.Boxes[0].Y, d.Boxes[0].Y-y) > 1 {
			t.Errorf("box %d of the row stands at %d, not in the middle of %v or not in a row with box 0 at %d", i, y, children, d.Boxes[0].Y)
		}
	}
	if d.Boxes[6].X != d.Boxes[2].X {
		t.Errorf("box 6 stands at %v, not beside box 2 at %v", d.Boxes[6], d.Boxes[2])
	}
	row := layered.Draw(4, []layered.Edge{{From: 0, To: 1}, {From: 0, To: 2}, {From: 0, To: 3}}, spacing)
	if middle := row.Boxes[0].Y; middle != step || row.Height != 3*spacing.Height+2*spacing.Between {
		t.Errorf("got %+v", row)
	}
}
