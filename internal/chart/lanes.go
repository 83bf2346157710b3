package chart

import (
	"strings"
	"time"
)

// Lane is what somebody did, from left to right.
type Lane struct {
	Name string
	Bars []Bar
	// Marks are moments. Those that would cover each other are one.
	Marks []time.Time
}

// Bar is a span of time. The class of one that is not over is "open".
type Bar struct {
	From, To time.Time
	Name     string
	Open     bool
}

// Lanes draws lanes below each other between two times.
func Lanes(h Heading, from, to time.Time, lanes []Lane) string {
	const tall, room = 26, 120
	c := newCanvas(h, room, float64(top+tall*len(lanes)+bottom))
	x := func(at time.Time) float64 {
		part := float64(at.Sub(from)) / float64(max(1, to.Sub(from)))
		return c.left + min(max(part, 0), 1)*(c.right-c.left)
	}
	floor := c.height - bottom
	const ticks = 6
	for i := range ticks + 1 {
		at := from.Add(to.Sub(from) / ticks * time.Duration(i))
		c.line("grid", x(at), top, x(at), floor)
		c.text("m", min(max(x(at), c.left+14), c.right-14), c.height-7, at.Format("15:04"))
	}
	for i, lane := range lanes {
		y := float64(top + tall*i)
		c.text("e", c.left-6, y+17, cut(lane.Name, 18))
		for _, b := range lane.Bars {
			class := "held"
			if b.Open {
				class = "held open"
			}
			c.told(b.Name)
			c.printf(`<path class="%s" d="M%s %sH%sV%sH%sZ"/>`, class, num(x(b.From)), num(y+4), num(max(x(b.To), x(b.From)+2)), num(y+tall-8), num(x(b.From)))
			c.shut()
		}
		c.marks(lane.Marks, x, y+tall-7)
	}
	return c.end()
}

// marks draws moments as one path.
func (c *canvas) marks(at []time.Time, x func(time.Time) float64, y float64) {
	var path strings.Builder
	drawn := map[string]bool{}
	for _, t := range at {
		place := num(float64(int(x(t)/2) * 2))
		if !drawn[place] {
			drawn[place] = true
			path.WriteString("M" + place + " " + num(y) + "v5")
		}
	}
	if path.Len() > 0 {
		c.printf(`<path class="mark" d="%s"/>`, path.String())
	}
}
