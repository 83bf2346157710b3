package pipeline

import "time"

// lastYear is the last year that RFC 3339 can write. Clients cannot read a time after it.
const lastYear = 9999

// KnownTime reports whether t is a time that outlets show. The clock of an op is whatever its author
// says: 0, which says nothing, or a year that clients cannot read. Both are shown as unknown.
func KnownTime(t time.Time) bool {
	year := t.UTC().Year()
	return !t.IsZero() && t.UnixMilli() != 0 && year >= 0 && year <= lastYear
}

// TimeOf returns the time of a clock in milliseconds since 1970, the zero time if it is unknown.
func TimeOf(ms int64) time.Time {
	if t := time.UnixMilli(ms).UTC(); KnownTime(t) {
		return t
	}
	return time.Time{}
}

// FormatTime returns a time as every outlet shows it, in UTC: as RFC 3339 has it, "" if it is unknown.
func FormatTime(t time.Time) string { return formatTime(t, time.RFC3339) }

// FormatExactTime returns what FormatTime does, with the parts of a second.
func FormatExactTime(t time.Time) string { return formatTime(t, time.RFC3339Nano) }

func formatTime(t time.Time, layout string) string {
	if !KnownTime(t) {
		return ""
	}
	return t.UTC().Format(layout)
}
