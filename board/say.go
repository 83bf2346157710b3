package board

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// refusal says to a person why something was not done, and what can be done about it.
type refusal struct {
	Problem string `json:"error"`
	Next    string `json:"next,omitempty"`
	Code    string `json:"code,omitempty"`
	// Holder and Rev come with the code held: the agent from which the story can be taken, and the state of the
	// story that the person then has seen.
	Holder string `json:"holder,omitempty"`
	Rev    string `json:"rev,omitempty"`
	// Theirs is what somebody else wrote meanwhile, with the code conflict, and Was its fingerprint. Field is
	// the name of the field.
	Theirs string `json:"theirs,omitempty"`
	Was    string `json:"was,omitempty"`
	Field  string `json:"field,omitempty"`
	status int
}

// Error is that of an error.
func (r *refusal) Error() string { return r.Problem }

// nexts says for a person at a board what can be done about a refusal, and by which status of HTTP it is told.
var nexts = map[pipeline.Kind]struct {
	status int
	next   string
}{
	pipeline.KindInvalid:  {http.StatusUnprocessableEntity, "Change what you gave, and try again."},
	pipeline.KindNotFound: {http.StatusNotFound, "The board shows what there is."},
	pipeline.KindDeleted:  {http.StatusGone, "You can restore it."},
	pipeline.KindConflict: {http.StatusConflict, "Look at it as it is now, and decide again."},
	pipeline.KindLimit:    {http.StatusConflict, "Start a new pipeline."},
	pipeline.KindHeld:     {http.StatusConflict, "You can leave it to that agent, add a note or block it, or take it."},
	pipeline.KindStale:    {http.StatusConflict, "Look at it as it is now, and decide again."},
	pipeline.KindNotNow:   {http.StatusConflict, "Settle that first."},
}

// nextOf returns what can be done about a refusal.
func nextOf(e *pipeline.Error) string {
	switch e.Code {
	case pipeline.CodeStaysBlocked, pipeline.CodeBlocked:
		return "Unblock it first."
	case pipeline.CodeCircle, pipeline.CodeRestoreCircle:
		return sentence(phrase.OpenCircle(e.IDs))
	case pipeline.CodeTooLong:
		return "Shorten it."
	case pipeline.CodeEmptyNote:
		return "Say something."
	case pipeline.CodeInStage:
		return "Choose another stage, or release it."
	}
	return nexts[e.Kind()].next
}

// say words an error for a person.
func (b *Board) say(err error) refusal {
	var refused *refusal
	var rule *pipeline.Error
	var storage *oplog.Error
	switch {
	case errors.As(err, &refused):
		return *refused
	case errors.As(err, &rule):
		return refusal{Problem: sentence(phrase.Fact(&rule.Fact)), Next: nextOf(rule), Code: string(rule.Kind()), status: nexts[rule.Kind()].status}
	case errors.As(err, &storage):
		return refusal{Problem: sentence(err.Error()), Next: sentence(phrase.WhatToDo(storage)), Code: "storage", status: http.StatusServiceUnavailable}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return refusal{Problem: "The board is being closed.", Next: "Start it again.", Code: "closed", status: http.StatusServiceUnavailable}
	}
	b.cfg.Logger.Error("the board met an error", "error", err)
	return refusal{Problem: sentence(err.Error()), Next: "Try again. If it stays, huskies-mcp doctor looks for the cause.", status: http.StatusInternalServerError}
}

// sentence returns a text as a sentence of its own. A name such as limit.3_qa stays as it is.
func sentence(text string) string {
	text = phrase.Line(text)
	if text == "" {
		return ""
	}
	word, _, _ := strings.Cut(text, " ")
	if first := text[0]; first >= 'a' && first <= 'z' && !strings.Contains(word, "_") {
		text = string(first-'a'+'A') + text[1:]
	}
	if last := text[len(text)-1]; last != '.' && last != '!' && last != '?' {
		text += "."
	}
	return text
}

// warnings says to a person what the rules of the pipeline warn of.
func warnings(facts []pipeline.Fact) (texts []string) {
	for _, w := range phrase.Warnings(troubling(facts)) {
		texts = append(texts, sentence(w))
	}
	return texts
}

// missing says which changes are known to be missing, "" if none are.
func missing(g pipeline.Gaps) string {
	if !g.Any() {
		return ""
	}
	return sentence("stories may be missing or out of date: " + phrase.Missing(g, ""))
}

// fail answers a page that cannot be read.
func (b *Board) fail(w http.ResponseWriter, err error) {
	said := b.say(err)
	b.refuse(w, said.status, said.Problem, said.Next)
}
