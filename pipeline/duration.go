package pipeline

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// longUnit is a part of a duration in days or weeks.
var longUnit = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)([dw])`)

// ParseDuration reads a duration as people write it: as Go does, such as 90s or 1h30m, and also with d for 24
// hours and w for 7 days, such as 2d or 1w3d. It reports whether the text is one.
func ParseDuration(text string) (d time.Duration, ok bool) {
	hours := longUnit.ReplaceAllStringFunc(text, func(part string) string {
		n, _ := strconv.ParseFloat(part[:len(part)-1], 64) // what is too large is so below, too
		n *= 24
		if part[len(part)-1] == 'w' {
			n *= 7
		}
		return strconv.FormatFloat(n, 'f', -1, 64) + "h"
	})
	d, err := time.ParseDuration(hours)
	return d, err == nil
}

// SpellDuration writes whole seconds without the units that are zero: 5m, not 5m0s.
func SpellDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
