// Package oplog stores signed ops in one SQLite file, in order of arrival, for
// all processes that work on a project.
//
// An op is durable when [Log.Write] has returned: the transaction is the commit
// point, before it nothing is visible, after it everything is. Processes write
// one at a time: they queue for an exclusive flock on <path>.lock, which is
// fair where SQLite's own busy handler is not, and begin IMMEDIATE. Readers take
// no lock, nor does opening a log that is there and current.
//
// Settings: write-ahead log, synchronous=FULL with fdatasync (an acknowledged op
// survives a power cut), open-file-description locks (so that nothing else in
// the process can drop SQLite's locks by closing the file).
//
// The package stores bytes: it checks neither signatures nor causality, which is
// for package crdt, and keeps no state of the pipeline, which is for package
// replica. Rows are only ever added.
//
// Beside the ops stand the replica's own decisions whose ops it takes, each a
// row: the last one of an author counts.
//
// A Log is for one goroutine at a time; a [Lock] is for any number.
package oplog
