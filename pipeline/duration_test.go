package pipeline

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "500ms": 500 * time.Millisecond, "1h30m": 90 * time.Minute, "0": 0, "-2d": -2 * day,
		"2d": 2 * day, "1w": 7 * day, "1w3d": 10 * day, "1d12h": 36 * time.Hour, "1.5d": 36 * time.Hour, "0d": 0,
	} {
		if got, ok := ParseDuration(text); !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "d", "2", "2 d", "2D", "2days", "2y", "d2", "1d2", "999999d", strings.Repeat("9", 400) + "d", "tomorrow"} {
		if got, ok := ParseDuration(text); ok {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}
