package oplog

import "strings"

// normalSQL returns a statement with one blank wherever it has blanks or comments, and none beside
// punctuation. Text in quotation marks stays as it is. Two statements that give the same have the
// same tokens (https://sqlite.org/lang_comment.html, tokenize.c).
func normalSQL(statement string) string {
	var b strings.Builder
	gap := false
	for len(statement) > 0 {
		if n := gapLength(statement); n > 0 {
			gap, statement = true, statement[n:]
			continue
		}
		n := tokenLength(statement)
		if gap && b.Len() > 0 && !isPunctuation(statement[0]) && !isPunctuation(b.String()[b.Len()-1]) {
			b.WriteByte(' ')
		}
		b.WriteString(statement[:n])
		gap, statement = false, statement[n:]
	}
	return b.String()
}

// gapLength returns how many bytes at the beginning are a blank or a comment.
func gapLength(s string) int {
	switch {
	case strings.IndexByte(" \t\n\f\r", s[0]) >= 0:
		return 1
	case strings.HasPrefix(s, "--"):
		if end := strings.IndexByte(s, '\n'); end >= 0 {
			return end + 1
		}
		return len(s)
	case strings.HasPrefix(s, "/*") && len(s) > 2:
		if end := strings.Index(s[2:], "*/"); end >= 0 {
			return 2 + end + 2
		}
		return len(s)
	}
	return 0
}

// tokenLength returns how many bytes at the beginning stand for themselves: what is in quotation
// marks, or one byte.
func tokenLength(s string) int {
	end := s[0]
	switch s[0] {
	case '\'', '"', '`':
	case '[':
		end = ']'
	default:
		return 1
	}
	for i := 1; i < len(s); i++ {
		if s[i] != end {
			continue
		}
		if end != ']' && i+1 < len(s) && s[i+1] == end { // twice: it stands for itself
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

func isPunctuation(c byte) bool { return strings.IndexByte("(),;", c) >= 0 }
