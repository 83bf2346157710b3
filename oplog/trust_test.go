package oplog

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/huskies/huskies-mcp/crdt"
)

var (
	ann = crdt.Author{1, 31: 1}
	bob = crdt.Author{2, 31: 2}
)

// TestTrust: the last decision of an author counts, and the decisions' order
// is the order of the answer.
func TestTrust(t *testing.T) {
	type decision struct {
		author crdt.Author
		name   string
		trust  bool
	}
	long := strings.Repeat("é", MaxAuthorName/2)
	for name, test := range map[string]struct {
		decisions []decision
		want      []TrustedAuthor // Since: the number of the decision
	}{
		"nobody":         {},
		"one":            {[]decision{{ann, "ann's laptop", true}}, []TrustedAuthor{{ann, "ann's laptop", 1}}},
		"no name":        {[]decision{{ann, "", true}}, []TrustedAuthor{{ann, "", 1}}},
		"a long name":    {[]decision{{ann, long, true}}, []TrustedAuthor{{ann, long, 1}}},
		"an odd name":    {[]decision{{ann, "a\x00'\n", true}}, []TrustedAuthor{{ann, "a\x00'\n", 1}}},
		"in order":       {[]decision{{bob, "b", true}, {ann, "a", true}}, []TrustedAuthor{{bob, "b", 1}, {ann, "a", 2}}},
		"another name":   {[]decision{{ann, "a", true}, {bob, "b", true}, {ann, "A", true}}, []TrustedAuthor{{bob, "b", 2}, {ann, "A", 3}}},
		"no more":        {[]decision{{ann, "a", true}, {bob, "b", true}, {ann, "", false}}, []TrustedAuthor{{bob, "b", 2}}},
		"again":          {[]decision{{ann, "a", true}, {ann, "", false}, {ann, "a", true}}, []TrustedAuthor{{ann, "a", 3}}},
		"never trusted":  {[]decision{{ann, "", false}}, nil},
		"distrust twice": {[]decision{{ann, "a", true}, {ann, "", false}, {ann, "", false}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "p.db")
			cfg := testConfig(t, path)
			l, err := create(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			var times []int64
			for _, d := range test.decisions {
				times = append(times, cfg.Now().UnixMilli()+1000) // what the clock says next
				if err := write(l, func(tx *Tx) error {
					if !d.trust {
						return tx.Distrust(d.author)
					}
					return tx.Trust(d.author, d.name)
				}); err != nil {
					t.Fatal(err)
				}
			}
			want := []TrustedAuthor{}
			for _, w := range test.want {
				w.Since = times[w.Since-1]
				want = append(want, w)
			}
			for what, l := range map[string]*Log{"writer": l, "another process": mustCreate(t, path)} {
				if diff := cmp.Diff(want, trusted(t, l)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
				checkState(t, l)
			}
		})
	}
}

func trusted(t *testing.T, l *Log) (all []TrustedAuthor) {
	t.Helper()
	view(t, l, func(s *Snapshot) (err error) { all, err = s.Trusted(); return err })
	return all
}

// TestTrustIsWrittenWithTheOps shows that a decision holds for what is appended behind it
// in the same transaction, and that both are gone when the transaction fails.
func TestTrustIsWrittenWithTheOps(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	annKey, bobKey := authorKey("ann"), authorKey("bob")
	boom := errors.New("boom")
	for _, fails := range []error{boom, nil} {
		err := write(l, func(tx *Tx) error {
			if err := tx.Trust(crdt.AuthorOf(annKey), "ann"); err != nil {
				return err
			}
			for _, want := range []Kind{Applied, Held} {
				op, signed := makeOp(t, annKey, 1, "of ann")
				if want == Held {
					op, signed = makeOp(t, bobKey, 1, "of bob")
				}
				if _, kind, err := tx.Append(op, signed); err != nil || kind != want {
					t.Errorf("got %v (%v), want %v", kind, err, want)
				}
			}
			return fails
		})
		if !errors.Is(err, fails) {
			t.Fatalf("got %v, want %v", err, fails)
		}
		decisions, ops := 1, 2
		if fails != nil {
			decisions, ops = 0, 0
		}
		if d, n := len(trusted(t, l)), len(readAll(t, l, 0)); d != decisions || n != ops {
			t.Errorf("after a write that returned %v: %d trusted, %d ops, want %d and %d", fails, d, n, decisions, ops)
		}
		checkState(t, l)
	}
}

// TestDecisionsOfOthers shows that a process hears of a decision that another process
// made. The state gets another ID when the decision is about an author of ops in the
// log, and keeps its ID otherwise.
func TestDecisionsOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	a, b := mustCreate(t, path), mustCreate(t, path)
	appendOps(t, a, "a", "b")
	ann, bob := authorKey("ann"), authorKey("bob")
	op, signed := makeOp(t, bob, 1, "of bob")
	check(t, write(a, func(tx *Tx) error { return appendOp(tx, op, signed) }))
	for i, step := range []struct {
		decide func(tx *Tx) error
		anew   bool
		held   int
	}{
		{func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(ann), "") }, true, 1}, // from now on bob is not trusted
		{func(tx *Tx) error { return tx.Distrust(crdt.AuthorOf(bob)) }, false, 1},
		{func(tx *Tx) error { return tx.Trust(crdt.AuthorOf(bob), "") }, true, 0},
		{func(tx *Tx) error { return tx.Distrust(crdt.AuthorOf(ann)) }, false, 0},
		{func(tx *Tx) error { return tx.Trust(a.Author(), "") }, false, 0},
		{func(tx *Tx) error { return tx.Distrust(crdt.AuthorOf(bob)) }, true, 1},
	} {
		before := position(t, b)
		check(t, write(a, step.decide))
		after := position(t, b)
		if anew := before.State != after.State; anew != step.anew || before.Arrival != after.Arrival {
			t.Errorf("decision %d: the position was %v and is %v, want another state: %t", i, before, after, step.anew)
		}
		view(t, b, func(s *Snapshot) error {
			if n, err := s.Count(Held); err != nil || n != step.held {
				t.Errorf("decision %d: %d held (%v), want %d", i, n, err, step.held)
			}
			return nil
		})
		checkState(t, b)
	}
}

func position(t *testing.T, l *Log) (p Position) {
	t.Helper()
	view(t, l, func(s *Snapshot) error { p = s.Position(); return nil })
	return p
}

// TestTrustRefusesNames that the table would not hold, in plain words.
func TestTrustRefusesNames(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	for name, says := range map[string]string{
		strings.Repeat("x", MaxAuthorName+1): "the name has 129 bytes, want at most 128",
		"\xff":                               "the name is not UTF-8 text",
	} {
		err := write(l, func(tx *Tx) error { return tx.Trust(ann, name) })
		var broken *Error
		if err == nil || !strings.Contains(err.Error(), says) || errors.As(err, &broken) {
			t.Errorf("%q: got %v, want an error of the caller that says %q", name, err, says)
		}
	}
	if got := trusted(t, l); len(got) != 0 {
		t.Errorf("trusts %v, want nobody", got)
	}
}
