package oplog

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamageThatReadersFind shows that a row which rotted after its op was applied is an exception
// as soon as something is written after somebody read the row. Its edits stay in the state, and the
// rebuild that loses them names the op and makes a copy first.
func TestDamageThatReadersFind(t *testing.T) {
	for name, read := range map[string]func(*Snapshot) error{
		"rows": func(s *Snapshot) error { return s.Rows(0, func(SignedRow) error { return nil }) },
		"history": func(s *Snapshot) error {
			return s.History("1_s", 0, func(SignedRow) (bool, error) { return true, nil })
		},
		"changes": func(s *Snapshot) error {
			ok, err := s.Changes(Position{}, func(Change) bool { return true })
			if err == nil && !ok {
				err = errors.New("the changes are not known")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			var logged bytes.Buffer
			cfg := testConfig(t, path)
			cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			l, err := Create(t.Context(), cfg)
			check(t, err)
			defer l.Close()
			appendOps(t, l, "one", "two", "three")
			damaged := func() (arrivals []int64) {
				check(t, l.View(t.Context(), func(s *Snapshot) error {
					return s.Exceptions(Assumed, func(e Exception) error {
						arrivals = append(arrivals, e.Arrival)
						return nil
					})
				}))
				return arrivals
			}
			execRaw(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
			appendOps(t, l, "four")
			if got := damaged(); len(got) != 0 {
				t.Errorf("rows %v are exceptions before anybody read them", got)
			}
			check(t, l.View(t.Context(), read))
			appendOps(t, l, "five")
			if got := damaged(); len(got) != 1 || got[0] != 2 {
				t.Fatalf("got exceptions %v, want row 2", got)
			}
			check(t, l.View(t.Context(), read)) // it is an exception once, whoever reads it again
			appendOps(t, l, "six")
			check(t, l.View(t.Context(), func(s *Snapshot) error {
				gaps, err := s.Source().Gaps()
				if err == nil && gaps.Damaged != 1 {
					t.Errorf("the pipeline says that %d ops are damaged, want 1", gaps.Damaged)
				}
				return err
			}))
			check(t, l.Rebuild(t.Context()))
			copies, err := filepath.Glob(path + ".before-rebuild-*")
			if err != nil || len(copies) != 1 || !strings.Contains(logged.String(), "the rebuild loses their edits") {
				t.Errorf("got copies %v, %v, and the log %s", copies, err, &logged)
			}
		})
	}
}
