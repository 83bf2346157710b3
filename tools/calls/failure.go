package calls

import (
	"context"
	"strings"
	"sync"
	"unicode"

	"github.com/mark3labs/mcp-go/mcp"
)

// failure is the error that a handler wants its request to be answered with.
type failure struct {
	mu   sync.Mutex // guards all below
	code int        // 0: the code that mcp-go chooses
	text string     // "": the text that mcp-go chooses
}

// failureKey is the key under which a request's context holds its failure.
type failureKey struct{}

// FailWith sets the JSON-RPC code of the error that the request of ctx is answered with. mcp-go answers
// -32603 to every error of a resource's or a prompt's handler.
func FailWith(ctx context.Context, code int) {
	if f, ok := ctx.Value(failureKey{}).(*failure); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.code = code
	}
}

// FailSaying sets the text of the error that the request of ctx is answered with. The texts of mcp-go
// say what its code found, and not what the client can do.
func FailSaying(ctx context.Context, text string) {
	if f, ok := ctx.Value(failureKey{}).(*failure); ok {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.text = text
	}
}

// in puts the code and the text into an answer that is an error. The text may hold what the client
// sent, so the text is cut, and invisible characters are left out.
func (f *failure) in(answer mcp.JSONRPCMessage) mcp.JSONRPCMessage {
	refusal, isError := answer.(mcp.JSONRPCError)
	if !isError {
		return answer
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.code != 0 {
		refusal.Error.Code = f.code
	}
	if f.text != "" {
		refusal.Error.Message = f.text
	}
	refusal.Error.Message = printable(refusal.Error.Message)
	return refusal
}

// printable returns text without invisible characters, and without its middle if the text is longer
// than maxErrorText.
func printable(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsPrint(r):
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return -1
	}, text)
	if len(text) > maxErrorText {
		const half = maxErrorText / 2
		text = strings.ToValidUTF8(text[:half], "") + " ... " + strings.ToValidUTF8(text[len(text)-half:], "")
	}
	return text
}
