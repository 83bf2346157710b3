// Package phrase puts into words what the packages below report as codes and values, and what an op did
// to its story; and small things for a person: counts, sizes, lengths of time, words of a shell.
package phrase

import (
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/oplog"
)

// Count returns a number with its noun, which is one for 1 and more for any other number.
func Count(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

// Bytes returns a number of bytes with a fitting unit.
func Bytes(n int64) string {
	switch {
	case n < 1<<10:
		return Count(int(n), "byte", "bytes")
	case n < 1<<20:
		return fmt.Sprintf("%.0f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

// Word returns the text as one word of a line: in quotation marks unless it is plain.
func Word(s string) string {
	q := fmt.Sprintf("%+q", s)
	if s == "" || len(q) != len(s)+2 || strings.ContainsAny(s, " =") {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// Quoted returns a word as a shell takes it.
func Quoted(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+,:@%=", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// NameIt says how to use a database that the search for one does not use.
func NameIt(unused *locate.NotUsed) string {
	if unused.Link {
		return "to use the database that it leads to, give --db " + Quoted(unused.Path)
	}
	return "to use it all the same, give --db " + Quoted(unused.Path)
}

// EveryoneTrusted says whose ops are applied where the trust list is empty.
const EveryoneTrusted = "ops of any author are applied"

// Home says where a former key is at home, and whether it can sign there.
func Home(id oplog.Identity) string {
	text := "at " + id.Path
	if id.Elsewhere {
		text += " on another machine"
	}
	if id.Keyless {
		text += ", without its key here"
	}
	return text
}
