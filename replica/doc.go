// Package replica is one process's door to one pipeline's database: the log of signed ops and the
// state that these give. Outlets use this package and nothing below it.
//
// [Replica.View] reads one snapshot of the state. Any number of Views run at once. A View waits for
// no writer and no writer waits for a View. A View shows every change that any process acknowledged
// before it began, and the changes that were submitted to this replica before. What a [View] says of
// the past is there, too: the history of a story, and what changed after a [Position].
//
// [Replica.Update] writes. Under the lock that all processes share, the caller decides on the fresh
// state, and the edits of a story become one signed op. The op's row and its effect on the state are
// one transaction, and the answer comes when that is on disk. Changes that wait together are
// committed together, in the order in which they were submitted. Each sees those before it.
//
// When storing fails nothing was acknowledged. What is on disk is settled before anything else is
// written, and the caller hears that the change was made, or that it was not. Only if that cannot be
// found out the caller hears that it may have been made. Of a group that failed each change is tried
// again by itself.
//
// [Replica.Watch] is a View that is repeated at each change, whoever makes the change. Package bell
// wakes those who watch. [Replica.Wait] returns when there is something after a position.
//
// [Replica.OpenSession] opens a [Session] for each client. The leases of a session's claims are
// renewed while the session is open, and end after a grace.
//
// [Replica.Import] takes in bundles from other replicas and [Replica.Export] makes them.
// [Replica.Admit], [Replica.OpsAfter] and [Replica.Missing] are the same for a relay, which moves ops
// as they come. [Replica.Trust] says whose ops are applied.
//
// # Files
//
// A file is opened when it is first needed. A project without a database has an empty pipeline, and
// nothing is created before the first write. Reading changes no file: the state of an older file,
// and of one that was moved or copied here, is made in memory until the first write.
//
// A database that cannot be opened is an error of each call, not of the process. Once it is mended
// the next call works. After the file was removed under a replica every call is an error that says
// so, until the file is back or the process is started anew. When another pipeline was put in the
// file's place, that is an error once, and the next call goes on with what is there. A backup that is
// put back is read from then on.
//
// A Replica is safe for concurrent use.
package replica
