package chart

import (
	"cmp"
	"fmt"
	"math"
	"time"
)

// Dot is something that ended at a time and took a while.
type Dot struct {
	At   time.Time
	Took time.Duration
	Name string
}

// Line is a time that is drawn as a line across a chart.
type Line struct {
	Name string
	At   time.Duration
}

// Scatter draws dots by the day on which they ended, and by how long they took on a logarithmic scale. Dots
// that would cover each other are one, which is larger.
func Scatter(h Heading, first time.Time, n int, dots []Dot, lines []Line) string {
	c := newCanvas(h, left, height)
	var longest time.Duration
	for _, d := range dots {
		longest = max(longest, d.Took)
	}
	part, marks := scale(longest)
	y := func(d time.Duration) float64 { return c.height - bottom - part(d)*(c.height-bottom-top) }
	for _, m := range durations[:marks] {
		c.line("grid", c.left, y(m.d), c.right, y(m.d))
		c.text("e", c.left-6, y(m.d)+4, m.name)
	}
	span := time.Duration(n) * 24 * time.Hour
	x := func(at time.Time) float64 { return c.left + float64(at.Sub(first))/float64(span)*(c.right-c.left) }
	c.dots(dots, x, y)
	for _, l := range lines {
		c.line("limit", c.left, y(l.At), c.right, y(l.At))
		c.text("e over", c.right-4, y(l.At)-4, l.Name)
	}
	step := (c.right - c.left) / float64(max(1, n))
	c.days(first, n, func(i int) float64 { return c.left + step*(float64(i)+.5) })
	return c.end()
}

// dots draws dots. Those in one cell of a grid of 6 units are one, or of 12 if there are so many that the
// page would be large.
func (c *canvas) dots(dots []Dot, x func(time.Time) float64, y func(time.Duration) float64) {
	cell := 6
	if len(dots) > 400 {
		cell = 12
	}
	type spot struct{ x, y int }
	counts := map[spot]int{}
	at := func(d *Dot) spot { return spot{int(x(d.At)) / cell, int(y(d.Took)) / cell} }
	for i := range dots {
		counts[at(&dots[i])]++
	}
	for i := range dots {
		s := at(&dots[i])
		n := counts[s]
		if n == 0 {
			continue
		}
		delete(counts, s)
		name := dots[i].Name
		if n > 1 {
			name = fmt.Sprintf("%d stories", n)
		}
		if name != "" {
			c.told(name)
		}
		c.printf(`<circle class="dot" cx="%d" cy="%d" r="%s"/>`, s.x*cell+cell/2, s.y*cell+cell/2, num(min(8, 2+math.Sqrt(float64(n)))))
		if name != "" {
			c.shut()
		}
	}
}

// Row is a time with a name, drawn as a bar. A mark on the bar is a shorter time.
type Row struct {
	Name, Class string
	Long, Mark  time.Duration
	// Full is a longer name. It stands beside the bar instead of Name, unless the page is narrow: then the
	// style shows the class "brief" and hides "full". Tip is told to who points at the row, else Name.
	Full, Tip string
}

// Rows draws rows below each other, on a logarithmic scale of times, with lines through all of them.
func Rows(h Heading, rows []Row, lines []Line) string {
	const tall, room, letters = 20, 190, 30 // letters fit into the room
	c := newCanvas(h, room, float64(top+tall*len(rows)+bottom))
	var longest time.Duration
	for _, r := range rows {
		longest = max(longest, r.Long)
	}
	for _, l := range lines {
		longest = max(longest, l.At)
	}
	part, marks := scale(longest)
	x := func(d time.Duration) float64 { return c.left + part(d)*(c.right-c.left-10) }
	floor := c.height - bottom
	for _, m := range durations[:marks] {
		c.line("grid", x(m.d), top, x(m.d), floor)
		c.text("m", min(x(m.d), c.right-10), c.height-7, m.name)
	}
	for i, r := range rows {
		y := float64(top + tall*i)
		c.told(cmp.Or(r.Tip, r.Name))
		if r.Full == "" {
			c.text("e", c.left-6, y+14, cut(r.Name, letters))
		} else {
			c.text("e brief", c.left-6, y+14, cut(r.Name, letters))
			c.text("e full", c.left-6, y+14, cut(r.Full, letters))
		}
		c.printf(`<path class="%s" d="M%s %sH%sV%sH%sZ"/>`, r.Class, num(c.left), num(y+4), num(max(x(r.Long), c.left+2)), num(y+tall-4), num(c.left))
		if r.Mark > 0 {
			c.line("mark", x(r.Mark), y+2, x(r.Mark), y+tall-2)
		}
		c.shut()
	}
	for _, l := range lines {
		c.line("limit", x(l.At), top, x(l.At), floor)
		c.text("e over", x(l.At)-4, top+9, l.Name)
	}
	return c.end()
}

// cut shortens a text to so many characters.
func cut(text string, most int) string {
	r := []rune(text)
	if len(r) <= most {
		return text
	}
	return string(r[:most-1]) + "…"
}
