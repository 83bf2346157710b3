package doctor

import (
	"context"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// maxOutboxAge is how long ops may wait for the hub without a word: a machine may be offline for a while.
const maxOutboxAge = 10 * time.Minute

// checkHub looks how the replica and its hub know each other. Of a replica that is joined to none it says
// nothing.
func (e *examination) checkHub(ctx context.Context, r *replica.Replica) {
	hub, state, err := r.Hub(ctx)
	if err != nil {
		e.broken("hub", err)
		return
	}
	if hub == nil {
		return
	}
	status, err := relay.ReadStatus(r)
	if err != nil {
		e.note("hub", "if this goes on, move the file away: a relay makes it anew", "what the relay says of itself cannot be read: %v", err)
	}
	since := time.UnixMilli(state.Since)
	refusedAt, refused := status.Refused(hub)
	switch waits := phrase.Count(int(state.Outbox), "op", "ops"); {
	case refused:
		problem, remedy := phrase.NotLetIn(relay.IsOwn(hub.Address))
		e.bad("hub", remedy, "%s (%s, last tried %s); %s to send", problem, hub.Address, refusedAt.UTC().Format(time.RFC3339), waits)
	case status.Full:
		e.bad("hub", "its owner can give it more room: max_bytes in hub.json", "%s is full; %s wait here", hub.Address, waits)
	case state.Outbox > 0 && e.cfg.Now().Sub(since) > maxOutboxAge:
		e.note("hub", "huskies-mcp hub says why; while no agent runs here, huskies-mcp relay exchanges", "%s wait to be sent to %s, the oldest since %s",
			waits, hub.Address, since.UTC().Format(time.RFC3339))
	case status.ConnectedSince > 0:
		e.ok("hub", "connected to %s since %s, read up to its message %d, %s to send", hub.Address, time.UnixMilli(status.ConnectedSince).UTC().Format(time.RFC3339), state.Read.Seq, waits)
	default:
		e.ok("hub", "joined to %s, not connected now, read up to its message %d, %s to send", hub.Address, state.Read.Seq, waits)
	}
	if ahead, off := status.ClockOff(); off {
		e.note("hub", "set the clock that is wrong: claims end by the hub's", "the clocks differ: %s", phrase.ClockAhead(ahead))
	}
	if relay.IsOwn(hub.Address) {
		e.note("hub", "see that its configuration has jetstream { sync_interval: always }", "it is a NATS server of your own: whether it syncs what it acknowledges cannot be seen from here, and without that a power loss takes it")
	}
	if state.Skipped > 0 {
		e.note("hub", "see what else doctor says of ops; a newer huskies-mcp may know them", "%s of it were passed over, and are tried again at each connection", phrase.Count(int(state.Skipped), "op", "ops"))
	}
}
