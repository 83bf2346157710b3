// Package oplog keeps signed ops, and the pipeline that they give, in one SQLite file for
// all processes that work on a project.
//
// # The log and the state
//
// The file has two halves. The log is the table of ops in order of arrival: rows are only
// ever added, but that a damaged row may be given back the bytes that its ID names
// ([Tx.Repair]). Beside the ops stand the replica's own decisions: whom to trust, the keys
// and their homes, the leases of claims. The state is the tables in which readers look:
// stories, notes, dependencies, places, heads, counts, histories, and the exceptions,
// which are the rows of the log whose ops are not applied as they stand there. All of the
// state is derived from the log.
//
// Two rules join the halves. An op's row and its effect on the state are written in one
// transaction. The state row says which row of the log, and which decision whom to trust,
// the state reflects; each [Log.View] and [Log.Write] reads it first. Where it does not
// fit, View makes a state from the log in memory, and the next Write makes the tables anew.
//
// A state is made anew by a rebuild ([Log.Rebuild]): the replay of the whole log into the
// model of package pipeline, which is then written into the tables, in one transaction. A
// rebuild is the only repair of a state. It also follows the repair of a row, an upgrade
// of the tables' format, and a decision whom to trust that changes which ops of the log
// are applied. It follows a move of the file, too: the tables of a file that was moved or
// copied here are somebody else's word, so nobody believes them.
//
// Whatever way an op came, the same code gives it its effect. An op is applied, held
// while its author is not trusted, pending while parents are missing, or refused (see
// [Kind]). An op that was pending counts at the row that released it.
//
// # Reading and writing
//
// [Log.View] gives a [Snapshot]: a read transaction that waits for no writer, as none
// waits for it. Up to four Views run at once, others wait for one of these. A View may
// call its function a second time, after an error that says that the state in the file is
// damaged.
//
// [Log.Write] gives a [Tx]. It is durable when it has returned (synchronous=FULL), and an
// op that another process can see is durable too. Processes write one at a time: they
// queue for an exclusive flock on <path>.lock, see [Lock], where SQLite's own busy handler
// would sleep, and begin IMMEDIATE. After an error nothing was acknowledged. If the error
// is [Error.Uncertain] the change may be on disk all the same: open the log anew, call
// [Log.Settle], and look.
//
// A [Position] names the last row that an answer reflects, and the state's ID, 32 random
// bits that are drawn anew with each rebuild. [Snapshot.Changes] tells what has changed
// since a position, each change once, or says that it cannot tell: the position is not
// one of the log and the state as they are.
//
// A Log is for one goroutine at a time, but for View, which any number may call. A Lock is
// for any number.
//
// # Files
//
// Settings: write-ahead log, synchronous=FULL, fullfsync on macOS, and
// open-file-description locks, so that nothing else in the process can drop SQLite's locks
// by closing a file. After a rebuild the write-ahead log is moved into the file and cut.
//
// [Open] opens a file for reading and changes nothing, whatever its age: of a file of an
// older schema the state is made in memory. [Create] makes what is missing under the lock:
// the file, the schema, a key, a state. [Log.Ready] says whether a log can be written to
// as it is.
//
// A key of the replica has a home, a machine and a path, and is used nowhere else: Open
// gives a copied file no key, Create a fresh one. [Backup] leaves the keys out unless it is
// told not to, and the state always.
//
// [Verify] checks all that can be checked: each row of the log by itself and with its
// parents, what stands beside the ops, and the state against the log.
//
// # The files by floor
//
// A file uses what files of its own floor and of lower floors declare, and nothing that a
// file of a higher floor declares. A test in internal/floors checks it. So the log works
// without the two uppermost floors, which are for whole files, damaged ones too.
//
//	9  copy, restore, salvage, inspect: backup, copy, inspect, legacy_read, restore, salvage, standin
//	8  verify: finding, problem, verify*
//	7  open and write: open, write
//	6  one transaction: damage, hub, lease, membership, trust, tx
//	5  one snapshot: changes, charts, dump, members, scratch_view, snapshot
//	4  keep the state: home, keep, progress, state
//	3  make the state anew: rebuild, replay, replay_left, replay_spell
//	2  the tables of the state: apply*, graph, search, source, source_list, text, text_queue
//	2  what lies beside the file: relay, session
//	1  the file: identity, legacy, log, made, normalsql, private, schema, scratch
//	1  rows and errors: errors, noted, position, read, whom
package oplog
