package relay

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/huskies/huskies-mcp/replica"
)

// Config says what a relay works with.
type Config struct {
	Replica *replica.Replica
	Now     func() time.Time
	Rand    io.Reader
	Logger  *slog.Logger
	// Lease is how long a reservation of a story is good, the same on all machines; 0: 5 min.
	Lease time.Duration
	// GapAge is how long a parent may be missing before something is done about it; 0: 2 min.
	GapAge time.Duration
}

func (c *Config) lease() time.Duration { return cmp.Or(c.Lease, reservationLife) }

// Relay exchanges ops with the hub that the replica is joined to.
type Relay struct {
	cfg Config
	// reread is when the whole stream was read again last for what is missing.
	reread time.Time
	// said: the log has that the lock cannot be had.
	said bool
	// refusal is what the hub said last of a refusal. It changes only while there is no session.
	refusal refusal
}

// New returns a relay. It does nothing before Run.
func New(cfg Config) *Relay { return &Relay{cfg: cfg} }

const (
	// lookInterval is how soon a process finds out that the replica was joined, or that the relay of
	// the machine has ended.
	lookInterval = 2 * time.Second
	// Waits between two connections, each up to twice the one before.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 2 * time.Second
)

// Run exchanges ops while the replica is joined to a hub and this process is the relay of its machine, until ctx
// ends. Nothing here is an error for the caller: work goes on without a hub, and the next connection is tried soon.
func (r *Relay) Run(ctx context.Context) {
	for {
		if hub, _, err := r.cfg.Replica.Hub(ctx); err == nil && hub != nil {
			r.relay(ctx)
		}
		if !sleep(ctx, lookInterval) {
			return
		}
	}
}

// relay exchanges ops if no other process does, until the replica has left the hub or ctx ends.
func (r *Relay) relay(ctx context.Context) {
	release, elected, err := r.cfg.Replica.ElectRelay()
	if err != nil && !r.said {
		r.said = true // it stays so until somebody mends it
		r.cfg.Logger.Error("nothing is exchanged with the hub: the lock of the machine's relay cannot be had", "error", err)
	}
	if err != nil || !elected {
		return
	}
	defer release()
	if last, err := ReadStatus(r.cfg.Replica); err == nil {
		r.refusal = last.refusal
	}
	defer r.tell(Status{})
	var away int64
	for backoff := minBackoff; ; {
		hub, _, err := r.cfg.Replica.Hub(ctx)
		if err == nil && hub == nil {
			return
		}
		connected := false
		if err == nil {
			connected, err = r.connect(ctx, hub)
		}
		if ctx.Err() != nil {
			return
		}
		r.cfg.Logger.Warn("not connected to the hub", "address", hubAddress(hub), "error", err)
		now := r.cfg.Now().UnixMilli()
		if connected || away == 0 {
			away = now
		}
		r.tell(Status{LastError: err.Error(), ErrorAt: now, AwaySince: away})
		if connected {
			backoff = minBackoff
		}
		if !sleep(ctx, backoff+r.upTo(backoff)) {
			return
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

func hubAddress(hub *replica.Hub) string {
	if hub == nil {
		return ""
	}
	return hub.Address
}

// upTo draws a time below d, so that many machines do not do the same thing at once.
func (r *Relay) upTo(d time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(r.cfg.Rand, b[:]); err != nil {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint64(b[:]) % uint64(d))
}

// sleep reports whether ctx has not ended meanwhile.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Status is what a relay says of itself. Times are in ms since 1970 UTC.
type Status struct {
	// At is when the relay said it. It says it again every few seconds.
	At int64 `json:"at"`
	// ConnectedSince is 0 while there is no connection.
	ConnectedSince int64 `json:"connected_since,omitempty"`
	// AwaySince is when the connection was lost, or first failed; 0 while there is one.
	AwaySince int64 `json:"away_since,omitempty"`
	// ClockAhead is how far the hub's clock is ahead of this machine's, in ms.
	ClockAhead int64 `json:"clock_ahead,omitempty"`
	// Behind counts the messages of the hub that were not read when it was looked last.
	Behind uint64 `json:"behind,omitempty"`
	// Full: the hub takes no more.
	Full      bool   `json:"full,omitempty"`
	LastError string `json:"last_error,omitempty"`
	ErrorAt   int64  `json:"error_at,omitempty"`
	refusal
}

// MaxClockAhead is how far two clocks may differ without a word: claims end by the hub's.
const MaxClockAhead = 2 * time.Second

// ClockOff returns how far the hub's clock is ahead of this machine's, if the two differ by much.
func (s *Status) ClockOff() (ahead time.Duration, off bool) {
	ahead = time.Duration(s.ClockAhead) * time.Millisecond
	return ahead, ahead.Abs() > MaxClockAhead
}

// tell keeps the status for other processes, which ask for it. It is no harm if that fails.
func (r *Relay) tell(s Status) {
	s.At, s.refusal = r.cfg.Now().UnixMilli(), r.refusal
	if b, err := json.Marshal(s); err == nil {
		err = r.cfg.Replica.PutRelayStatus(b)
		if err != nil {
			r.cfg.Logger.Debug("the relay's status was not kept", "error", err)
		}
	}
}

// stale is how old a word of a relay must be to say that the relay has ended without another.
const stale = 3 * checkInterval

// ReadStatus returns what the machine's relay says of itself. If there is none, the Status says at most that the hub did not let the
// machine in.
func ReadStatus(r *replica.Replica) (s Status, err error) {
	b, err := r.RelayStatus()
	if err == nil && b != nil {
		err = json.Unmarshal(b, &s)
	}
	if err != nil || r.Now().Sub(time.UnixMilli(s.At)) > stale {
		s = Status{refusal: s.refusal}
	}
	return s, err
}

// errLeft ends a connection: the replica has left the hub.
var errLeft = errors.New("the replica has left the hub")

// Settled waits until the machine's relay is connected, has read all that the hub had, and has sent all that is here.
func Settled(ctx context.Context, r *replica.Replica) error {
	for {
		_, state, err := r.Hub(ctx)
		if err != nil {
			return err
		}
		status, err := ReadStatus(r)
		if err != nil {
			return err
		}
		if status.ConnectedSince > 0 && status.Behind == 0 && state.Outbox == 0 {
			return nil
		}
		if !sleep(ctx, settleInterval) {
			return context.Cause(ctx)
		}
	}
}

// settleInterval is how often Settled looks.
const settleInterval = 20 * time.Millisecond
