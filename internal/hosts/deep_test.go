package hosts

import (
	"bytes"
	"testing"
)

// TestDeepFile: a file that came with a checkout and has nothing but brackets is refused. A parser that calls itself
// for each would end the program.
func TestDeepFile(t *testing.T) {
	claude, _ := ByID("claude")
	for _, text := range [][]byte{bytes.Repeat([]byte("["), maxFile), bytes.Repeat([]byte(`{"a":`), maxFile/5)} {
		if _, _, err := (Edit{ServerEdit, claude}).Look(text); err == nil {
			t.Errorf("%.20q is read", text)
		}
	}
}
