// Package oplog stores signed ops in one SQLite file, in order of arrival, for
// all processes that work on a project.
//
// An op is in the log for all processes when [Log.Commit] has returned, and
// durable when a [Log.Sync] has that began afterwards; [Log.Write] does both.
// Processes commit one at a time: they queue for an exclusive flock on
// <path>.lock, which wakes who waits when it is free, where SQLite's own busy handler sleeps,
// and begin IMMEDIATE. They wait for the disk together, without the lock, in which time
// others take it. Readers take no lock, nor does opening a log that is there and current.
//
// Settings: write-ahead log, synchronous=NORMAL with an fdatasync of our own of
// the write-ahead log (an acknowledged op survives a power cut),
// open-file-description locks (so that nothing else in the process can drop
// SQLite's locks by closing a file).
//
// The package stores bytes: it checks neither signatures nor causality, which is
// for package crdt, and keeps no state of the pipeline, which is for package
// replica. Rows are only ever added; the one exception is that a damaged row may
// be given back the bytes that its ID names ([Tx.Repair]).
//
// A key of the replica has a home, a machine and a path, and is used nowhere else:
// [Open] gives a copied file no key, [Create] a fresh one. [Backup] leaves the
// keys out unless it is told not to.
//
// Beside the ops stand the replica's own decisions whose ops it takes, each a
// row: the last one of an author counts.
//
// A Log is for one goroutine at a time, but for Sync; a [Lock] is for any number.
//
// # Bundles
//
// A bundle is signed ops on their way between replicas, in a file or a pipe:
// JSON Lines (https://jsonlines.org) in UTF-8, one op a line, written by
// [AppendBundleLine] and read by a [BundleReader].
//
//	{"id":"<64 hex digits>","payload":"<base64>","signature":"<base64>"}
//
// The id is the SHA-256 of the payload, the signature has 64 bytes; base64 is
// the standard one with padding (RFC 4648, section 4). The order of the lines
// means nothing and an op may come twice, so bundles may be cut between lines,
// sorted, and put one behind the other. The writer ends each line with a
// newline; the reader does without one behind the last line, takes CRLF for a
// newline, and passes over blank lines and a byte order mark before a line. It
// ignores keys that it does not know: a later version may add some. Of a key
// that comes twice the last value counts, and nothing depends on it, since the
// id names the payload and the signature is checked against the id.
package oplog
