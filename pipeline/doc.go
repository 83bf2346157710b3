// Package pipeline is the domain: stories that move through stages, on top of
// the replicated document of package crdt.
//
// A [State] is the document with the indexes the domain needs. What can be
// seen is read from it as [Story] values, immutable snapshots that stay valid
// for ever. What changes goes through a [Tx], which collects the edits of one
// op on one story; it changes nothing itself. Package replica signs the edits,
// stores the op and applies it.
//
// A story is ready when an agent may take it: it is in 1_backlog, not blocked,
// has no agent, and every number it depends on belongs only to stories in
// 5_done or 6_archived. A number that no story has is not met.
//
// The package is pure: no I/O, no clock, no randomness. Nothing in it is safe
// for concurrent use.
package pipeline
