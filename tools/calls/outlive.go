package calls

import (
	"context"
	"time"
)

// Outlive returns a context that has the values of ctx and ends when d has passed since the end of ctx,
// or when cancel is called. The caller must call cancel.
func Outlive(ctx context.Context, d time.Duration) (longer context.Context, cancel context.CancelFunc) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); end() }
}
