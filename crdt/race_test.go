//go:build race

package crdt_test

// raceEnabled: the race detector is on, which allocates where the code does not.
const raceEnabled = true
