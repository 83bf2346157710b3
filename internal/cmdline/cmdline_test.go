package cmdline

import (
	"errors"
	"io"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// TestErrors: what is wrong with a command line is said in words that name what to give.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"remove"}, "the arguments are missing: use it remove DIR MEMBER"},
		{[]string{"remove", "a"}, "1 argument is too few: use it remove DIR MEMBER"},
		{[]string{"remove", "a", ""}, "argument 2 is empty: use it remove DIR MEMBER"},
		{[]string{"remove", "a", "b", "c"}, `3 arguments are too many, from "c" on: use it remove DIR MEMBER`},
		{[]string{"put", "a", "b", "c"}, `3 arguments are too many, from "b" on: use it put [FILE]`},
		{[]string{"put", "--limit", "foo"}, `--limit must be a whole number; got "foo": see it put --help`},
		{[]string{"put", "--limit", "99999999999999999999"}, `--limit must be a smaller number; got "99999999999999999999": see it put --help`},
		{[]string{"put", "-n", "1.5"}, `-n or --last must be a whole number; got "1.5": see it put --help`},
		{[]string{"put", "--json=maybe"}, `--json must be true or false; got "maybe": see it put --help`},
		{[]string{"put", "--for", "2y"}, `--for must be a duration such as 30s, 2h, 3d or 1w; got "2y": see it put --help`},
		{[]string{"put", "--nope"}, "unknown flag: --nope: see it put --help"},
		{[]string{"put", "--json", "--md"}, "--json and --md do not go together: give one of them"},
	} {
		err := run(tt.args, nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.args, err, tt.want)
		}
	}
}

func TestDuration(t *testing.T) {
	var lasts Duration
	if err := run([]string{"put", "--for", "2d"}, &lasts); err != nil || time.Duration(lasts) != 48*time.Hour {
		t.Errorf("got %v, %v", lasts, err)
	}
	if got := lasts.String(); got != "48h" {
		t.Errorf("it is written %s", got)
	}
}

func run(args []string, lasts *Duration) error {
	if lasts == nil {
		lasts = new(Duration)
	}
	done := func(*cobra.Command, []string) error { return nil }
	cmd := &cobra.Command{Use: "it", SilenceErrors: true, SilenceUsage: true}
	cmd.SetFlagErrorFunc(FlagError)
	put := &cobra.Command{Use: "put [FILE]", Args: AtMost(1), RunE: done}
	put.Flags().Int("limit", 0, "")
	put.Flags().IntP("last", "n", 0, "")
	put.Flags().Bool("json", false, "")
	put.Flags().Bool("md", false, "")
	put.MarkFlagsMutuallyExclusive("json", "md")
	put.Flags().Var(lasts, "for", "")
	cmd.AddCommand(put, &cobra.Command{Use: "remove DIR MEMBER", Args: Exactly(2), RunE: done})
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	if err := cmd.Execute(); err != nil {
		return errors.New(FlagsApart(err).Error())
	}
	return nil
}
