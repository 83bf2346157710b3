package replica

import (
	"context"
	"io"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica/bell"
)

// Config says where a replica lives.
type Config struct {
	// Path of the database file, absolute.
	Path string
	// Now gives the time that new ops carry.
	Now func() time.Time
	// Rand gives the seeds of new keys, and the IDs of states.
	Rand io.Reader
	// Seed is that of oplog.Config. It may be nil.
	Seed []byte
	// Machine names the machine, see oplog.Config; may be empty.
	Machine string
	// LockTimeout bounds a write's wait for other writers; 0 means
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// LeaseGrace is how long a claim outlives the session that made it; 0 means
	// as long as the settings of the pipeline say.
	LeaseGrace time.Duration
	Logger     *slog.Logger
	// Wrote, if it is not nil, is called after each commit of this replica, by the writer. It must
	// return at once.
	Wrote func()
	// Before is that of oplog.Config. It may be nil.
	Before func(ctx context.Context)
	// KeyHelp says how a person changes the key, see oplog.Config.
	KeyHelp string
	// Progress, if it is not nil, hears how far a rebuild has come, in rows of the log, and
	// how many rows there are.
	Progress func(rows, of int64)
	// ReadOnly is for looking at a database that may be in trouble: nothing is
	// written to it.
	ReadOnly bool
}

// DefaultLockTimeout bounds a wait for the lock. The queue of 8 processes that
// write in a loop passes in milliseconds; hosts give up a call after 60 s.
const DefaultLockTimeout = 10 * time.Second

// Position says which rows of the log an answer reflects, and of which state.
type Position = oplog.Position

// ParsePosition reads what [Position.String] returns.
func ParsePosition(text string) (Position, error) { return oplog.ParsePosition(text) }

// Replica is one process's door to one database.
type Replica struct {
	cfg   Config
	queue queue // of changes for the writer
	// writing is the right to write, among all processes and goroutines.
	writing *oplog.Lock
	bell    *bell.Bell
	// committing: the writer of this process has the lock.
	committing atomic.Bool
	life       context.Context // of all that runs
	end        context.CancelFunc
	sessions   sessions

	// The writer's, who has the lock.

	// unsettled: storing failed, so that what the file shows may be on disk or not. Nothing is
	// written before that is settled.
	unsettled bool
	// patience ends when another program has kept the database for too long. It is nil
	// while none keeps it.
	patience    context.Context
	endPatience context.CancelFunc

	// mu is held shared while the log is used, and for writing while it is opened or
	// closed. It guards all below.
	mu  sync.RWMutex
	log *oplog.Log // nil: not open
	// known is the first op of the pipeline as it was last seen, zero if none was. It
	// tells whether the file at the path is still of the same pipeline.
	known crdt.OpID
	// doubted: the log that was closed last found its state damaged. The next log rebuilds it.
	doubted bool
	// pipelines counts how often another pipeline was found at the path.
	pipelines int
	// sameState is the ID of the state that was last found to be one of the known pipeline. The
	// greatest value is none: an ID has 32 bits. Views, who share mu, set it.
	sameState atomic.Uint64
	// untold: a Watch found another pipeline, of which the next call must hear, too. The Watch may
	// have been nobody's call.
	untold atomic.Bool
}

// New returns a replica of the database at cfg.Path. It opens nothing.
func New(cfg Config) *Replica {
	if cfg.LockTimeout == 0 {
		cfg.LockTimeout = DefaultLockTimeout
	}
	r := &Replica{cfg: cfg, writing: oplog.NewLock(cfg.Path), bell: bell.New(oplog.Resolve(cfg.Path), cfg.Logger)}
	if cfg.ReadOnly {
		r.bell.ListenOnly()
	}
	r.sameState.Store(math.MaxUint64)
	r.life, r.end = context.WithCancel(context.Background())
	r.queue.run = r.writeQueued
	return r
}

// Close closes the database. Changes that are not being committed yet are given
// up, and each Watch ends. The replica may not be used afterwards.
func (r *Replica) Close() error {
	r.end()
	r.queue.close()
	r.sessions.keeping.Wait()
	r.sessions.end()
	r.bell.Close()
	r.mu.Lock() // Views end soon, and no new one begins
	defer r.mu.Unlock()
	r.writing.Close()
	if r.log == nil {
		return nil
	}
	err := r.log.Close()
	r.log = nil
	return err
}

// Now is the time by which leases end.
func (r *Replica) Now() time.Time { return r.cfg.Now() }

// Update lets fn decide on the fresh pipeline. It writes the edits that fn collected as one
// op in the name of agent, unless fn finds out another, and returns the story as the op left
// it. When fn collects nothing, nothing is written. After an error nothing was written,
// unless the error is an [oplog.Error] that is uncertain; then the op is lost, or comes with
// the next call.
//
// When ctx ends before the change is taken up, Update returns its error. fn may be
// called on another goroutine and more than once; what counts is what its last call
// did.
func (r *Replica) Update(ctx context.Context, agent string, fn func(*pipeline.Tx) error) (pipeline.Story, error) {
	return r.Submit(agent, fn).Wait(ctx)
}
