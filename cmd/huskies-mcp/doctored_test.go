package main

import (
	"testing"

	"github.com/anishathalye/porcupine"
)

// The calls and answers of the doctored histories.
var (
	create   = storyCall{Tool: "write_item", Story: "1_s", Stage: ptr("1_backlog"), Name: ptr("a")}
	rename   = storyCall{Tool: "write_item", Story: "1_s", Name: ptr("b"), Agent: ptr("x")}
	bump     = storyCall{Tool: "bump_retry", Story: "1_s", By: 1}
	read     = storyCall{Tool: "read_item", Story: "1_s"}
	listing  = storyCall{Tool: "list_items", Story: "1_s"}
	claimOn1 = storyCall{Tool: "write_item", Story: "1_s", Agent: ptr("me"), IfRev: "r1"}
	claimToo = storyCall{Tool: "write_item", Story: "1_s", Agent: ptr("you"), IfRev: "r1"}

	unanswered = storyAnswer{Unanswered: true}
	notThere   = storyAnswer{Refused: absent}
)

// shownAs returns an answer with the story 1_s, and created with created set.
func shownAs(rev, name, agent string, retries int) storyAnswer {
	return storyAnswer{Item: shownItem{StoryID: "1_s", Stage: "1_backlog", Name: name, Agent: agent, RetryCount: retries, Ready: agent == "", Rev: rev}}
}

func created(rev, name string) storyAnswer {
	a := shownAs(rev, name, "", 0)
	a.Created = true
	return a
}

func conflict(a storyAnswer) storyAnswer {
	a.Refused = movedOn
	return a
}

func op(call, end int64, in storyCall, out storyAnswer) porcupine.Operation {
	return porcupine.Operation{Input: in, Output: out, Call: call, Return: end}
}

// made creates the story in most of the doctored histories.
var made = op(1, 2, create, created("r1", "a"))

// doctored are histories as they can be, and as they cannot.
var doctored = []struct {
	name    string
	want    porcupine.CheckResult
	history []porcupine.Operation
}{
	{"one after the other", porcupine.Ok, []porcupine.Operation{
		op(0, 0, read, notThere), made, op(3, 4, rename, shownAs("r2", "b", "x", 0)), op(5, 6, bump, shownAs("r3", "b", "x", 1)),
		op(7, 8, claimOn1, conflict(shownAs("r3", "b", "x", 1))), op(9, 10, listing, shownAs("r3", "b", "x", 1)),
	}},
	{"a lost write", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, rename, shownAs("r2", "b", "x", 0)), op(5, 6, read, shownAs("r1", "a", "", 0)),
	}},
	{"a lost creation", porcupine.Illegal, []porcupine.Operation{made, op(3, 4, read, notThere)}},
	{"a stale read in the list", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, rename, shownAs("r2", "b", "x", 0)), op(5, 6, listing, shownAs("r1", "a", "", 0)),
	}},
	{"a read at the same time may be old", porcupine.Ok, []porcupine.Operation{
		made, op(3, 6, rename, shownAs("r2", "b", "x", 0)), op(4, 5, listing, shownAs("r1", "a", "", 0)),
	}},
	{"but not after a new one", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 9, rename, shownAs("r2", "b", "x", 0)), op(4, 5, read, shownAs("r2", "b", "x", 0)), op(6, 7, read, shownAs("r1", "a", "", 0)),
	}},
	{"one of two wins", porcupine.Ok, []porcupine.Operation{
		made, op(3, 5, claimOn1, conflict(shownAs("r2", "a", "you", 0))), op(4, 6, claimToo, shownAs("r2", "a", "you", 0)),
	}},
	{"a double win", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 5, claimOn1, shownAs("r2", "a", "me", 0)), op(4, 6, claimToo, shownAs("r3", "a", "you", 0)),
	}},
	{"nobody wins", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 5, claimOn1, conflict(shownAs("r1", "a", "", 0))), op(4, 6, claimToo, conflict(shownAs("r1", "a", "", 0))),
	}},
	{"an acknowledged bump that is missing", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 5, bump, shownAs("r2", "a", "", 1)), op(4, 6, bump, shownAs("r3", "a", "", 1)),
	}},
	{"an acknowledged bump that nobody saw", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 5, bump, shownAs("r2", "a", "", 1)), op(6, 7, rename, shownAs("r3", "b", "x", 0)),
	}},
	{"a change without a new rev", porcupine.Illegal, []porcupine.Operation{made, op(3, 4, bump, shownAs("r1", "a", "", 1))}},
	{"a new rev without a change", porcupine.Illegal, []porcupine.Operation{made, op(3, 4, read, shownAs("r2", "a", "", 0))}},
	{"an unanswered write is there", porcupine.Ok, []porcupine.Operation{
		made, op(3, 4, rename, unanswered), op(5, 6, read, shownAs("r2", "b", "x", 0)), op(7, 8, read, shownAs("r2", "b", "x", 0)),
	}},
	{"an unanswered write is not there", porcupine.Ok, []porcupine.Operation{
		made, op(3, 4, rename, unanswered), op(5, 6, read, shownAs("r1", "a", "", 0)),
	}},
	{"half an unanswered write is there", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, rename, unanswered), op(5, 6, read, shownAs("r2", "b", "", 0)),
	}},
	{"an unanswered write comes and goes", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, rename, unanswered), op(5, 6, read, shownAs("r2", "b", "x", 0)), op(7, 8, read, shownAs("r1", "a", "", 0)),
	}},
	{"an unanswered write comes when its process is long dead", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, rename, unanswered), op(5, 6, read, shownAs("r1", "a", "", 0)), op(7, 8, read, shownAs("r2", "b", "x", 0)),
	}},
	{"an unanswered bump counts twice", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, bump, unanswered), op(5, 6, read, shownAs("r2", "a", "", 2)),
	}},
	{"an unanswered claim won", porcupine.Ok, []porcupine.Operation{
		made, op(3, 4, claimOn1, unanswered), op(5, 6, claimToo, conflict(shownAs("r2", "a", "me", 0))),
	}},
	{"an unanswered claim and another won", porcupine.Illegal, []porcupine.Operation{
		made, op(3, 4, claimOn1, unanswered), op(5, 6, claimToo, shownAs("r3", "a", "you", 0)), op(7, 8, read, shownAs("r2", "a", "me", 0)),
	}},
	{"another story is another history", porcupine.Ok, []porcupine.Operation{
		made, op(3, 4, storyCall{Tool: "read_item", Story: "2_s"}, notThere),
	}},
}

// TestStoryModelSeesFaults: the model of TestLinearizable takes what can be and refuses each kind of fault that it is
// there to find.
func TestStoryModelSeesFaults(t *testing.T) {
	for _, tt := range doctored {
		t.Run(tt.name, func(t *testing.T) {
			if got := porcupine.CheckOperationsTimeout(storyModel(), tt.history, hangGuard); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
