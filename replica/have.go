package replica

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
)

// maxNewest bounds the authors of whom [Have] names the newest op: a team, not all machines of a year.
const maxNewest = 32

// Have is what a replica has, as it tells another one, so that the other sends little of that.
type Have struct {
	// Known has all ops of the log.
	Known map[crdt.OpID]bool
	// Since are ops to leave out of an export elsewhere, with all they build on. The heads alone are no
	// help to a replica that has not seen them. So there are older ops, too: the newest of each author,
	// and those that arrived 1, 2, 4, 8 and so on ops ago.
	Since []crdt.OpID
}

// Have returns what this replica has. It reads all rows. With damaged ones the error is ErrIncomplete.
func (r *Replica) Have(ctx context.Context) (have Have, err error) {
	err = r.snapshotIfThere(ctx, func(snap *oplog.Snapshot) error {
		have = Have{Known: map[crdt.OpID]bool{}}
		var order []crdt.OpID
		newest := map[crdt.Author]crdt.OpID{}
		err := snap.Rows(0, func(row oplog.SignedRow) error {
			op := row.Op
			if op == nil {
				return ErrIncomplete
			}
			have.Known[op.ID] = true
			order = append(order, op.ID)
			if _, known := newest[op.Author]; known || len(newest) < maxNewest {
				newest[op.Author] = op.ID
			}
			return nil
		})
		if err != nil {
			return err
		}
		since := slices.Collect(maps.Values(newest))
		for ago := 1; ago <= len(order); ago *= 2 {
			since = append(since, order[len(order)-ago])
		}
		have.Since, err = snap.Heads()
		for _, id := range since {
			// An op whose parents are not here must not stand for them.
			kind, _, there, kindErr := snap.KindOf(id)
			if there && (kind == oplog.Applied || kind == oplog.Held) {
				have.Since = append(have.Since, id)
			}
			err = cmp.Or(err, kindErr)
		}
		slices.SortFunc(have.Since, crdt.OpID.Compare)
		have.Since = slices.Compact(have.Since)
		return err
	})
	return have, err
}
