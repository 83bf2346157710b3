package terminal_test

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestColors: every colour of the expected output can be read on white and on black. WCAG 2.1 wants a
// contrast of 3 for large text and of 4.5 for small text, and no colour has 4.6 to both.
func TestColors(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "*_color.txt"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	colors := map[string]bool{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, look := range regexp.MustCompile(`␛\[([0-9;]*)m`).FindAllStringSubmatch(string(data), -1) {
			if look[1] != "0" && look[1] != "1" {
				colors[look[1]] = true
			}
		}
	}
	if len(colors) < 5 {
		t.Errorf("got only the colours %v", colors)
	}
	for color := range colors {
		l := luminance(t, color)
		if light, dark := 1.05/(l+0.05), (l+0.05)/0.05; light < 3.8 || dark < 3.8 {
			t.Errorf("%s has a contrast of %.1f to white and of %.1f to black", color, light, dark)
		}
	}
}

// luminance returns the relative luminance, from 0 to 1, of a colour of the 256 (ECMA-48 SGR 38;5;N) that
// xterm computes from N.
func luminance(t *testing.T, color string) float64 {
	t.Helper()
	match := regexp.MustCompile(`^38;5;([0-9]+)$`).FindStringSubmatch(color)
	if match == nil {
		t.Fatalf("%s is a colour of the reader's own scheme, of which nothing is known", color)
	}
	n, _ := strconv.Atoi(match[1])
	linear := func(level int) float64 {
		c := float64(level) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	cube := func(step int) int { return []int{0, 95, 135, 175, 215, 255}[step] }
	switch {
	case n < 16:
		t.Fatalf("%s is a colour of the reader's own scheme, of which nothing is known", color)
	case n >= 232:
		return linear(8 + 10*(n-232))
	}
	n -= 16
	return 0.2126*linear(cube(n/36)) + 0.7152*linear(cube(n/6%6)) + 0.0722*linear(cube(n%6))
}
