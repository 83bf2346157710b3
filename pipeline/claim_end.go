package pipeline

import (
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
// story, the last to arrive first. EndOf returns nil if the claim is not among them. An op with a lesser fence
// than the claim's did not end it, unless it deleted the story.
func EndOf(ops iter.Seq[*crdt.Op], digits string) *ClaimEnd {
	var after []*crdt.Op // that may have ended the claim
	looked := 0
	for op := range ops {
		if strings.HasPrefix(op.ID.String(), digits) {
			agent, claims := writes(op, NameAgent)
			if !claims {
				return nil
			}
			for _, end := range slices.Backward(after) {
				if _, deleted := writes(end, crdt.DeletedField); deleted || end.Fence.Compare(op.Fence) >= 0 {
					return &ClaimEnd{agent, end}
				}
			}
			return &ClaimEnd{Agent: agent}
		}
		_, agent := writes(op, NameAgent)
		_, deleted := writes(op, crdt.DeletedField)
		if agent || deleted {
			after = append(after, op)
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

// Claims reports whether the op that ended the claim is a claim itself.
func (e *ClaimEnd) Claims() bool { _, ok := writes(e.Op, NameClaim); return ok }

// Deletes reports whether the op that ended the claim writes whether the story is deleted.
func (e *ClaimEnd) Deletes() bool { _, ok := writes(e.Op, crdt.DeletedField); return ok }

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
// Otherwise expectClaim returns an error of [KindStale], so that an agent that slept through its
// lease does not overwrite its successor.
func (tx *Tx) expectClaim(cur *Story) error {
	if tx.caller.Claim == "" {
		return nil
	}
	digits, ok := parseClaim(tx.caller.Claim)
	if !ok {
		return refuse(Fact{Code: CodeBadClaim, Given: tx.caller.Claim})
	}
	if cur.Claim != nil && strings.HasPrefix(cur.Claim.Token.String(), digits) {
		if tx.caller.Agent == "" && CheckAgent(cur.Agent) == nil { // another replica's may be longer
			tx.agent = cur.Agent
		}
		return nil
	}
	if other := tx.state.claimedBy(digits); other != nil {
		return tx.stale(cur, Fact{Code: CodeOtherClaim, Given: tx.caller.Claim, IDs: []string{other.ID()}})
	}
	if tx.state.err != nil {
		return tx.state.err
	}
	return tx.ended(cur, tx.caller.Claim, tx.state.endOf(cur.ID, digits))
}

// ended returns the error for a claim that has ended.
func (tx *Tx) ended(cur *Story, claim string, end *ClaimEnd) error {
	if tx.state.err != nil {
		return tx.state.err
	}
	return tx.stale(cur, Fact{Code: CodeClaimEnded, Given: claim, End: end})
}

// stale returns the error of a claim that does not count, with where the story is and who has it.
func (tx *Tx) stale(cur *Story, f Fact) error {
	f.Story, f.Stage = cur.ID, cur.Stage
	if cur.Agent != "" {
		f.Hold = tx.state.hold(cur.Agent, cur.Claim)
	}
	return &Error{Fact: f, Current: cur}
}

// stillMine returns an error of [KindStale] if the caller's session made a claim on the story that
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

// Lost says which claims of the caller's session have ended without its doing, in the order of
// stories. The stories are those to forget.
func (s *State) Lost() (stories []string, ended []Fact) {
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
		ended = append(ended, Fact{Code: CodeClaimLost, Given: ClaimText(token), Story: id, End: end})
	}
	return stories, ended
}
