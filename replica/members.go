package replica

import (
	"context"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/oplog"
)

// Members returns the members of the pipeline. It is nil if this replica follows no root, so that it decides for
// itself whom to trust. Authors are those of the ops that are here, with how many are held.
func (r *Replica) Members(ctx context.Context) (is *members.Members, authors []AuthorOps, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		if is, err = snap.Members(); err != nil {
			return err
		}
		counts, err := snap.HeldByAuthor()
		authors = nil
		for _, c := range counts {
			authors = append(authors, AuthorOps{Author: c.Author, Ops: c.Ops, Held: c.Held})
		}
		return err
	})
	return is, authors, err
}

// ForgetMembers makes people here decide again whose ops count.
func (r *Replica) ForgetMembers(ctx context.Context) error {
	return r.decide(ctx, func(tx *oplog.Tx) error { return tx.Follow(crdt.Author{}) })
}

// FollowHub makes members decide whose ops count, by the word of the root of the hub that the replica is joined to under
// a name. It does so if this replica is one of them by now: a hub may be of an older build, which says nothing of members.
func (r *Replica) FollowHub(ctx context.Context, name string, root crdt.Author) error {
	return r.locked(ctx, func(log *oplog.Log) error {
		return log.Write(ctx, func(tx *oplog.Tx) error {
			if err := tx.AtHub(name); err != nil {
				return err
			}
			return r.follow(log, tx, root)
		})
	})
}

// follow is FollowHub in a transaction. An admin's replica takes along the authors whose ops counted here: it adds those
// of whom nothing is said, up to their heads, so that the stories stay as they are.
func (r *Replica) follow(log *oplog.Log, tx *oplog.Tx, root crdt.Author) error {
	before, err := tx.Root()
	if err != nil || before == root {
		return err
	}
	is, err := tx.MembersBy(root)
	if err != nil {
		return err
	}
	own := is.Of(log.Author())
	if own == nil || !own.Member {
		return nil
	}
	var changes []members.Change
	if own.Admin {
		if changes, err = takeAlong(tx, is); err != nil {
			return err
		}
	}
	if err := tx.Follow(root); err != nil {
		return err
	}
	return r.sayMembers(log, tx, changes)
}

// takeAlong returns what adds the authors whose ops count here and of whom nothing is said, up to their heads.
func takeAlong(tx *oplog.Tx, is *members.Members) (changes []members.Change, err error) {
	counting, err := tx.Counting()
	if err != nil {
		return nil, err
	}
	counting = slices.DeleteFunc(counting, func(a crdt.Author) bool { return a == is.Root() || is.Of(a) != nil })
	if len(counting) == 0 {
		return nil, nil
	}
	heads, err := tx.HeadsOf(counting...)
	for i, a := range counting {
		if err == nil {
			changes = append(changes, members.Change{Author: a}, members.Change{Author: a, Remove: true, Heads: heads[i]})
		}
	}
	return changes, err
}

// ChangeMembers signs and stores ops about members. Plan says what they change, on the members as they are now, nil if
// this replica follows no root. It may ask for the heads of an author's ops. Without a change nothing is written.
func (r *Replica) ChangeMembers(ctx context.Context, plan func(is *members.Members, headsOf func(crdt.Author) ([]crdt.OpID, error)) ([]members.Change, error)) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	return r.locked(ctx, func(log *oplog.Log) error {
		return log.Write(ctx, func(tx *oplog.Tx) error {
			is, err := tx.Members()
			if err != nil {
				return err
			}
			changes, err := plan(is, func(a crdt.Author) ([]crdt.OpID, error) {
				heads, err := tx.HeadsOf(a)
				if err != nil {
					return nil, err
				}
				return heads[0], nil
			})
			if err != nil {
				return err
			}
			return r.sayMembers(log, tx, changes)
		})
	})
}

// sayMembers appends ops about members. Each has as many changes as fit into it.
func (r *Replica) sayMembers(log *oplog.Log, tx *oplog.Tx, changes []members.Change) error {
	for len(changes) > 0 {
		n := members.Fit(changes)
		op := &crdt.Op{Story: members.Story, At: max(0, r.cfg.Now().UnixMilli())}
		for i := range changes[:n] {
			op.Edits = append(op.Edits, changes[i].Edit())
		}
		changes = changes[n:]
		var err error
		if op.Parents, op.Seq, err = tx.NextOfMembers(); err != nil {
			return err
		}
		signed, err := crdt.Sign(op, log.Key())
		if err == nil {
			_, _, err = tx.Append(op, signed)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
