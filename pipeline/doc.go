// Package pipeline is the domain: stories that move through stages, on top of
// the merge data of package crdt.
//
// A [Source] holds the merged state of a pipeline and answers narrow questions
// about it: a [Model] in memory, or a database. A [State] is the rules over one
// source. Stories are read from a State as [Story] values, immutable snapshots
// that stay valid for ever. Changes go through a [Tx], which collects the edits
// of one op on one story and changes nothing itself. Package replica signs the
// edits, stores the op and applies it. No rule reads more of a source than its
// answer shows, and every search has a bound.
//
// A story is ready when an agent may take it: it is in 1_backlog, not blocked,
// has no agent, and every number it depends on belongs only to stories in
// 5_done or 6_archived. A number that no story has is not met.
//
// The package is pure: no I/O of its own, no clock, no randomness. Nothing in it
// is safe for concurrent use.
package pipeline
