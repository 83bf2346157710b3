package phrase

import (
	"fmt"
	"time"
)

// ClockAhead says how far a hub's clock is ahead of this machine's, or behind it.
func ClockAhead(ahead time.Duration) string {
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	return fmt.Sprintf("the hub's is %v %s this machine's", ahead.Abs().Round(100*time.Millisecond), word)
}
