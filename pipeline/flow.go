package pipeline

import (
	"slices"
	"strings"
	"time"
)

// MoveAt returns when a story moved, in ms since 1970, by the clock of the op that moved it. That clock
// is whatever its author says, so the time is put between two bounds. It is no later than the op came
// here, and no earlier than the story's last move, which is 0 if there was none. So no time spent in a
// stage is negative, and no day has fewer stories in a stage than none. An op that says no time moved its
// story when it came here.
func MoveAt(at, came, last int64) int64 {
	if !KnownTime(time.UnixMilli(at)) || at < 1 || at > came {
		at = came
	}
	return max(at, last, 1)
}

// InHand reports whether agents work on the stories in the stage.
func (s Stage) InHand() bool { return s == Current || s == QA || s == Merge }

// TypeOf returns the type that a story's ID names, such as "bug" in "7_bug_crash". An ID that names none
// is that of a story.
func TypeOf(id string) string {
	_, rest, _ := strings.Cut(id, "_")
	typ, _, _ := strings.Cut(rest, "_")
	if slices.Contains(types, typ) {
		return typ
	}
	return types[0]
}

// Moves says how many stories came into a stage on a day, and how many went out of it.
type Moves struct {
	// Day is in days since 1970-01-01 UTC.
	Day int64
	// Stage is empty for what is outside the pipeline: new stories go out of it, deleted ones come into it.
	Stage      Stage
	Came, Went int
}

// Spell is the time that a story spent in a stage.
type Spell struct {
	Stage        Stage
	Began, Ended time.Time
}

// Finished says when a story came to be done.
type Finished struct {
	// N is the story's number in this file, which means nothing outside of it.
	N    int64
	Done time.Time
	// Took is how long before that work on the story had begun.
	Took time.Duration
}

// Aging is a story in hand.
type Aging struct {
	Story string
	Stage Stage
	// Since is when it came into the stage, and Started when work on it began.
	Since, Started time.Time
}

// Day returns the day of a time, in days since 1970-01-01 UTC.
func Day(t time.Time) int64 { return t.UnixMilli() / (24 * time.Hour).Milliseconds() }

// Percentile returns the value below or at which p percent of the values are: the nearest rank. The
// values must be sorted. Without any, Percentile returns 0.
func Percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return sorted[min(max(rank, 1), len(sorted))-1]
}
