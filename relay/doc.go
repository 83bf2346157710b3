// Package relay exchanges the ops of one database with a hub, so that machines share a pipeline.
//
// The hub is a NATS server with JetStream. It keeps a stream of signed ops, and it decides nothing: the
// database of each machine is the truth there, and the hub is a memory between them. An op that is in a
// database and not known to be on the hub stands in the outbox, which is part of the database. What came from the
// hub is admitted as ops from anywhere are, see [replica.Replica.Admit].
//
// One process of a machine runs the [Relay], elected by a lock. A connection is one life of it: [Relay.connect]
// compares the hub with what is known of it, reads the stream to its end, and only then sends. When the
// connection ends all of that begins anew, so nothing is believed that was learned before. An op may come, or
// be sent, more than once, and has one effect.
//
// A [Joining] asks a hub to admit this replica, with an [Invitation].
package relay
