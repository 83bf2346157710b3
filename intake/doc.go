// Package intake brings in work that another tool or a file holds.
//
// [Read] turns a file or a folder into a [List] of items. An [Item] is one piece of work in the
// source's own terms: its ID there, its name, its status translated into a stage, its text, and
// the IDs of the items that must be done first. [NewPlan] compares the items with what the
// pipeline holds already and returns a [Plan]: the stories to create, dependencies first, with
// numbers in place of the source's IDs. [Plan.Preview] renders the plan for a person.
//
// A broken row, a circle or too many dependencies refuse the whole plan, unless the caller asked
// to leave such items out. So bringing work in is all or nothing.
//
// # How an item is known again
//
// The note with which a story is brought in begins with a line such as
//
//	source: beads gt-abc.1
//
// It names the origin and the source's ID. Notes are never changed or removed, so the line
// survives every edit of the story, which a line of the description would not. An [Index] is
// filled with the stories of the pipeline and their notes, and finds the story of an item. An item
// without an ID in its source, such as a line of a Markdown list, is known by its parents' names and
// its own.
//
// Stories that huskies wrote itself, in an export or in .huskies/work, are known by their story
// ID, and keep it when the number is free.
//
// The package is pure. The caller hands in bytes or a file system and writes what the plan says.
package intake
