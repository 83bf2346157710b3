package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// A hub does not let in a machine that was removed, so that machine cannot read there that it was. It only hears that it is not let in.
// That is kept in the status, where it outlives the relay that heard it, until the hub lets the machine in again.

// ErrRefused: the hub does not let this machine in. It is no member, or not any more. A NATS server of one's own does not take the
// credentials.
var ErrRefused = errors.New("the hub does not let this machine in")

// refusal says that a hub does not let a machine in. The zero refusal says nothing of the kind.
type refusal struct {
	// RefusedAt is when the hub said so last, in ms since 1970 UTC.
	RefusedAt int64 `json:"refused_at,omitempty"`
	// RefusedAs is the name of the replica at that hub, see [replica.Hub]. Another name is that of another hub.
	RefusedAs string `json:"refused_as,omitempty"`
}

// Refused returns when the hub said last that it does not let this machine in. It reports false if the hub did not say so, or has let
// the machine in since.
func (s *Status) Refused(hub *replica.Hub) (at time.Time, refused bool) {
	return time.UnixMilli(s.RefusedAt), s.RefusedAt > 0 && s.RefusedAs == hub.Replica
}

// dialHub connects to the hub that the replica is joined to. The error is ErrRefused if the hub does not let the replica in.
func dialHub(key transportKey, hub *replica.Hub, more ...nats.Option) (*nats.Conn, error) {
	conn, err := dialAs(key, hub.Address, hub.CA, more...)
	if isRefused(err) {
		err = fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return conn, err
}

// refusalOf returns what a try to connect to a hub says of a refusal. It reports false if it says nothing, since the hub was not reached.
func (c *Config) refusalOf(hub *replica.Hub, err error) (is refusal, said bool) {
	if errors.Is(err, ErrRefused) {
		return refusal{RefusedAt: c.Now().UnixMilli(), RefusedAs: hub.Replica}, true
	}
	return refusal{}, err == nil
}

// keepRefusal keeps what a try to connect says of a refusal, if that is news. The machine's relay finds it out by itself, so
// keepRefusal does nothing where one runs.
func (c *Config) keepRefusal(hub *replica.Hub, tried error) {
	is, said := c.refusalOf(hub, tried)
	last, err := ReadStatus(c.Replica)
	if _, known := last.Refused(hub); err != nil || !said || known == (is.RefusedAt > 0) {
		return
	}
	release, elected, err := c.Replica.ElectRelay()
	if err != nil || !elected {
		return
	}
	defer release()
	r := New(*c)
	r.refusal = is
	r.tell(Status{})
}

// orRefusal returns the error of a question about a story that the hub did not answer. If the hub does not let this machine in, or
// did not when it was asked last, the error says so, too: as one of package pipeline.
func (c *Claims) orRefusal(ctx context.Context, story string, err error) error {
	why, lookErr := c.whyRefused(ctx, story, err)
	if lookErr != nil {
		c.cfg.Logger.Debug("why the hub did not answer was not looked up", "error", lookErr)
	}
	if why == nil {
		return err
	}
	return fmt.Errorf("%w: %w", err, why)
}

// whyRefused returns why this machine cannot claim a story however often the hub is asked, nil if that is not known.
func (c *Claims) whyRefused(ctx context.Context, story string, err error) (why, lookErr error) {
	author, _, lookErr := c.cfg.Replica.Author(ctx)
	if lookErr != nil {
		return nil, lookErr
	}
	is, _, lookErr := c.cfg.Replica.Members(ctx)
	if lookErr != nil {
		return nil, lookErr
	}
	if is != nil && !is.Counts(author) {
		return pipeline.NoMember(), nil
	}
	if errors.Is(err, ErrRefused) {
		return pipeline.NotLetIn(story), nil
	}
	hub, _, lookErr := c.cfg.Replica.Hub(ctx)
	if hub == nil || lookErr != nil {
		return nil, lookErr
	}
	status, lookErr := ReadStatus(c.cfg.Replica)
	if _, refused := status.Refused(hub); refused {
		return pipeline.NotLetIn(story), nil
	}
	return nil, lookErr
}
