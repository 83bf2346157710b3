package replica

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Config says where a replica lives.
type Config struct {
	// Path of the database file, absolute.
	Path string
	// Now gives the time that new ops carry.
	Now func() time.Time
	// Rand gives the seeds of new keys.
	Rand io.Reader
	// Machine names the machine, see oplog.Config; may be empty.
	Machine string
	// LockTimeout bounds a write's wait for other writers; 0 means
	// DefaultLockTimeout.
	LockTimeout time.Duration
	// Session names this process among all that ever open the database, for leases
	// that follow its life. Empty: its claims are not renewed.
	Session string
	// LeaseGrace is how long such a claim outlives the process; 0 means
	// DefaultLeaseGrace.
	LeaseGrace time.Duration
	// Sync makes durable what was written to a file; nil: fdatasync(2).
	Sync   func(*os.File) error
	Logger *slog.Logger
	// ReadOnly is for looking at a database that may be in trouble: nothing is
	// written to it, and one of an older build is oplog.ErrOutdated.
	ReadOnly bool
}

// DefaultLockTimeout bounds a wait for the lock. The queue of 8 processes that
// write in a loop passes in milliseconds; hosts give up a call after 60 s.
const DefaultLockTimeout = 10 * time.Second

// Replica is one process's copy of the pipeline.
type Replica struct {
	cfg   Config
	queue queue // of changes for the writer
	// writing is taken before mu and held for a whole transaction, so that reads
	// go on while the writer waits for its turn.
	writing *oplog.Lock
	// committing: the writer has the lock, or waits for the disk.
	committing atomic.Bool
	// crowd is how many changes were committed together last; the writer's.
	crowd int
	// patience ends when another program has kept the database for too long; nil while none
	// keeps it; the writer's.
	patience    context.Context
	endPatience context.CancelFunc
	life        context.Context // of the writer and the keeper of leases
	end         context.CancelFunc
	keeper      sync.Once      // starts it, when there is a lease to keep
	keeping     sync.WaitGroup // for its end

	mu     sync.Mutex // guards all below
	log    *oplog.Log // nil until opened
	signer *signer    // of the group that is committed
	state  *pipeline.State
	author crdt.Author // zero while the log has no key
	cursor cursor
	first  crdt.OpID // of the log that the document is made of
	// known is the first op of the pipeline as it was last seen on disk, also when the log is not
	// open any more: a failure must not make another one out of it.
	known crdt.OpID
	// changes are the last that brought the document to the cursor.
	changes changes
	synced  int64 // the arrival up to which rows are known to be durable
	// seen is the log's stamp at which the document had all that was committed.
	seen oplog.Stamp
	// unsettled: something failed after which an op may be on disk or not; nothing
	// is written before that is settled.
	unsettled bool
	// unsynced: what failed was a sync. What the log shows may not be durable, so
	// nothing is read before it is settled either. Otherwise reads go on: a disk that
	// is full cannot be settled.
	unsynced bool
	// trusted are the authors whose ops are applied, our own among them, present
	// and former; empty: all.
	trusted []crdt.Author
	epoch   int64 // of the log, at which the document was built
	decoder crdt.Decoder
	// odd are the rows whose ops the document does not know.
	odd  map[crdt.OpID]rowState
	past *past // nil until somebody asked for the history of a story
	// pending is how many ops were waiting for parents when it was last logged.
	pending int
	// removals counts how often the file was found to be gone, or another pipeline in
	// its place; calls have heard of the first told of them. removal is the last one.
	removals, told int
	removal        string
	watchers       map[*watcher]struct{}
	stopPolling    context.CancelFunc // set while there are watchers

	watching sync.WaitGroup // of Watch, and of what looks for changes for it
}

// New returns a replica of the database at cfg.Path. It opens nothing.
func New(cfg Config) *Replica {
	if cfg.LockTimeout == 0 {
		cfg.LockTimeout = DefaultLockTimeout
	}
	if cfg.LeaseGrace == 0 {
		cfg.LeaseGrace = DefaultLeaseGrace
	}
	r := &Replica{cfg: cfg, writing: oplog.NewLock(cfg.Path, cfg.Now), watchers: make(map[*watcher]struct{})}
	r.life, r.end = context.WithCancel(context.Background())
	r.queue.run, r.signer = r.writeQueued, newSigner()
	r.forget()
	return r
}

// Close closes the database. Changes that are not being committed yet are given
// up, and each Watch ends. The replica may not be used afterwards.
func (r *Replica) Close() error {
	r.mu.Lock() // a Watch that begins has begun, or sees the end
	r.end()
	r.mu.Unlock()
	r.watching.Wait()
	r.queue.close()
	r.keeping.Wait()
	r.writing.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signer.helpers.Wait() // with mu held nobody starts them
	if r.log == nil {
		return nil
	}
	err := r.log.Close()
	r.log = nil
	return err
}

// fail drops the document, since storing something failed with err: the document
// may be ahead of the disk. The caller holds mu.
func (r *Replica) fail(err error) {
	var failed *oplog.Error
	if errors.As(err, &failed) {
		r.unsettled = r.unsettled || failed.Uncertain()
		r.unsynced = r.unsynced || failed.Unsynced()
	}
	r.drop()
}

// drop closes the database and forgets the document: the next call starts
// afresh on whatever file is there then. The caller holds mu.
func (r *Replica) drop() {
	if r.log != nil {
		_ = r.log.Close() // nothing is unwritten: every op was committed
	}
	r.writing.Forget()
	r.log, r.author = nil, crdt.Author{}
	r.trusted, r.epoch = nil, 0
	r.forget()
}

// forget empties the document, to read the log from its start. The caller
// holds mu.
func (r *Replica) forget() {
	r.state, r.cursor, r.pending, r.first = pipeline.NewState(r.trusted...), cursor{}, 0, crdt.OpID{}
	r.state.UseLeases(leases{r})
	r.synced, r.seen, r.changes, r.past = 0, oplog.Stamp{}, changes{}, nil
	r.odd = make(map[crdt.OpID]rowState)
}

// View catches up with the op log and calls fn with the pipeline, which fn
// must neither change nor keep. It sees the changes that were submitted before.
// Other calls wait meanwhile.
func (r *Replica) View(ctx context.Context, fn func(*pipeline.State) error) error {
	return r.ViewAfter(ctx, r.LastWrite(), fn)
}

// LastWrite returns the change that was submitted last, nil if there was none.
func (r *Replica) LastWrite() *Write { return r.queue.lastWrite() }

// ViewAfter is View for a reader whose place is behind the change w: it sees w
// and those before it, and may see later ones.
func (r *Replica) ViewAfter(ctx context.Context, w *Write, fn func(*pipeline.State) error) error {
	if err := w.waitForRead(ctx); err != nil {
		return err
	}
	return r.read(ctx, func() error {
		if r.log != nil {
			if err := r.refresh(ctx); err != nil {
				return err
			}
		}
		return fn(r.state)
	})
}

// refresh catches up and makes durable what came: who hears of an op may build
// on it, also after a power cut. The caller holds mu and has the log open.
func (r *Replica) refresh(ctx context.Context) error {
	err := r.catchUp(ctx)
	if err == nil && r.cursor.arrival > r.synced {
		if err = r.log.Sync(); err == nil {
			r.synced, r.known = r.cursor.arrival, r.first
		}
	}
	if err != nil {
		r.fail(err)
	}
	return err
}

// errReadOnly: a replica that only looks was asked to write.
var errReadOnly = errors.New("the replica is read-only: nothing was written")

// errUnsettled: what is on disk must be settled, under the lock.
var errUnsettled = errors.New("what is on disk must be settled")

// read calls fn with mu held and the log open, or nil if there is none yet. A
// log of an older build, or one that must be settled, is seen to first, which is
// a write.
func (r *Replica) read(ctx context.Context, fn func() error) error {
	return r.readFor(ctx, &r.told, fn)
}

// readFor is read for one who has heard of the first told removals of the file.
func (r *Replica) readFor(ctx context.Context, told *int, fn func() error) error {
	err := r.tryRead(ctx, told, fn)
	if r.cfg.ReadOnly || !errors.Is(err, oplog.ErrOutdated) && !errors.Is(err, errUnsettled) {
		return err
	}
	return r.locked(ctx, fn)
}

func (r *Replica) tryRead(ctx context.Context, told *int, fn func() error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.openFor(ctx, told); err != nil && !errors.Is(err, oplog.ErrNoLog) {
		return err
	}
	if r.unsynced && r.log != nil {
		return errUnsettled
	}
	err := fn()
	if err != nil {
		*told = r.removals // fn may be what found out
	}
	return err
}

// Update lets fn decide on the fresh pipeline, writes the edits it collected
// as one op in the name of agent, unless fn finds out another, and returns the story
// as the op left it. When fn collects nothing, nothing is written. After an error nothing was
// written, unless the error is an [oplog.Error] that is uncertain; then the op is
// lost, or comes with the next call.
//
// When ctx ends before the change is taken up, Update returns its error. fn may be
// called on another goroutine and more than once; what counts is what its last call
// did.
func (r *Replica) Update(ctx context.Context, agent string, fn func(*pipeline.Tx) error) (pipeline.Story, error) {
	return r.Submit(agent, fn).Wait(ctx)
}

// locked calls fn with the lock and mu held and the log open, made if need be.
func (r *Replica) locked(ctx context.Context, fn func() error) error {
	if r.cfg.ReadOnly {
		return errReadOnly
	}
	wait, cancel := context.WithTimeoutCause(ctx, r.cfg.LockTimeout, oplog.ErrLockTimeout)
	defer cancel()
	release, err := r.writing.Acquire(wait)
	if err != nil {
		return err
	}
	defer release()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := r.create(ctx); err != nil {
		return err
	}
	return fn()
}

// open makes r.log an open log of the file that is at the path now, or returns
// oplog.ErrNoLog or oplog.ErrOutdated. The caller holds mu.
func (r *Replica) open(ctx context.Context) error { return r.openFor(ctx, &r.told) }

// openFor is open for one who has heard of the first told removals of the file.
func (r *Replica) openFor(ctx context.Context, told *int) error {
	r.look()
	err := r.openLog(ctx)
	if *told < r.removals {
		*told = r.removals
		return r.removed() // once; the next call goes on with what is there
	}
	return err
}

// look gives up the log if its file is not the one at the path any more. The
// caller holds mu.
func (r *Replica) look() {
	if r.log == nil {
		return
	}
	switch r.log.Presence() {
	case oplog.Removed:
		r.lose("the database file was removed")
	case oplog.Replaced:
		r.cfg.Logger.Warn("database file was replaced: reading it anew", "path", r.cfg.Path)
		r.drop()
	case oplog.Turned:
		r.drop()
	}
}

// lose gives up the pipeline, of which each call is to hear that was about it.
func (r *Replica) lose(why string) {
	r.miss(why)
	r.drop()
	r.unsettled, r.unsynced = false, false
}

// miss is lose for one who is in the middle of reading.
func (r *Replica) miss(why string) {
	r.cfg.Logger.Error(why, "path", r.cfg.Path)
	r.removals, r.removal, r.known = r.removals+1, why, crdt.OpID{}
}

// isOther reports whether the log is that of another pipeline than the one that was read.
func (r *Replica) isOther(ctx context.Context, log *oplog.Log) bool {
	first, err := log.First(ctx)
	return err == nil && r.known != (crdt.OpID{}) && first != r.known
}

const otherPipeline = "another pipeline was put in the place of the database"

// openLog opens the log if it is not open. If the pipeline that was read is not there
// any more, it is lost. The caller holds mu.
func (r *Replica) openLog(ctx context.Context) error {
	if r.log != nil {
		return nil
	}
	log, err := oplog.Open(ctx, r.logConfig())
	if err == nil {
		return r.adopt(ctx, log)
	}
	if errors.Is(err, oplog.ErrNoLog) && r.known != (crdt.OpID{}) {
		r.lose("the database file was removed")
	}
	return err
}

// create is open, and makes what is missing. The caller holds the lock and mu.
func (r *Replica) create(ctx context.Context) error {
	if r.log != nil {
		r.log.LookAgain() // a write must not go into a file that is not there any more
	}
	err := r.open(ctx)
	if err == nil && !r.log.Ready() { // reading did without
		r.drop()
		err = oplog.ErrOutdated
	}
	if errors.Is(err, oplog.ErrNoLog) || errors.Is(err, oplog.ErrOutdated) {
		var log *oplog.Log
		if log, err = oplog.Create(ctx, r.logConfig()); err == nil {
			err = r.adopt(ctx, log)
		}
		if err != nil {
			r.fail(err)
		}
	}
	if err != nil {
		return err
	}
	return r.settle(ctx)
}

// settle makes definite what is on disk after a failure. The caller holds the lock
// and mu, and has the log open.
func (r *Replica) settle(ctx context.Context) error {
	if !r.unsettled {
		return nil
	}
	if err := r.log.Settle(ctx); err != nil {
		r.drop()
		return err
	}
	r.unsettled, r.unsynced = false, false
	return nil
}

// removed says that the pipeline is gone: an agent must not take an empty one
// for the truth without a word.
func (r *Replica) removed() error {
	return &oplog.Error{
		Op: "find database", Path: r.cfg.Path, Err: errors.New(r.removal + " while this server had it open"),
		Next: "nothing was written; tell the user, who can put a backup back. The next call goes on with what is at the path then, or with an empty pipeline",
	}
}

// adopt makes an opened log this replica's. Is it another state of the pipeline that was
// read, such as a backup that was put back, it is read anew; otherwise that pipeline is lost.
func (r *Replica) adopt(ctx context.Context, log *oplog.Log) error {
	if r.isOther(ctx, log) {
		r.lose(otherPipeline)
	}
	r.log, r.author = log, log.Author()
	err := r.readTrust(ctx)
	if err != nil {
		r.drop()
	}
	return err
}

func (r *Replica) logConfig() oplog.Config {
	return oplog.Config{Path: r.cfg.Path, Now: r.cfg.Now, Rand: r.cfg.Rand, Machine: r.cfg.Machine, Sync: r.cfg.Sync, Logger: r.cfg.Logger, ReadOnly: r.cfg.ReadOnly}
}
