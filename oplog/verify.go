package oplog

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Verification says what [Verify] verifies and how.
type Verification struct {
	// Path of the database file, absolute.
	Path   string
	Logger *slog.Logger
	// Check returns why every document refuses the op for what is in the op alone,
	// or nil. It is called from several goroutines.
	Check func(*crdt.Op) error
	// Found is told each finding: those about a row alone in order of arrival, then
	// those about several.
	Found func(Finding)
	// Progress, if not nil, is told now and then how many of how many rows are done.
	Progress func(rows, of int64)
}

// VerifyReport is the outcome of a Verify.
type VerifyReport struct {
	Rows    int64 // looked at
	Faults  int
	Authors int // of ops that they signed
	// Waiting is how many ops name parents that are not here.
	Waiting int
	// Early is how many ops arrived before one of their parents. It is no fault:
	// imports bring ops in any order, and the document is the same.
	Early int
}

// Verify reads the whole log again and checks all that can be checked: of each
// row that the payload has the hash that names it, is an op, is signed by its
// author, and is what the other columns say; of each op that its parents are
// here, that its seq follows from theirs, that it breaks no rule and stands in
// one row; of each author that it signed one op at a seq; of the arrival numbers
// that they have no gaps, since rows are only ever added; of the file that SQLite
// finds it sound. What stands beside the ops is checked too, and if nothing is damaged
// so is the state: it must be what the ops give.
//
// It takes no lock and needs no key. It changes nothing, and leaves also a damaged write-ahead
// log as it is. It reads a page of rows at a time, up to the row that is the last when it
// begins, so it keeps nobody from writing or from checkpoints. Where a row or a page of the
// file cannot be read it goes on behind. It uses all processors. Of memory it uses about 125
// bytes a row, and 32 for each parent of an op that arrived before one of its parents. Then it
// uses as much as a rebuild.
//
// What rows alone cannot show: that the last ones were taken off, and that others
// wrote them in another order. An error means that it could not be verified to
// the end; what was found until then is said.
func Verify(ctx context.Context, cfg Verification) (VerifyReport, error) {
	path, err := dbfile.Resolve(cfg.Path)
	if err != nil {
		return VerifyReport{}, storageError("find database", cfg.Path, err)
	}
	if err := dbfile.CheckPlain(path); err != nil {
		return VerifyReport{}, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
		return VerifyReport{}, ErrNoLog
	}
	l := newLog(Config{Path: cfg.Path, Logger: cfg.Logger, ReadOnly: true}, path)
	defer func() { _ = l.Close() }() // nothing was written
	v := &verifier{cfg: cfg, log: l, trust: &trust{}, known: make(map[crdt.OpID]uint32), authors: make(map[crdt.Author]uint32), names: make([]crdt.Author, 1)}
	if err := v.open(ctx); err != nil {
		return v.report, l.failOpen(err)
	}
	before := dbfile.LookAtWAL(l.file.Path)
	err = v.run(ctx)
	if ctx.Err() != nil {
		return v.report, ctx.Err()
	}
	v.checkWAL(before)
	if err == nil && v.report.Faults == 0 {
		v.checkOpening(ctx, path)
	}
	if err != nil {
		return v.report, l.fail("verify", err)
	}
	return v.report, nil
}

// checkOpening finds out whether others can open the file: Verify overlooks what
// its header says of its length.
func (v *verifier) checkOpening(ctx context.Context, path string) {
	l := newLog(Config{Path: v.cfg.Path, Logger: v.cfg.Logger, ReadOnly: true}, path)
	defer func() { _ = l.Close() }() // nothing was written
	err := l.file.Connect(ctx, dbfile.LookingSettings)
	if err == nil {
		_, err = l.inspect(ctx)
	}
	if err != nil && unreadable(err) {
		v.found(Finding{Kind: FoundSQLite, Problem: Problem{Code: ProblemOpening, Err: err}})
	}
}

// verifier is one run of Verify. Its fields are for one goroutine, but for cfg.
type verifier struct {
	cfg     Verification
	log     *Log
	queries *db.Queries
	own     map[crdt.Author]bool
	trust   *trust
	beside  beside
	lost    []string // tables
	// foreign says that there is something in the file that is not ours; closed, that our own
	// tables are not either, so that nothing is read from them.
	foreign, closed bool
	damage          bool // a finding is one
	report          VerifyReport

	ops     []verifiedOp
	known   map[crdt.OpID]uint32   // index into ops
	authors map[crdt.Author]uint32 // index into names
	names   []crdt.Author          // from 1
	early   []earlyOp
	// expected is the arrival number of the row that comes next.
	expected int64
	// holes says that rows are missing or could not be read.
	holes bool
}

// verifySettings hold for the connections of a Verify. Nothing can be written,
// and a file that ends too early is read as far as it goes: for that, no setting
// may look into the file before writable_schema is set, as synchronous does, which
// is FULL without being said.
const verifySettings = "_pragma=busy_timeout(10000)&_pragma=query_only(1)&_pragma=writable_schema(1)" +
	"&_pragma=fullfsync(1)&_pragma=checkpoint_fullfsync(1)&_dqs=0" // closing may move what others wrote into the file

// open connects to the file and looks what it is. A key that is damaged is a
// finding.
func (v *verifier) open(ctx context.Context) error {
	ctx = context.WithoutCancel(ctx)
	l := v.log
	if err := l.file.Connect(ctx, verifySettings); err != nil {
		return err
	}
	state, err := l.inspect(ctx)
	if err != nil && (state.version == 0 || !unreadable(err)) {
		return err
	}
	if state.version == 0 {
		return ErrNoLog
	}
	l.version, l.file.Journal, v.queries, v.lost, v.foreign = state.version, state.journal, db.New(l.file.Conn), state.missing, len(state.foreign) > 0
	for _, o := range state.foreign {
		v.found(Finding{Kind: FoundSchema, Problem: Problem{Code: ProblemForeign, Name: o.String()}})
	}
	if v.closed = !state.readable(); v.closed {
		return nil
	}
	if err == nil && v.has(tableIdentities) {
		err = v.readKeys(ctx)
	}
	if err != nil {
		v.found(Finding{Kind: FoundIdentity, Problem: Problem{Code: ProblemKey, Err: err}})
	}
	return nil
}

// has reports whether the file has the table. What it lacks readBeside says.
func (v *verifier) has(table string) bool { return !slices.Contains(v.lost, table) }

// readKeys reads which authors are the replica's own. An error says what is
// damaged.
func (v *verifier) readKeys(ctx context.Context) error {
	own, err := ownAuthors(ctx, v.queries)
	v.own = make(map[crdt.Author]bool)
	for _, author := range own {
		v.own[author] = true
	}
	return err
}

// isHeld reports whether ops of the author are kept and not applied.
func (v *verifier) isHeld(a crdt.Author) bool { return !v.trust.counts(a) }

func (v *verifier) found(f Finding) {
	if f.Fault() {
		v.report.Faults++
	}
	v.damage = v.damage || f.Damage()
	v.cfg.Found(f)
}

// run verifies the file that is open.
func (v *verifier) run(ctx context.Context) error {
	if v.closed {
		return nil
	}
	v.readBeside(ctx)
	if !v.has(tableOps) {
		return nil
	}
	src := &rowSource{log: v.log, queries: v.queries}
	last, err := src.open(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	if last > maxArrival {
		v.found(Finding{Kind: FoundArrival, Arrival: last, Problem: Problem{Code: ProblemGreatest}})
	}
	// SQLite's check of the file goes on beside, on a connection of its own.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	integrity := make(chan []Finding, 1)
	go func() {
		if v.foreign { // it would run what somebody else wrote
			integrity <- nil
			return
		}
		integrity <- v.log.integrity(ctx)
	}()
	err = v.rows(ctx, src, last)
	if err != nil {
		cancel()
	}
	for _, f := range <-integrity {
		v.found(f)
	}
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	v.settle()
	v.equivocations()
	v.checkBeside()
	v.report.Authors = len(v.authors)
	if err := src.unchanged(ctx); err != nil {
		return err
	}
	v.checkState(ctx)
	return ctx.Err()
}

// rows verifies the rows: one goroutine reads, one a processor verifies what a
// row says by itself, and this one puts it together in order of arrival.
func (v *verifier) rows(ctx context.Context, src *rowSource, last int64) error {
	workers := runtime.GOMAXPROCS(0)
	order, work := make(chan *batch, 2*workers), make(chan *batch, 2*workers)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for b := range work {
				b.verify(v.cfg.Check)
				b.done <- struct{}{}
			}
		})
	}
	var readErr error
	wg.Go(func() {
		defer close(order)
		defer close(work)
		for first := int64(math.MinInt64); readErr == nil; {
			if readErr = ctx.Err(); readErr != nil {
				return
			}
			var b *batch
			if b, readErr = src.next(ctx, first); b == nil {
				return
			}
			first = b.end
			order <- b
			work <- b
		}
	})
	v.expected = 1
	of := max(last, 0)
	for b := range order {
		<-b.done
		for i := range b.rows {
			v.take(&b.rows[i])
		}
		if v.cfg.Progress != nil {
			v.cfg.Progress(min(max(v.expected-1, 0), of), of)
		}
	}
	wg.Wait()
	if readErr == nil && v.expected <= min(last, maxArrival) {
		v.missing(min(last, maxArrival)) // SQLite says so, and did not find them
	}
	return readErr
}

// integrity runs SQLite's check of the whole file, of which it reads each page
// and compares each index with its table.
func (l *Log) integrity(ctx context.Context) (found []Finding) {
	fault := func(p Problem) { found = append(found, Finding{Kind: FoundSQLite, Problem: p}) }
	conn, err := l.file.DB.Conn(ctx)
	if err == nil {
		defer conn.Close()
		err = l.complaints(ctx, conn, "integrity_check", func(line string) { fault(Problem{Code: ProblemPages, Name: line}) })
	}
	if err != nil && ctx.Err() == nil {
		fault(Problem{Code: ProblemPagesUnchecked, Err: err})
	}
	return found
}
