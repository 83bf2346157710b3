package dbfile

import "testing"

// TestURL: a path of any system is a path in the URI, never an authority or an option.
func TestURL(t *testing.T) {
	for path, want := range map[string]string{
		"/a/p.db":          "file:///a/p.db?x",
		"C:/a b/p.db":      "file:///C:/a%20b/p.db?x",
		"//server/share/p": "file:////server/share/p?x",
		"/50%off/#/?/\t/p": "file:///50%25off/%23/%3F/%09/p?x",
	} {
		if got := URL(path, "x"); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}
