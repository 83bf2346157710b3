//go:build linux

package oplog

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// someOps makes a log with two ops, which the WAL still has.
func someOps(t *testing.T, path string) []group {
	l := mustCreate(t, path) // closed when the test ends
	var before []group
	for _, name := range []string{"a", "b"} {
		op, signed := makeOp(t, faultKey, 1, name)
		check(t, write(l, func(tx *Tx) error { return appendOp(tx, op, signed) }))
		before = append(before, group{ops: []crdt.SignedOp{signed}})
	}
	return before
}

// olderSchema is someOps by an older build.
func olderSchema(version int) func(t *testing.T, path string) []group {
	return func(t *testing.T, path string) (before []group) {
		for _, name := range []string{"a", "b"} {
			_, signed := makeOp(t, faultKey, 1, name)
			before = append(before, group{ops: []crdt.SignedOp{signed}})
		}
		makeOlder(t, path, version, faultKey, before[0].ops[0], before[1].ops[0])
		return before
	}
}

// aBackup is someOps in a file that is not set to write-ahead logging.
func aBackup(t *testing.T, path string) []group {
	before := someOps(t, path+".from")
	execRaw(t, path+".from", "VACUUM INTO '"+path+"'")
	return before
}

// opsOfOthers is someOps and an op of an author about whom nobody has decided.
func opsOfOthers(t *testing.T, path string) []group {
	before := someOps(t, path)
	op, signed := makeOp(t, authorKey("bob"), 1, "of bob")
	check(t, write(mustCreate(t, path), func(tx *Tx) error { return appendOp(tx, op, signed) }))
	return append(before, group{ops: []crdt.SignedOp{signed}})
}

// damagedRow is someOps, of which the second has a damaged payload, as the state says.
func damagedRow(t *testing.T, path string) []group {
	before := someOps(t, path)
	execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	l := mustCreate(t, path)
	release, err := NewLock(path).Acquire(t.Context())
	check(t, err)
	defer release()
	check(t, l.Rebuild(t.Context()))
	before[1].damaged = true
	return before
}

// staleState is someOps in a file whose state does not fit the log.
func staleState(t *testing.T, path string) []group {
	before := someOps(t, path)
	execRaw(t, path, "UPDATE state SET arrival = 1; DELETE FROM stories")
	return before
}

// logFound is what one snapshot of a log shows.
type logFound struct {
	rows []SignedRow
	log  *Log // nil: the rows were read past the package
}

// lookAt reads all of a log.
func lookAt(l *Log) (found logFound, err error) {
	found.rows, err = readRows(l, 0)
	found.log = l
	return found, err
}

// has reports whether a change that is no op is there.
func (f *logFound) has(seen func(*Snapshot) (bool, error)) (there bool, err error) {
	err = f.log.View(context.Background(), func(s *Snapshot) (err error) { there, err = seen(s); return err })
	return there, err
}

// compare compares a log with what callers were told. What may be there is from now on
// what it was found to be.
func (c *faultCase) compare(found logFound) error {
	rows := found.rows
	for i := range c.groups {
		g := &c.groups[i]
		have := min(len(rows), len(g.ops))
		there := have == len(g.ops) && slices.EqualFunc(rows[:have], g.ops, func(row SignedRow, op crdt.SignedOp) bool {
			return row.ID == op.ID && row.Signature == op.Signature && (g.damaged || bytes.Equal(row.Payload, op.Payload))
		})
		if g.seen != nil && found.log == nil {
			continue
		}
		if g.seen != nil && g.there != not {
			var err error
			if there, err = found.has(g.seen); err != nil {
				return actionable(err)
			}
		}
		switch {
		case g.there == not:
			continue
		case there:
			g.there, rows = surely, rows[have:]
		case g.there == surely:
			return fmt.Errorf("write %d was acknowledged, or seen, and is not there", i)
		default:
			g.there = not
		}
	}
	if len(rows) > 0 {
		return fmt.Errorf("%d rows that nobody wrote, or half a write; the first is arrival %d, op %s", len(rows), rows[0].Arrival, rows[0].ID.Short())
	}
	return nil
}
