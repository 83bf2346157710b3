package locate

import "testing"

func TestGitignoreCovers(t *testing.T) {
	const file = ".huskies/pipeline.db"
	for _, c := range []struct {
		gitignore string
		want      bool
	}{
		{"", false},
		{"*", true},
		{"pipeline.db*\n", true},
		{"# a comment\n.huskies/\r\n", true},
		{"/.huskies", true},
		{"**/.huskies/", true},
		{"*.db", true},
		{".huskies/*", true},
		{"/.huskies/pipeline.db*", true},
		{"pipeline.db/", false}, // folders only
		{"huskies", false},
		{"other/pipeline.db", false},
		{"!*.db", false},
		{"*\n!*", false},
		{"pipeline.db*\n!pipeline.db\n", false},
		{"*\n!.gitignore\n", true},
		{"*\n!*\npipeline.db*\n", true},
		{"[", false},
	} {
		if got, _ := covered(c.gitignore, file); got != c.want {
			t.Errorf("covered(%q): got %t, want %t", c.gitignore, got, c.want)
		}
	}
	if is, _ := covered("*.db", file+"-wal"); is {
		t.Error("*.db does not cover the -wal file")
	}
}
