// Package members says which authors are members of a pipeline, by signed ops alone. It is
// pure: the same ops give the same members on every machine, in whatever order they came.
//
// # The ops
//
// A change of the members is an edit of an op on the reserved story [Story]. It adds an author, as
// a plain member or as an admin, or removes one and names the heads of that author which still
// count, see [Change]. An op on that story counts only if all its parents are such ops too. So
// the members can be read before everything else.
//
// # The rule
//
// The root key, which stands in every invitation, is no member. What it says always counts.
// Everybody else needs an office: an author that somebody adds as an admin has the rank of the one
// who adds it + 1, and root has rank 0. An author who was added as an admin several times has the
// lowest of these ranks. Of two admins of one rank the one with the earlier adding op is senior: by
// seq, then author, then op ID.
//
// What is said about an author counts only from its seniors, which for a plain member are all
// admins. Besides, each author may remove itself. So [Decide] goes through the admins in the
// order of their offices: what counts of one depends on its seniors alone. Two admins who remove
// each other leave the senior one.
//
// An admin's op counts if an op that adds it as an admin is among the op's ancestors, without a removal
// between the two. It must also pass each removal of the admin. It does if it is one of the heads that the
// removal names, or an ancestor of one, or if it descends from an op that adds the admin again.
//
// An author is a member if somebody has added it, and if from each removal of it descends an op that
// adds it again. So a removal wins over what was said at the same time. If it is no member any
// more, the ops count that all of these removals leave: those that are heads or ancestors of heads
// of each. Who was never added has no op that counts.
package members
