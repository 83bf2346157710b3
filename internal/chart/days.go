package chart

import (
	"fmt"
	"strings"
	"time"
)

// Series is a number for each day.
type Series struct {
	Name string
	// Class says which colour it has.
	Class  string
	Counts []int
}

// Areas draws series above each other, the first at the bottom: how much there is at the end of each day.
func Areas(h Heading, first time.Time, n int, all []Series) string {
	c := newCanvas(h, left, height)
	most := 0
	sums := make([]int, n)
	for i := range n {
		for _, s := range all {
			sums[i] += s.Counts[i]
		}
		most = max(most, sums[i])
	}
	y := c.counts(most)
	x := func(i int) float64 {
		if n == 1 {
			return c.left + float64(i)*(c.right-c.left) // one day is as wide as the chart
		}
		return c.left + float64(i)*(c.right-c.left)/float64(n-1)
	}
	points := n
	if n == 1 {
		points = 2
	}
	below := make([]int, n)
	for _, s := range all {
		var up, back strings.Builder
		for i := range points {
			k := min(i, n-1)
			fmt.Fprintf(&up, "%s %s ", num(x(i)), num(y(float64(below[k]+s.Counts[k]))))
		}
		for i := points - 1; i >= 0; i-- {
			fmt.Fprintf(&back, "%s %s ", num(x(i)), num(y(float64(below[min(i, n-1)]))))
		}
		c.told(s.Name)
		c.printf(`<path class="%s" d="M%s%sZ"/>`, s.Class, up.String(), strings.TrimSpace(back.String()))
		c.shut()
		for i := range n {
			below[i] += s.Counts[i]
		}
	}
	c.days(first, n, x)
	return c.end()
}

// Bars draws a bar for each day.
func Bars(h Heading, first time.Time, s Series) string {
	c := newCanvas(h, left, height)
	n, most := len(s.Counts), 0
	for _, count := range s.Counts {
		most = max(most, count)
	}
	y := c.counts(most)
	step := (c.right - c.left) / float64(max(1, n))
	for i, count := range s.Counts {
		if count > 0 {
			c.told(fmt.Sprintf("%s: %d", first.AddDate(0, 0, i).Format(day), count))
			c.printf(`<path class="%s" d="M%s %sH%sV%sH%sZ"/>`, s.Class, num(c.left+step*float64(i)+step*.1), num(y(0)),
				num(c.left+step*float64(i)+step*.9), num(y(float64(count))), num(c.left+step*float64(i)+step*.1))
			c.shut()
		}
	}
	c.days(first, n, func(i int) float64 { return c.left + step*(float64(i)+.5) })
	return c.end()
}
