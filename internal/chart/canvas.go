package chart

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"time"
)

// The size of a chart, and the room around what is drawn, in units of the view box.
const (
	width  = 720
	height = 240
	left   = 48
	right  = 12
	top    = 10
	bottom = 24
)

// Heading is what a chart says of itself.
type Heading struct {
	// ID must be another one for each chart of a page.
	ID, Title, Desc string
}

// canvas is a chart that is being drawn.
type canvas struct {
	out         strings.Builder
	left, right float64 // where the drawing begins and ends
	height      float64
}

func newCanvas(h Heading, leftRoom, tall float64) *canvas {
	c := &canvas{left: leftRoom, right: width - right, height: tall}
	id := html.EscapeString(h.ID)
	c.printf(`<svg class="chart" viewBox="0 0 %d %s" role="img" aria-labelledby="%s-t %s-d"><title id="%s-t">%s</title><desc id="%s-d">%s</desc>`,
		width, num(tall), id, id, id, html.EscapeString(h.Title), id, html.EscapeString(h.Desc))
	return c
}

func (c *canvas) printf(format string, args ...any) { fmt.Fprintf(&c.out, format, args...) }

func (c *canvas) end() string {
	c.out.WriteString("</svg>")
	return c.out.String()
}

// num writes a number with at most one digit after the point.
func num(x float64) string { return strconv.FormatFloat(math.Round(x*10)/10, 'f', -1, 64) }

// text writes a text. The class is that of its place: "e" ends at x, "m" has x in its middle.
func (c *canvas) text(class string, x, y float64, text string) {
	c.printf(`<text class="%s" x="%s" y="%s">%s</text>`, class, num(x), num(y), html.EscapeString(text))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	c.printf(`<path class="%s" d="M%s %sL%s %s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

// told opens what tells a text to who points at it. The caller closes it with shut.
func (c *canvas) told(text string) { c.printf(`<g><title>%s</title>`, html.EscapeString(text)) }

func (c *canvas) shut() { c.out.WriteString("</g>") }

// counts draws the lines of a scale from 0 to at least most, and returns the scale.
func (c *canvas) counts(most int) func(n float64) float64 {
	step := 1
	for i := 0; most > 4*step; i++ {
		step = []int{2, 5, 10}[i%3] * int(math.Pow10(i/3))
	}
	end := float64(max(1, (most+step-1)/step) * step)
	floor, room := c.height-bottom, c.height-bottom-top
	at := func(n float64) float64 { return floor - n/end*room }
	for n := 0.0; n <= end; n += float64(step) {
		c.line("grid", c.left, at(n), c.right, at(n))
		c.text("e", c.left-6, at(n)+4, num(n))
	}
	return at
}

// day is how the axes of charts name a day.
const day = "2 Jan"

// days writes names of days below the middle of their columns, as many as have room.
func (c *canvas) days(first time.Time, n int, x func(i int) float64) {
	every := max(1, (n+7)/8)
	for i := (n - 1) % every; i < n; i += every {
		c.text("m", min(max(x(i), c.left+12), c.right-16), c.height-7, first.AddDate(0, 0, i).Format(day))
	}
}

// durations are the marks of a logarithmic scale of times, with their names.
var durations = []struct {
	d    time.Duration
	name string
}{
	{time.Minute, "1 min"},
	{10 * time.Minute, "10 min"},
	{time.Hour, "1 h"},
	{6 * time.Hour, "6 h"},
	{24 * time.Hour, "1 d"},
	{72 * time.Hour, "3 d"},
	{10 * 24 * time.Hour, "10 d"},
	{30 * 24 * time.Hour, "30 d"},
	{100 * 24 * time.Hour, "100 d"},
	{365 * 24 * time.Hour, "1 y"},
}

// scale returns the part of the way from the least mark to one beyond the longest time, for each time, and
// how many marks there are. Times below a minute are at the least mark.
func scale(longest time.Duration) (part func(time.Duration) float64, marks int) {
	for marks = 3; marks < len(durations) && durations[marks-1].d < longest; {
		marks++
	}
	end := math.Log(float64(durations[marks-1].d) / float64(time.Minute))
	return func(d time.Duration) float64 {
		return min(1, math.Log(max(1, float64(d)/float64(time.Minute)))/end)
	}, marks
}
