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
				got, err := l.Trusted(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
				if n, err := l.Epoch(t.Context()); err != nil || n/1_000_000 != int64(len(times)) {
					t.Errorf("%s: decision %d (%v), want %d", what, n, err, len(times))
				}
			}
		})
	}
}

// TestTrustIsWrittenWithTheOps: one transaction, one commit point; what it did
// is seen inside it, and is gone when it fails.
func TestTrustIsWrittenWithTheOps(t *testing.T) {
	l := mustCreate(t, filepath.Join(t.TempDir(), "p.db"))
	op, signed := makeOp(t, l.Key(), 1, "a")
	boom := errors.New("boom")
	for _, fails := range []error{boom, nil} {
		err := write(l, func(tx *Tx) error {
			if err := tx.Trust(ann, "ann"); err != nil {
				return err
			}
			if _, err := tx.Append(op, signed); err != nil {
				return err
			}
			if trusted, err := l.Trusted(t.Context()); err != nil || len(trusted) != 1 {
				t.Errorf("inside the write: got %v (%v), want ann", trusted, err)
			}
			if rows := readAll(t, l, 0); len(rows) != 1 {
				t.Errorf("inside the write: got rows %+v, want one", rows)
			}
			if epoch, err := l.Epoch(t.Context()); err != nil || epoch/1_000_000 != 1 {
				t.Errorf("inside the write: epoch %d (%v), want 1", epoch, err)
			}
			return fails
		})
		if !errors.Is(err, fails) {
			t.Fatalf("got %v, want %v", err, fails)
		}
		want := 1
		if fails != nil {
			want = 0
		}
		trusted, err := l.Trusted(t.Context())
		if n := len(readAll(t, l, 0)); err != nil || len(trusted) != want || n != want {
			t.Errorf("after a write that returned %v: %d trusted (%v), %d ops, want %d of each", fails, len(trusted), err, n, want)
		}
	}
}

// TestDecisionsOfOthers: a process hears of a decision that another process made,
// though the log has nothing new.
func TestDecisionsOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	a, b := mustCreate(t, path), mustCreate(t, path)
	appendOps(t, a, "a", "b")
	for want := range int64(3) {
		if epoch, err := b.Epoch(t.Context()); err != nil || epoch/1_000_000 != want {
			t.Errorf("epoch %d (%v), want %d", epoch, err, want)
		}
		if err := write(a, func(tx *Tx) error { return tx.Trust(ann, "") }); err != nil {
			t.Fatal(err)
		}
	}
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
	if n, err := l.Epoch(t.Context()); err != nil || n != 0 {
		t.Errorf("decision %d (%v), want 0", n, err)
	}
}
