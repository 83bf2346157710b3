package pipeline

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// ClaimEnd says how a claim ended.
type ClaimEnd struct {
	// Agent is the agent that had the claim.
	Agent string
	// Op is the op that ended the claim. Op is nil if no op after the claim tells.
	Op *crdt.Op
}

// maxEndLooked bounds the ops among which the end of a claim is looked for.
const maxEndLooked = 1000

// EndOf finds out how a claim ended, whose ID begins with the hex digits. The ops are those of its
// story, the last to arrive first. EndOf returns nil if the claim is not among them.
func EndOf(ops iter.Seq[*crdt.Op], digits string) *ClaimEnd {
	var end *crdt.Op
	looked := 0
	for op := range ops {
		if strings.HasPrefix(op.ID.String(), digits) {
			if agent, claims := writes(op, NameAgent); claims {
				return &ClaimEnd{agent, end}
			}
			return nil
		}
		_, agent := writes(op, NameAgent)
		_, deleted := writes(op, crdt.DeletedField)
		if agent || deleted {
			end = op
		}
		if looked++; looked == maxEndLooked {
			break
		}
	}
	return nil
}

// writes returns the text that the op writes into a field, and whether it writes the field.
func writes(op *crdt.Op, field string) (text string, ok bool) {
	for i := range op.Edits {
		if e := &op.Edits[i]; e.Kind == crdt.KindSet && e.Field == field {
			if e.Value.Type() == crdt.TypeString {
				text = e.Value.Str()
			}
			return text, true
		}
	}
	return "", false
}

// endOf returns how the story's claim with the hex digits ended, nil if that is not known.
func (s *State) endOf(story, digits string) *ClaimEnd {
	if s.err != nil || s.leases == nil {
		return nil
	}
	end, err := s.leases.EndOf(story, digits)
	return keep(s, end, err)
}

// maxReason bounds the note that an error shows of the op that ended a claim, in bytes.
const maxReason = 300

// String says in plain words who ended the claim, when and how. It is empty if that is not known.
func (e *ClaimEnd) String() string {
	if e == nil || e.Op == nil {
		return ""
	}
	who := "somebody"
	if e.Op.Agent != "" {
		who = "agent " + quoted(e.Op.Agent)
	}
	what := "wrote " + strings.Join(Summary(e.Op), ", ")
	if _, claims := writes(e.Op, NameClaim); claims {
		what = "claimed it"
	} else if _, deleted := writes(e.Op, crdt.DeletedField); deleted {
		what = "deleted it"
	}
	text := who + " " + what
	if at := FormatTime(TimeOf(e.Op.At)); at != "" {
		text += " at " + at
	}
	for i := range e.Op.Edits {
		if edit := &e.Op.Edits[i]; edit.Kind == crdt.KindNote {
			note := edit.Value.Str()
			if len(note) > maxReason {
				note = strings.ToValidUTF8(note[:maxReason], "") + "..."
			}
			return text + " with the note " + quoted(note)
		}
	}
	return text
}

// byHolder reports whether the agent of the claim ended it, and brought the story to a stage. The
// stage is empty if the op left it as it was.
func (e *ClaimEnd) byHolder() (to Stage, ok bool) {
	if e == nil || e.Op == nil || e.Op.Agent != e.Agent {
		return "", false
	}
	agent, released := writes(e.Op, NameAgent)
	stage, _ := writes(e.Op, NameStage)
	return Stage(stage), released && agent == ""
}

// byCaller reports whether the claim was ended by its own agent or by the caller's session.
func (e *ClaimEnd) byCaller(c *Caller) bool {
	return e != nil && e.Op != nil && (e.Op.Agent == e.Agent || e.Op.Agent == c.Name)
}

// expectClaim makes sure that the story's claim is the one that the caller gives, if it gives one.
// Otherwise expectClaim returns an error of [CodeStale], so that an agent that slept through its
// lease does not overwrite its successor.
func (tx *Tx) expectClaim(cur *Story) error {
	if tx.caller.Claim == "" {
		return nil
	}
	digits, ok := parseClaim(tx.caller.Claim)
	if !ok {
		return invalid("give the claim as claim_item answered it, or leave it out", "claim is %.64q, want %q and 12 hex digits", tx.caller.Claim, claimPrefix)
	}
	if cur.Claim != nil && strings.HasPrefix(cur.Claim.Token.String(), digits) {
		if tx.caller.Agent == "" && CheckAgent(cur.Agent) == nil { // another replica's may be longer
			tx.agent = cur.Agent
		}
		return nil
	}
	if other := tx.state.claimedBy(digits); other != nil {
		return &Error{
			Code: CodeStale, Current: cur,
			Message: fmt.Sprintf("claim %.64s is of story %q, not of %q; nothing was written", tx.caller.Claim, other.ID(), cur.ID),
			Next:    "give the claim that claim_item answered for this story, of which this is so: " + tx.state.whose(cur),
		}
	}
	if tx.state.err != nil {
		return tx.state.err
	}
	return tx.ended(cur, tx.caller.Claim, tx.state.endOf(cur.ID, digits))
}

// ended returns the error for a claim that has ended.
func (tx *Tx) ended(cur *Story, claim string, end *ClaimEnd) error {
	message := fmt.Sprintf("your claim %.64s of story %q has ended", claim, cur.ID)
	switch {
	case tx.state.err != nil:
		return tx.state.err
	case end == nil:
		message = fmt.Sprintf("claim %.64s of story %q has ended, if it ever was one", claim, cur.ID)
	case end.Op != nil:
		message += ": " + end.String()
	}
	return &Error{
		Code: CodeStale, Current: cur,
		Message: message + "; now " + tx.state.whose(cur) + "; nothing was written",
		Next:    "stop working on it; read_item shows what happened, claim_item finds other work",
	}
}

// whose says where the story is and who has it, for an error.
func (s *State) whose(cur *Story) string {
	if cur.Agent == "" {
		return "the story is in " + string(cur.Stage) + " and nobody has it"
	}
	return "the story is in " + string(cur.Stage) + " and " + s.hold(cur.Agent, cur.Claim)
}

// stillMine returns an error of [CodeStale] if the caller's session made a claim on the story that
// somebody else has ended. The session must hear of it once: what it writes rests on the claim.
func (tx *Tx) stillMine(cur *Story) error {
	made, ok := tx.caller.MadeBy(cur.ID)
	if !ok || tx.caller.Claim != "" || cur.Claim != nil && cur.Claim.Token == made {
		return nil
	}
	end := tx.state.endOf(cur.ID, made.String())
	if end.byCaller(&tx.caller) { // in a call that is not answered yet
		return tx.state.err
	}
	return tx.ended(cur, ClaimText(made), end)
}

// Lost says in plain words which claims of the caller's session have ended without its doing, in
// the order of stories. The stories are those to forget.
func (s *State) Lost() (stories, texts []string) {
	for _, id := range slices.SortedFunc(maps.Keys(s.caller.Made), crdt.CompareStoryIDs) {
		token, ok := s.caller.MadeBy(id)
		if !ok {
			continue
		}
		c := s.known(id)
		if s.err != nil {
			return nil, nil
		}
		if c != nil && VisibleStage(c) != "" && hasClaim(c) && c.Writer(fieldClaim) == token {
			continue
		}
		stories = append(stories, id)
		end := s.endOf(id, token.String())
		if end.byCaller(&s.caller) {
			continue
		}
		text := fmt.Sprintf("your claim %s of story %q has ended", ClaimText(token), id)
		if how := end.String(); how != "" {
			text += ": " + how
		}
		texts = append(texts, text)
	}
	return stories, texts
}
