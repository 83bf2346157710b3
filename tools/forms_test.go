package tools

import (
	"strings"
	"testing"
)

// TestManyWrongValues: what is said of them fits hosts, as every answer does.
func TestManyWrongValues(t *testing.T) {
	h := newTempHost(t)
	got := h.fails("write_item", `{"story_id":"1_s","depends_on":[`+strings.Repeat("true,", 900)+`true]}`)
	if len(got) > maxAnswerBytes || !strings.Contains(got, "depends_on[0] must be an integer") {
		t.Errorf("%d bytes: %.200s", len(got), got)
	}
}
