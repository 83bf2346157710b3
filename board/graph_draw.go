package board

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/internal/layered"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// spacing is the size of a drawing, in pixels. A box has room for a line with the number and the stage, and
// for two lines of the name. 2,000 pieces of lines are far more than an eye can follow, and they are placed
// in some milliseconds.
var spacing = layered.Spacing{Width: 172, Height: 60, Across: 42, Between: 14, Lines: 10, Pieces: 2000}

const (
	// nameLines, nameColumns and labelColumns bound what a box shows of a name and of a label. The title of
	// the box has both whole.
	nameLines, nameColumns, labelColumns = 2, 22, 10
	// maxShrunk is the width of four layers: a page on a desktop has room for nearly as much.
	maxShrunk = 4*172 + 3*42 + 2*margin
	// margin is around the drawing, for thick borders.
	margin = 4
	// arrow is the length of the point of a line, loop how far a line from a box to itself goes to the right.
	arrow, loop = 8, 26
)

// drawing is what the page shows of the stories near one.
type drawing struct {
	Width, Height int
	// Box is the view box of the SVG: the drawing with a margin.
	Box string
	// Shrinks says that the picture still can be read where it is made as wide as the page.
	Shrinks bool
	Size    layered.Spacing
	Boxes   []drawnBox
	Lines   []drawnLine
	// LeftOut counts the dependencies that are not drawn. Circle says that a line closes a circle.
	LeftOut int
	Circle  bool
	// More says that there are more stories, and Full that the drawing has no room for them.
	More, Full bool
	// Depth is the distance that was chosen, and Depths are all that can be.
	Depth  string
	Depths []string
}

// drawnBox is a box with its place.
type drawnBox struct {
	box
	X, Y int
	// Short is the label, cut to the room that there is.
	Short string
	// Name has the lines of the name.
	Name []string
	// Own says that it is the story of the page.
	Own bool
}

// drawnLine is a line as paths of SVG.
type drawnLine struct {
	Class      string
	Way, Arrow string
	rank       int
}

// draw places the stories near one. Nil means that there is nothing beside it.
func (n *nearby) draw(depth string) *drawing {
	if len(n.edges) == 0 && !n.more {
		return nil
	}
	l := layered.Draw(len(n.boxes), n.edges, spacing)
	d := &drawing{Size: spacing, LeftOut: l.LeftOut, More: n.more, Full: len(n.boxes) == maxBoxes, Depth: depth}
	for _, choice := range depths {
		d.Depths = append(d.Depths, choice.Name)
	}
	for i, at := range l.Boxes {
		b := &n.boxes[i]
		d.Boxes = append(d.Boxes, drawnBox{box: *b, X: at.X, Y: at.Y, Short: phrase.Cut(b.Label, labelColumns), Name: wrap(b.Title, nameLines, nameColumns), Own: i == 0})
	}
	slices.SortStableFunc(d.Boxes, func(a, b drawnBox) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Y, b.Y)) }) // the tab key follows
	right := l.Width
	for i := range l.Lines {
		line := &l.Lines[i]
		d.Circle = d.Circle || line.Back
		if line.From == line.To {
			right = l.Width + loop
		}
		d.Lines = append(d.Lines, n.line(line))
	}
	slices.SortStableFunc(d.Lines, func(a, b drawnLine) int { return a.rank - b.rank })
	d.Width, d.Height = right+2*margin, l.Height+2*margin
	d.Shrinks = d.Width <= maxShrunk
	d.Box = fmt.Sprintf("%d %d %d %d", -margin, -margin, d.Width, d.Height)
	return d
}

// line returns the paths of a line. What says most lies above the rest.
func (n *nearby) line(l *layered.Line) drawnLine {
	d := drawnLine{Class: "met"}
	if !n.boxes[l.From].Done {
		d.Class, d.rank = "open", 1
	}
	if l.From == 0 || l.To == 0 {
		d.Class, d.rank = d.Class+" own", d.rank+2
	}
	if l.Back {
		d.Class, d.rank = "back", 4
	}
	end, forward := l.Points[len(l.Points)-1], 1
	if l.Back {
		forward = -1
	}
	points := slices.Clone(l.Points)
	points[len(points)-1].X -= forward * arrow
	var way strings.Builder
	fmt.Fprintf(&way, "M%d %d", points[0].X, points[0].Y)
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		middle := (a.X + b.X) / 2
		switch {
		case l.From == l.To:
			middle = a.X + loop
		case a.Y == b.Y:
			fmt.Fprintf(&way, "H%d", b.X)
			continue
		}
		fmt.Fprintf(&way, "C%d %d %d %d %d %d", middle, a.Y, middle, b.Y, b.X, b.Y)
	}
	d.Way = way.String()
	d.Arrow = fmt.Sprintf("M%d %dl%d -4v8z", end.X, end.Y, -forward*arrow)
	return d
}

// wrap breaks a text into lines. Where it has too many, the last one ends with an ellipsis.
func wrap(text string, lines, columns int) (all []string) {
	line := ""
	words := strings.Fields(text)
	for i, word := range words {
		longer := strings.TrimSpace(line + " " + word)
		if line == "" || phrase.Width(longer) <= columns {
			line = longer
			continue
		}
		if len(all) == lines-1 {
			line = strings.Join(append([]string{line}, words[i:]...), " ")
			break
		}
		all = append(all, phrase.Cut(line, columns))
		line = word
	}
	return append(all, phrase.Cut(line, columns))
}
