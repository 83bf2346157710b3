// Package replica is one process's live copy of a pipeline: the document in
// memory, how far it has read the op log, and the key that signs.
//
// [Replica.Update] writes: under the lock it catches up with what other
// processes wrote, lets the caller decide on the fresh state, signs the edits
// as one op, appends it, commits (the commit point) and waits for the disk.
// Changes that wait together are committed together, in the order in which they
// were submitted; each sees those before it. [Replica.View] reads after catching
// up, so it sees every write that was acknowledged before it began. A restart is
// a long catch-up.
//
// Nobody sees the document move before the commit. When a commit fails, the
// document is forgotten and what is on disk is settled: the caller hears that
// the change was made, or that it was not; only if that cannot be found out, that
// it may have been made.
//
// [Replica.Watch] is a View that goes on: it is called again at each change. While
// anybody watches, one goroutine looks every now and then whether another process
// wrote, at the head of the write-ahead log's index or the time of its file; those who watch
// are woken by it and by each commit of this process.
//
// A [Position] says what an answer reflects, and [Replica.ChangesLocked] what
// changed after one.
//
// [Replica.Import] takes in bundles from other replicas, [Replica.Export] makes
// them, and [Replica.Trust] says whose ops are applied.
//
// Opening is lazy. A project without a database has an empty pipeline, and
// nothing is created before the first write. A database that cannot be opened
// is an error of each call, not of the process: once it is mended, the next
// call works. A file that was removed under the process is an error, once; one
// that was replaced, or restored in place from a backup, is read anew.
//
// A Replica is safe for concurrent use.
package replica
