package tools

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

type claimItemIn struct {
	StoryID      *string         `json:"story_id,omitempty" jsonschema_description:"default: the first story that can be claimed"`
	Stage        *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"claim the first of this stage; default: what is assigned to you, then left in 2_current, then 1_backlog"`
	Claim        *string         `json:"claim,omitempty" jsonschema_description:"renews it, from whatever session"`
	Agent        *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"a sub-agent's name; leave it out if you are none"`
	LeaseSeconds int64           `json:"lease_seconds,omitempty" jsonschema:"minimum=1,maximum=604800" jsonschema_description:"default: while your session lives"`
	WaitSeconds  int64           `json:"wait_seconds,omitempty" jsonschema:"minimum=0,maximum=50" jsonschema_description:"wait so long for one"`
}

type claimItemOut struct {
	Claimed          bool   `json:"claimed"`
	Item             *item  `json:"item,omitempty"`
	Claim            string `json:"claim,omitempty" jsonschema_description:"give it with every change of the story"`
	ExpiresInSeconds *int64 `json:"expires_in_seconds,omitempty"`
	Renewed          bool   `json:"renewed,omitempty"`
	TakenOverFrom    string `json:"taken_over_from,omitempty" jsonschema_description:"its lease had ended: look at what it left"`
	Warning          string `json:"warning,omitempty"`
	Reason           string `json:"reason,omitempty" jsonschema_description:"why nothing was claimed"`
}

var claimItem = define(definition[claimItemIn, claimItemOut]{
	name:        "claim_item",
	title:       "Claim a story",
	description: "Take a story so that nobody else does: story_id, or the next one. From 1_backlog it moves to 2_current. Your own claim is renewed.",
	handle: func(ctx context.Context, s *call, in claimItemIn) (out claimItemOut, err error) {
		deadline := s.now().Add(time.Duration(in.WaitSeconds) * time.Second)
		for {
			out, err = s.tryClaim(ctx, in)
			if err == nil || pipeline.IgnoreNotNow(err) != nil {
				return out, err
			}
			wait := deadline.Sub(s.now())
			if wait <= 0 {
				break
			}
			if err := s.waitForClaim(ctx, in, wait, ofHub(err)); errors.Is(err, calls.ErrEnding) {
				deadline = s.now() // one more try
			} else if err != nil {
				return out, err
			}
		}
		var why *pipeline.Error
		if in.StoryID != nil || in.Claim != nil || !errors.As(err, &why) {
			return out, err
		}
		text := reason(why)
		if why.Code == pipeline.CodeNoneFree || why.Code == pipeline.CodeNotLetIn {
			text = refused(why)
		}
		out.Reason = cut(text, maxAdviceShown)
		return out, s.tellLost(ctx, s.caller(asking{agent: in.Agent}), &out)
	},
})

// tryClaim claims what the arguments name, if it can be claimed now.
func (s *call) tryClaim(ctx context.Context, in claimItemIn) (out claimItemOut, err error) {
	a := asking{agent: in.Agent, claim: in.Claim}
	c := s.caller(a)
	options := s.session.ClaimOptions(c.Signature(), in.LeaseSeconds)
	options.Stage = in.Stage
	var won pipeline.Claimed
	var story pipeline.Story
	for tries := 1; ; tries++ {
		reserved, err := s.reserveFor(ctx, &c, in)
		if err != nil {
			return out, err
		}
		story, err = s.changeAs(ctx, c, func(tx *pipeline.Tx) (err error) {
			won, err = claim(tx, &c, cmp.Or(text(in.StoryID), reserved), in.Stage, options)
			return err
		})
		if err == nil {
			break
		}
		overtaken := reserved != "" && in.StoryID == nil && pipeline.IgnoreNotNow(err) == nil // by an agent on this machine
		if over := pipeline.IsUnreachable(err); tries == maxReservations || !overtaken && !over {
			return out, err
		}
	}
	it, left := newItem(story), secondsLeft(story.Claim, s.now())
	out = claimItemOut{
		Claimed: true, Item: &it, Claim: pipeline.ClaimText(story.Claim.Token), ExpiresInSeconds: &left,
		Renewed: won.Renewed, TakenOverFrom: cut(won.TakenFrom, crdt.MaxAgent), Warning: beside(&won, options.Agent),
	}
	err = s.tellLost(ctx, c, &out)
	s.made.claimed(story.ID, pipeline.MadeClaim{Token: story.Claim.Token, Agent: story.Agent})
	return out, err
}

// claim claims the story, or without an ID that of the caller's claim, or else the next one.
func claim(tx *pipeline.Tx, c *pipeline.Caller, id string, stage *pipeline.Stage, options pipeline.ClaimOptions) (won pipeline.Claimed, err error) {
	if id == "" && c.Claim != "" {
		if id, err = tx.ClaimOf(); err != nil {
			return won, err
		}
	}
	if id != "" {
		return tx.Claim(id, options)
	}
	return tx.ClaimNext(stage, options)
}

// maxReservations bounds how often one call reserves a story anew when others on this machine were faster.
const maxReservations = 3

// maxElsewhere bounds the stories that one call tries to reserve: others are claimed at the same time on other
// machines, each once.
const maxElsewhere = 16

// reserveFor asks the hub to keep the story for this machine that the call is about to claim, and returns its ID. Without a hub
// it asks nothing and returns none.
func (s *call) reserveFor(ctx context.Context, c *pipeline.Caller, in claimItemIn) (story string, err error) {
	c.Reserved = pipeline.Reservation{}
	if s.hub == nil {
		return "", nil
	}
	if joined, err := s.hub.Joined(ctx); err != nil || !joined {
		return "", err
	}
	c.Shared = true
	if in.StoryID == nil && in.Claim == nil {
		c.Ended = s.endedElsewhere(ctx)
	}
	for taken := error(nil); ; {
		id, err := s.aboutToClaim(ctx, c, in)
		if err != nil && taken != nil && pipeline.IgnoreNotNow(err) == nil {
			return "", taken // it says more than that nothing is left
		}
		if err != nil || id == "" {
			return "", err
		}
		reserved, by, err := s.hub.Reserve(ctx, id, c.Signature())
		switch {
		case err != nil:
			s.logger.Warn("the hub was not asked whether another machine has a story", "story", id, "error", err)
			var why *pipeline.Error
			if errors.As(err, &why) {
				return "", why
			}
			return "", pipeline.Unreachable(id)
		case by == "":
			c.Reserved = reserved
			return id, nil
		}
		if taken = pipeline.Elsewhere(id, by); in.StoryID != nil || in.Claim != nil || len(c.Elsewhere) == maxElsewhere {
			return "", taken
		}
		c.Elsewhere = append(c.Elsewhere, id)
	}
}

// endedElsewhere returns stories whose claims came from machines that have died, as the hub says. Without its
// word they last for as long as their ops say.
func (s *call) endedElsewhere(ctx context.Context) (stories []string) {
	err := s.replica.View(ctx, func(p *replica.View) error {
		stories = nil // this may be a second try
		for id, claim := range p.LiveClaims() {
			if claim.Foreign && len(stories) < maxElsewhere {
				stories = append(stories, id)
			}
		}
		return p.Err()
	})
	if err != nil || len(stories) == 0 {
		return nil
	}
	ended, err := s.hub.Ended(ctx, stories)
	if err != nil {
		s.logger.Debug("the hub was not asked for the claims of other machines", "error", err)
	}
	return ended
}

// aboutToClaim returns the story that the call would claim now. It is empty if the claim says that better: then it
// is refused. The call does not hand over yet: the calls after it see its claim.
func (s *call) aboutToClaim(ctx context.Context, c *pipeline.Caller, in claimItemIn) (story string, err error) {
	err = s.replica.View(ctx, func(p *replica.View) (err error) {
		state := p.As(*c)
		switch {
		case in.StoryID != nil:
			// A claim that is renewed while it lasts has its reservation; one of another machine may have ended on the hub.
			st, err := state.Story(*in.StoryID)
			if err != nil {
				return err
			}
			can, err := state.CanClaim(st.ID, nil)
			if can && !st.Claim.Live(s.now()) || st.Claim != nil && st.Claim.Foreign {
				story = st.ID
			}
			return err
		case in.Claim != nil: // while it lasts its reservation does, too
			id, err := state.ClaimOf()
			if err != nil {
				return nil // the claim says it better
			}
			if st, err := state.Story(id); err == nil && !st.Claim.Live(s.now()) {
				story = id
			}
		default:
			story, err = state.NextToClaim(in.Stage)
		}
		return err
	})
	return story, err
}

// tellLost warns once of each claim of the caller that somebody else has ended.
func (s *call) tellLost(ctx context.Context, c pipeline.Caller, out *claimItemOut) error {
	if len(c.Made) == 0 {
		return nil
	}
	at := s.reflects
	err := s.view(ctx, func(p *replica.View) error {
		stories, ended := p.As(c).Lost()
		s.made.forget(&c, stories...)
		texts := warnings(ended)
		if out.Warning != "" {
			texts = append(texts, out.Warning)
		}
		out.Warning = cut(strings.Join(texts, "; "), maxAdviceShown)
		return nil
	})
	s.reflects = at
	return err
}

// leaseLook is how often who waits for a story looks whether a lease has ended,
// which is no change that would wake it.
const leaseLook = time.Second

// errLook: it is time to look at the leases.
var errLook = errors.New("look at the leases")

// ofHub reports whether a claim was refused for what the hub says, or since it says nothing.
func ofHub(err error) bool {
	var why *pipeline.Error
	return errors.As(err, &why) && (why.Code == pipeline.CodeElsewhere || why.Code == pipeline.CodeUnreachable || why.Code == pipeline.CodeNotLetIn)
}

// waitForClaim waits until there is something to claim, or for so long. If the hub refused it, no change here says
// when that is, so it waits until it is time to ask again.
func (s *call) waitForClaim(ctx context.Context, in claimItemIn, wait time.Duration, hub bool) error {
	ctx, done, err := waiting(ctx)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeoutCause(ctx, min(wait, leaseLook), errLook)
	defer cancel()
	id := ""
	if in.StoryID != nil {
		id = *in.StoryID
	}
	err = s.replica.Watch(ctx, func(p *replica.View) (bool, error) {
		if hub {
			return false, nil
		}
		p.As(s.caller(asking{agent: in.Agent, claim: in.Claim}))
		return p.CanClaim(id, in.Stage)
	})
	if errors.Is(err, errLook) {
		return nil
	}
	return err
}
