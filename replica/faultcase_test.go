//go:build linux

package replica_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/vfstest"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/oplog/bundle"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// told is what is known of each story: what the caller of its only write was told, or what was
// seen since.
type told map[string]presence

type presence uint8

const (
	surely presence = iota // acknowledged
	maybe                  // the error said that the change may have been made
	not                    // the error said something else
)

// trustee is the author of the decisions that these tests make.
var trustee = crdt.Author{1, 31: 1}

// trustDecision stands in told for the decision, beside the stories.
const trustDecision = "the decision to trust"

// checkpointing is the name of databases whose commits all run a checkpoint.
const checkpointing = "checkpointing.db"

func init() {
	sqlite.RegisterConnectionHook(func(conn sqlite.ExecQuerierContext, dsn string) error {
		if !strings.Contains(dsn, checkpointing) {
			return nil
		}
		_, err := conn.ExecContext(context.Background(), "PRAGMA wal_autocheckpoint = 1", nil)
		return err
	})
}

func noStories(*testing.T, *faultRow, string) {}

// someStories makes a database with three stories, which are still in the write-ahead log.
func someStories(t *testing.T, row *faultRow, folder string) {
	r := newReplica(t, filepath.Join(folder, row.name)) // closed when the test ends
	for _, id := range []string{"1_s", "2_s", "3_s"} {
		create(t, r, id)
		row.stories[id] = surely
	}
	row.author, _, _ = r.Author(t.Context())
	row.readFiles(t, folder)
}

func checkpointedStories(t *testing.T, row *faultRow, folder string) {
	row.name = checkpointing
	someStories(t, row, folder)
}

// staleStories is someStories with a state that does not reflect the last row of the log.
func staleStories(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	exec(t, filepath.Join(folder, row.name), "UPDATE state SET arrival = arrival - 1")
	row.readFiles(t, folder)
}

// claimedStory is someStories of which one is claimed by a session that is no more.
func claimedStory(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	r := newReplica(t, filepath.Join(folder, row.name))
	if _, _, err := claim(r.OpenSession("before"), r, "2_s", "tester", leaseSeconds); err != nil {
		t.Fatal(err)
	}
	row.stories[claimOf("2_s")] = surely
	row.readFiles(t, folder)
}

// olderStories is someStories by a build that had no tables for the state.
func olderStories(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	makeOlder(t, filepath.Join(folder, row.name))
	row.readFiles(t, folder)
}

// damagedStories is someStories with a damaged row, which its state leaves out, and a bundle that
// mends the row and has more.
func damagedStories(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	path := filepath.Join(folder, row.name)
	other := newReplica(t, path+".other")
	imports(t, other, replica.ImportReport{New: 3}, exported(t, newReplica(t, path))...)
	for _, id := range []string{"4_s", "5_s"} {
		create(t, other, id)
	}
	row.bundle, row.bundled = exported(t, other), []string{"2_s", "4_s", "5_s"}
	exec(t, path, "UPDATE crdt_ops SET payload = x'a0' WHERE arrival = 2")
	if err := newReplica(t, path).Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	row.stories["2_s"] = not
	row.readFiles(t, folder)
}

// copiedStories is someStories with a copy of all of them.
func copiedStories(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	path := filepath.Join(folder, row.name)
	if err := os.WriteFile(path+copied, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := oplog.Copy(t.Context(), oplog.Config{Path: path, Now: fixedNow, Logger: slog.New(slog.DiscardHandler)}, path+copied); err != nil {
		t.Fatal(err)
	}
	row.readFiles(t, folder)
	copy, err := os.ReadFile(path + copied)
	if err != nil {
		t.Fatal(err)
	}
	row.before[row.name+copied] = copy
}

// movedStories is an empty place, a bundle of someStories, and beside it the database that had them and a
// decision whom to trust.
func movedStories(t *testing.T, row *faultRow, folder string) {
	someStories(t, row, folder)
	path := filepath.Join(folder, row.name)
	r := newReplica(t, path)
	if err := r.Trust(t.Context(), row.author, "me"); err != nil {
		t.Fatal(err)
	}
	if err := r.Trust(t.Context(), trustee, "somebody"); err != nil {
		t.Fatal(err)
	}
	row.bundle, row.bundled = exported(t, r), append(slices.Sorted(maps.Keys(row.stories)), trustDecision)
	clear(row.stories)
	row.moved, row.author = row.author, crdt.Author{} // where nothing was taken over the next write makes a key
	row.before = map[string][]byte{}
	for name, data := range databaseFiles(t, path) {
		row.before[strings.Replace(name, row.name, row.name+copied, 1)] = data
	}
}

// copied is what the name of a copy of the database ends in.
const copied = ".copied"

// readFiles reads what is in the folder but shared memory and locks.
func (row *faultRow) readFiles(t *testing.T, folder string) {
	t.Helper()
	row.before = databaseFiles(t, filepath.Join(folder, row.name))
}

func writeFiles(t *testing.T, folder string, files map[string][]byte) {
	t.Helper()
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// faultCase is one fault in one operation.
type faultCase struct {
	t        *testing.T
	row      *faultRow
	path     string
	fault    vfstest.Fault
	injector vfstest.Injector
	recorder vfstest.Recorder
	r        *replica.Replica
	session  *replica.Session
	came     bool // the fault
	crashes  []crash

	mu    sync.Mutex // guards all below
	told  told
	wrong []error // answers that should not be
}

// crash is what is on disk after one, and what must be.
type crash struct {
	what  string
	files map[string][]byte
	told  told
}

func newFaultCase(t *testing.T, row *faultRow) *faultCase {
	c := &faultCase{t: t, row: row, path: filepath.Join(row.folder, row.name), told: maps.Clone(row.stories)}
	c.r = c.newReplica(c.path)
	c.session = c.r.OpenSession("session")
	return c
}

func (c *faultCase) newReplica(path string) *replica.Replica {
	return replica.New(replica.Config{
		Path: path, Logger: discard,
		Now:  func() time.Time { return time.UnixMilli(1_700_000_000_000) },
		Rand: rand.NewChaCha8([32]byte{9}), // a key made now is not the one that must be there
	})
}

// run lets the n-th call of the fault's kind in act fail, and checks. It reports
// whether there was such a call.
func (c *faultCase) run(act func(*faultCase), fault vfstest.Fault, n int) (came bool, err error) {
	writeFiles(c.t, c.row.folder, c.row.before)
	defer os.RemoveAll(c.row.folder)
	defer vfstest.Watch(c.t, c.row.folder, vfstest.Chain(c.recorder.Failed, c.injector.Handle, c.recorder.Handle))()
	defer func() { _ = c.r.Close() }()
	c.fault = fault
	c.injector.Plan(fault, n)
	act(c)
	if !c.came {
		return false, nil
	}
	return true, errors.Join(errors.Join(c.wrong...), c.check())
}

// armed runs fn with the fault, which is healed afterwards.
func (c *faultCase) armed(fn func()) {
	c.injector.Arm()
	fn()
	c.came = c.injector.Heal()
	c.kill("just then")
	c.cutPower("just then")
}

// kill notes what is on disk if all processes are killed now.
func (c *faultCase) kill(when string) {
	c.crashes = append(c.crashes, crash{"all killed " + when, databaseFiles(c.t, c.path), maps.Clone(c.told)})
}

// cutPower notes what is on disk if the power fails now: nothing but what was
// synced.
func (c *faultCase) cutPower(when string) {
	disk := vfstest.NewDisk(c.row.before)
	for _, e := range c.recorder.Events() {
		disk.Do(e)
	}
	files := disk.Survivors(rand.New(rand.NewPCG(1, 2)), 0)
	c.crashes = append(c.crashes, crash{"power cut " + when, files, maps.Clone(c.told)})
}

// answered notes what a caller was told about what it wrote.
func (c *faultCase) answered(err error, ids ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := surely
	if err != nil {
		var e *oplog.Error
		if !errors.As(err, &e) || e.Code == "" {
			c.wrong = append(c.wrong, fmt.Errorf("an error without a code: %T %w", err, err))
			return
		}
		is = not
		if e.Uncertain() {
			is = maybe
		}
	}
	for _, id := range ids {
		switch was, known := c.told[id]; {
		case known && was == surely:
		case known && was == maybe && is == not: // this try did not, the one before may have
		default:
			c.told[id] = is
		}
	}
}

func (c *faultCase) write(r *replica.Replica, id string) error {
	stage := pipeline.Backlog
	s, err := r.Update(context.Background(), "tester", func(tx *pipeline.Tx) error {
		_, _, err := tx.Write(id, pipeline.Changes{Stage: &stage})
		return err
	})
	if err == nil && s.ID != id {
		return fmt.Errorf("the answer to %s is about %q", id, s.ID)
	}
	return err
}

func (c *faultCase) update(id string) { c.answered(c.write(c.r, id), id) }

// claim claims a story, or renews the claim.
func (c *faultCase) claim(id string) {
	_, err := c.r.Update(context.Background(), "tester", func(tx *pipeline.Tx) error {
		_, err := tx.Claim(id, c.session.ClaimOptions("tester", leaseSeconds))
		return err
	})
	c.answered(err, claimOf(id))
}

// follow makes the lease of a claim follow the session.
func (c *faultCase) follow(id string) {
	_, err := c.r.Update(context.Background(), "tester", func(tx *pipeline.Tx) error {
		_, err := tx.Claim(id, c.session.ClaimOptions("tester", 0))
		return err
	})
	c.answered(err)
}

// restore puts the copy in the place of the database, of which it has all ops.
func (c *faultCase) restore() {
	_, err := c.r.Restore(context.Background(), c.path+copied, func() error { return nil })
	c.answered(err)
}

// rebuild makes the state anew, which changes no story.
func (c *faultCase) rebuild() { c.answered(c.r.Rebuild(context.Background())) }

// leaseSeconds is how long these tests claim, and claimOf stands in told for a
// claim, beside the stories.
const leaseSeconds = 600

func claimOf(id string) string { return "the claim of " + id }

// updates makes n writes at once.
func (c *faultCase) updates(n int) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { c.update(fmt.Sprintf("%d_at_once", 100+i)) })
	}
	wg.Wait()
}

// another writes as another process and stays until it is closed.
func (c *faultCase) another(id string) (closeIt func()) {
	c.t.Helper()
	r := c.newReplica(c.path)
	if err := c.write(r, id); err != nil {
		c.t.Fatal(err)
	}
	c.told[id] = surely
	return func() { _ = r.Close() }
}

// view reads: all there is, or an error. A disk that takes no more writes can
// still be read.
func (c *faultCase) view() {
	seen, err := c.look(c.r)
	if err != nil {
		c.answered(err)
		if c.fault.Kind == vfstest.Write {
			c.wrong = append(c.wrong, fmt.Errorf("a read: %w", err))
		}
		return
	}
	missing := maps.Clone(c.told)
	if err := c.told.compare(seen); err != nil {
		c.wrong = append(c.wrong, fmt.Errorf("a read: %w", err))
	}
	unsynced := c.fault.Kind == vfstest.Sync && c.fault.Stays
	for id, is := range missing {
		if is == maybe && (c.told[id] == not || unsynced) {
			c.told[id] = maybe // until the disk is healed
		}
	}
}

func (c *faultCase) imports() {
	_, err := tryImport(c.r, c.row.bundle...)
	c.answered(err, c.row.bundled...)
	if err != nil && c.told[c.row.bundled[0]] == not {
		// It is in two transactions, and in parts that were read before they failed.
		for _, id := range c.row.bundled {
			c.told[id] = maybe
		}
	}
}

// legacy is what the copy has beside its ops. ImportLegacy takes one once.
func (c *faultCase) legacy() *oplog.Legacy {
	c.t.Helper()
	from, err := oplog.ReadLegacy(context.Background(), oplog.Config{Path: c.path + copied, Now: fixedNow, Logger: discard})
	if err != nil {
		c.t.Fatal(err)
	}
	return from
}

// importsLegacy makes the database of the copy's rows and of a bundle. What failed may be there in parts.
func (c *faultCase) importsLegacy(from *oplog.Legacy) {
	_, _, err := c.r.ImportLegacy(context.Background(), from, bundle.NewReader(strings.NewReader(strings.Join(c.row.bundle, ""))), nil)
	c.answered(err, c.row.bundled...)
	if err != nil {
		for _, id := range c.row.bundled {
			c.told[id] = maybe
		}
		return
	}
	if author, ok, err := c.r.Author(context.Background()); err == nil && (!ok || author != c.row.moved) {
		c.wrong = append(c.wrong, fmt.Errorf("the author is %s, want %s", author.Short(), c.row.moved.Short()))
	}
}

func (c *faultCase) trust() {
	c.answered(c.r.Trust(context.Background(), trustee, "somebody"), trustDecision)
}

// trustedLine begins the line of the decisions whom to trust, behind the dump of the state.
const trustedLine = "trusted"

// seen is what a replica shows.
type seen struct {
	text    string
	at      replica.Position
	stories map[string]bool
	waits   bool // some op waits for others
}

// look reads all that r shows.
func (c *faultCase) look(r *replica.Replica) (s seen, err error) {
	ctx := context.Background()
	s.stories = map[string]bool{}
	err = r.View(ctx, func(state *replica.View) error {
		var b strings.Builder
		if err := state.Dump(&b); err != nil {
			return err
		}
		clear(s.stories)
		s.at = state.Position()
		s.text, s.waits = b.String(), strings.Contains("\n"+b.String(), "\nwaiting ")
		page, err := state.List(pipeline.Filter{}, nil, 1000)
		for _, listed := range page.Stories {
			s.stories[listed.ID] = true
			story, storyErr := state.Story(listed.ID)
			err = errors.Join(err, storyErr)
			if story.Claim != nil {
				s.stories[claimOf(story.ID)] = true
				if lease := story.Claim.Lease; lease.Seconds != leaseSeconds && lease.Session != c.session.ID() {
					err = errors.Join(err, fmt.Errorf("%s has no lease", claimOf(story.ID)))
				}
			}
		}
		return err
	})
	if err != nil {
		return s, err
	}
	trusted, err := r.Trusted(ctx)
	if len(trusted) > 0 {
		s.stories[trustDecision] = true
		s.text += fmt.Sprintln(trustedLine, trusted)
	}
	// In the file of a restart, which is a copy, the key is one of a former home.
	own, ownErr := r.Identities(ctx)
	if len(own) > 0 && c.row.author != (crdt.Author{}) &&
		!slices.ContainsFunc(own, func(id oplog.Identity) bool { return id.Author == c.row.author && !id.Keyless }) {
		ownErr = errors.New("the replica's key is another")
	}
	return s, errors.Join(err, ownErr)
}

// compare compares what is shown with what callers were told. What may be there
// is from now on what it was found to be.
func (known told) compare(s seen) error {
	var errs []error
	for id := range s.stories {
		if is, tried := known[id]; !tried || is == not {
			errs = append(errs, fmt.Errorf("%s is there, and nobody wrote it", id))
		}
	}
	for id, is := range known {
		switch {
		case is == surely && !s.stories[id]:
			errs = append(errs, fmt.Errorf("%s was acknowledged, or seen, and is not there", id))
		case is == maybe && s.stories[id]:
			known[id] = surely
		case is == maybe:
			known[id] = not
		}
	}
	if s.waits {
		errs = append(errs, errors.New("ops wait for others"))
	}
	return errors.Join(errs...)
}
