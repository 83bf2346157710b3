package tools

import (
	"context"
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

type claimItemIn struct {
	StoryID      *string         `json:"story_id,omitempty" jsonschema_description:"default: the first story that can be claimed"`
	Stage        *pipeline.Stage `json:"stage,omitempty" jsonschema_description:"claim the first of this stage; default: ready ones of 1_backlog, then what was left in 2_current"`
	Agent        *string         `json:"agent,omitempty" jsonschema:"maxLength=128" jsonschema_description:"your name"`
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
	position
}

var claimItem = define(definition[claimItemIn, claimItemOut]{
	name:        "claim_item",
	title:       "Claim a story",
	description: "Take a story so that nobody else does: story_id, or the next one. From 1_backlog it moves to 2_current. Your own claim is renewed.",
	handle: func(ctx context.Context, s *call, in claimItemIn) (out claimItemOut, err error) {
		if in.StoryID != nil && in.Stage != nil {
			return out, &pipeline.Error{Code: pipeline.CodeInvalid, Message: "story_id and stage are both given", Next: "give one of the two, or neither for the next story"}
		}
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
			if err := s.waitForClaim(ctx, in, wait); errors.Is(err, calls.ErrEnding) {
				deadline = s.now() // one more try
			} else if err != nil {
				return out, err
			}
		}
		var why *pipeline.Error
		if in.StoryID == nil && errors.As(err, &why) {
			return claimItemOut{Reason: why.Message}, nil
		}
		return out, err
	},
})

// tryClaim claims what the arguments name, if it can be claimed now.
func (s *call) tryClaim(ctx context.Context, in claimItemIn) (out claimItemOut, err error) {
	options := s.session.ClaimOptions(s.who(in.Agent), in.LeaseSeconds)
	var won pipeline.Claimed
	story, err := s.changeAs(ctx, options.Agent, func(tx *pipeline.Tx) (err error) {
		if in.StoryID != nil {
			won, err = tx.Claim(*in.StoryID, options)
		} else {
			won, err = tx.ClaimNext(in.Stage, options)
		}
		return err
	})
	if err != nil {
		return out, err
	}
	it, left := newItem(story), secondsLeft(story.Claim, s.now())
	out = claimItemOut{
		Claimed: true, Item: &it, Claim: story.Claim.Token.Short(), ExpiresInSeconds: &left,
		Renewed: won.Renewed, TakenOverFrom: won.TakenFrom, Warning: won.Warning(options.Agent),
	}
	return out, nil
}

// leaseLook is how often who waits for a story looks whether a lease has ended,
// which is no change that would wake it.
const leaseLook = time.Second

// errLook: it is time to look at the leases.
var errLook = errors.New("look at the leases")

// waitForClaim waits until there is something to claim, or for so long.
func (s *call) waitForClaim(ctx context.Context, in claimItemIn, wait time.Duration) error {
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
		return p.CanClaim(id, in.Stage, s.who(in.Agent))
	})
	if errors.Is(err, errLook) {
		return nil
	}
	return err
}
