package pipeline_test

import (
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

func TestMoveAt(t *testing.T) {
	for _, tt := range []struct {
		what           string
		at, came, last int64
		want           int64
	}{
		{"an honest clock", 50, 60, 40, 50},
		{"the first move", 50, 60, 0, 50},
		{"a clock of the future", 1 << 52, 60, 40, 60},
		{"a clock of the past", 3, 60, 40, 40},
		{"no time", 0, 60, 40, 60},
		{"ours went back", 50, 30, 40, 40},
		{"ours says nothing", 0, 0, 0, 1},
	} {
		if got := pipeline.MoveAt(tt.at, tt.came, tt.last); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.what, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	var all []time.Duration
	if got := pipeline.Percentile(all, 85); got != 0 {
		t.Errorf("of nothing: got %v, want 0", got)
	}
	for i := range 20 {
		all = append(all, time.Duration(i+1))
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 10, 85: 17, 86: 18, 100: 20} {
		if got := pipeline.Percentile(all, p); got != want {
			t.Errorf("percentile %d: got %d, want %d", p, got, want)
		}
	}
	if got := pipeline.Percentile(all[:1], 85); got != 1 {
		t.Errorf("of one: got %d, want 1", got)
	}
}

func TestTypeOf(t *testing.T) {
	for id, want := range map[string]string{"7_bug_crash": "bug", "7_story_x": "story", "7_spike": "spike", "odd": "story", "7_other_bug": "story"} {
		if got := pipeline.TypeOf(id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}
