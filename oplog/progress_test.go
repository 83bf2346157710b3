package oplog

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestRebuildComesOn shows that a rebuild tells how far it has come while it reads the log, and
// also while it writes the tables.
func TestRebuildComesOn(t *testing.T) {
	const ops = 600
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	if err := write(l, func(tx *Tx) error {
		for n := range ops {
			if _, err := appendNext(l, tx, fmt.Sprint(n)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var told []int64
	l.cfg.Progress = func(rows, of int64) {
		if of != ops {
			t.Errorf("told of %d rows, want %d", of, ops)
		}
		told = append(told, rows)
	}
	if err := l.Rebuild(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(told) || told[0] > ops/2 || told[len(told)-1] <= ops/2 || told[len(told)-1] > ops {
		t.Errorf("told %d, want rows from the first half and then from the second", told)
	}
}
