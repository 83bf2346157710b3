package board

import "testing"

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "the lease is over": "The lease is over.", "Why?": "Why?", "limit.3_qa must be a number": "limit.3_qa must be a number.",
	} {
		if got := sentence(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
