package main

import (
	"fmt"
	"io"
	"time"

	"golang.org/x/time/rate"
)

// What others do is logged, strangers too: so what they can write to the disk of the log is bounded.
const (
	// logRate is how many lines a second are logged in the long run.
	logRate = 5
	// logBurst is how many lines may come at once.
	logBurst = 2000
)

// boundedLog leaves out lines where there are too many. It gets one line a write, one write at a time, as slog's handlers do it.
type boundedLog struct {
	to      io.Writer
	lines   *rate.Limiter
	leftOut int
}

func newBoundedLog(to io.Writer) *boundedLog {
	return &boundedLog{to: to, lines: rate.NewLimiter(logRate, logBurst)}
}

// Write implements io.Writer.
func (l *boundedLog) Write(line []byte) (int, error) {
	if !l.lines.Allow() {
		l.leftOut++
		return len(line), nil
	}
	if l.leftOut > 0 {
		fmt.Fprintf(l.to, "time=%s level=WARN msg=\"there was too much to log, so lines are left out here\" lines=%d\n", time.Now().UTC().Format(time.RFC3339), l.leftOut)
		l.leftOut = 0
	}
	return l.to.Write(line)
}
