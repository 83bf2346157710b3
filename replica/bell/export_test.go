package bell

import "time"

// SetIntervals changes how often a bell wakes its listeners by the clock: while it is not watched,
// and beside a watched bell. With an hour for the second one a test that loses a wake-up hangs.
func (b *Bell) SetIntervals(look, safety time.Duration) { b.lookEvery, b.safetyEvery = look, safety }

// PretendShared makes the bell believe that other machines may change its file system.
func (b *Bell) PretendShared() { b.shared = func(string) (bool, error) { return true, nil } }

// ErrShared is why a bell on a shared file system is not watched.
var ErrShared = errShared
