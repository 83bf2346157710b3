package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Tx collects the edits of one op on one story against a state that does not
// change meanwhile. Its methods check, decide and record; when one returns an
// error the Tx must be given up.
type Tx struct {
	state  *State
	caller Caller
	story  string
	agent  string // see Agent
	by     string // see SubmittedBy
	apart  func() (string, error)
	// offered is a number for a new story, 0 for none. See OfferNumber.
	offered uint32
	// creates: the op creates the story.
	creates bool
	edits   []crdt.Edit
	leases  []LeaseChange

	warnings []Fact
	// overrides: the change ends or passes over a claim of somebody else on purpose.
	overrides bool
	// repeated: the call was made before, and the first one did all there was to do.
	repeated bool
}

// NewTx returns a transaction on the state as it is now.
func (s *State) NewTx() *Tx { return &Tx{state: s} }

// Story returns the ID of the story that the transaction is about.
func (tx *Tx) Story() string { return tx.story }

// Agent returns the agent in whose name the op is to be written, "" for the one that the
// change was submitted for.
func (tx *Tx) Agent() string { return tx.agent }

// Repeated reports that the call repeats one that has done its work. Nothing is to be written.
func (tx *Tx) Repeated() bool { return tx.repeated }

// SubmittedBy says for which agent the change was submitted.
func (tx *Tx) SubmittedBy(agent string) { tx.by = agent }

// signer returns the agent in whose name the op will be written.
func (tx *Tx) signer() string { return cmp.Or(tx.agent, tx.by) }

// Creates reports whether the op creates its story.
func (tx *Tx) Creates() bool { return tx.creates }

// MakeApart says how the IDs of new stories are kept from being those of stories that other replicas
// create meanwhile. Suffix returns what the IDs end in, "" while no other replica is known.
func (tx *Tx) MakeApart(suffix func() (string, error)) { tx.apart = suffix }

// Fence returns the fence of the op: the greatest that is known for its story. It is zero if the op writes no
// fenced field.
func (tx *Tx) Fence() (f crdt.Fence, err error) {
	if !schema.Fenced(tx.edits) {
		return f, nil
	}
	if tx.caller.Reserved.Story == tx.story {
		f = tx.caller.Reserved.Fence
	}
	if c := tx.state.known(tx.story); c != nil {
		f = crdt.MaxFence(f, c.Fence())
	}
	return f, tx.state.err
}

// Edits returns the edits collected; none means there is nothing to write.
func (tx *Tx) Edits() []crdt.Edit { return tx.edits }

// Leases returns what the change does to leases, which is no part of the op.
func (tx *Tx) Leases() []LeaseChange { return tx.leases }

// Warnings say what the caller may not have meant.
func (tx *Tx) Warnings() []Fact { return tx.warnings }

// Expect makes sure that the story's rev still begins with rev, as an answer
// showed it; otherwise it returns an error of [KindConflict] with the story as
// it is.
func (tx *Tx) Expect(id, rev string) error {
	if len(rev) < 12 {
		return refuse(Fact{Code: CodeBadRev, Given: rev})
	}
	current, err := tx.state.Story(id)
	if err != nil || strings.HasPrefix(current.Rev.String(), strings.ToLower(rev)) {
		return err
	}
	return &Error{Fact: Fact{Code: CodeMovedOn, Story: id, Given: rev, Rev: current.Rev, Agent: current.Agent}, Current: &current}
}

// Write creates the story, for which c.Stage is required, or writes the given
// fields. It returns the names of the fields that really change.
func (tx *Tx) Write(id string, c Changes) (created bool, changed []string, err error) {
	if err := c.check(id); err != nil {
		return false, nil, err
	}
	cur, created, err := tx.beginWrite(id, c.Stage)
	if err != nil {
		return false, nil, err
	}
	if err := tx.mayWrite(&cur, &c); err != nil {
		return false, nil, err
	}
	if err := tx.mayCarry(&cur, &c); err != nil {
		return false, nil, err
	}
	if tx.creates = created; created {
		if gaps := tx.state.Missing(); gaps.Any() {
			tx.warn(Fact{Code: CodeMissing, Gaps: gaps})
		}
		if c.Name != nil && *c.Name != "" {
			tx.warnSameName(id, *c.Name, c.SameName)
		}
	}
	if c.Stage != nil && (created || cur.Stage != *c.Stage) {
		tx.set(&changed, NameStage, crdt.String(string(*c.Stage)))
		tx.warnMoved(cur, c)
		if !created && c.Note == nil && c.Stage.rank() < cur.Stage.rank() { // as by a call that was to create the story
			tx.warn(Fact{Code: CodeMovedBack, Stage: cur.Stage})
		}
	}
	if c.Name != nil && cur.Name != *c.Name {
		tx.set(&changed, NameName, crdt.String(*c.Name))
	}
	tx.assign(&changed, &cur, &c)
	if c.RetryCount != nil && cur.RetryCount != *c.RetryCount {
		tx.set(&changed, NameRetryCount, crdt.Int(*c.RetryCount))
	}
	if c.Blocked != nil && cur.Blocked != *c.Blocked {
		tx.block(&changed, cur, *c.Blocked, c.BlockedReason, c.RetryCount == nil)
	}
	if err := tx.depend(&changed, cur, created, c.DependsOn); err != nil {
		return false, nil, err
	}
	if c.Description != nil && cur.Description != *c.Description {
		tx.set(&changed, NameDescription, crdt.String(*c.Description))
	}
	if err := tx.place(&changed, id, created, c.After, c.Before); err != nil {
		return false, nil, err
	}
	if c.Note != nil {
		tx.note(&changed, *c.Note)
	}
	return created, changed, tx.state.err
}

// mayWrite refuses changes to a story that somebody else holds.
func (tx *Tx) mayWrite(cur *Story, c *Changes) error {
	if !c.onlyAdd() {
		return tx.mayChange(cur)
	}
	return tx.mayAdd(cur, c.Blocked != nil)
}

// assign gives the story to an agent, or to nobody. An override of the stage takes the story from
// the agent that held it.
func (tx *Tx) assign(changed *[]string, cur *Story, c *Changes) {
	switch {
	case c.Agent == nil && c.Stage != nil && cur.Stage != *c.Stage:
		tx.endOverridden(changed, cur)
	case c.Agent != nil && cur.Agent != *c.Agent:
		tx.endClaim(*cur)
		tx.set(changed, NameAgent, crdt.String(*c.Agent))
		if *c.Agent != "" {
			tx.warn(Fact{Code: CodeAssigned, Agent: *c.Agent})
		}
	}
}

// warnMoved says what a plain write of the stage leaves as it was, where [Tx.Advance]
// would not.
func (tx *Tx) warnMoved(cur Story, c Changes) {
	if c.Agent == nil && !tx.overrides && *c.Stage != Current && cur.Claim.Live(tx.state.now()) {
		tx.warn(Fact{Code: CodeStillHeld, Agent: cur.Agent, Stage: *c.Stage})
	}
	if c.Stage.met() && cur.Blocked && (c.Blocked == nil || *c.Blocked) {
		tx.warn(Fact{Code: CodeStillBlocked, Stage: *c.Stage})
	}
}

// SetBlocked blocks the story, with a reason if one is given, or unblocks it:
// unblocking clears the reason and zeroes retry_count. It returns the names of
// the fields that change.
func (tx *Tx) SetBlocked(id string, blocked bool, reason *string) (changed []string, err error) {
	if reason != nil {
		if err := checkText("reason", *reason, MaxReason); err != nil {
			return nil, err
		}
		if !blocked && *reason != "" {
			return nil, refuse(Fact{Code: CodeReasonAlone})
		}
	}
	cur, err := tx.begin(id)
	if err == nil && blocked {
		err = tx.mayAdd(&cur, true)
	} else if err == nil {
		err = tx.mayChange(&cur)
	}
	if err != nil {
		return nil, err
	}
	want := cur.BlockedReason
	if reason != nil {
		want = *reason
	}
	if !blocked {
		want = ""
	}
	tx.block(&changed, cur, blocked, want, true)
	return changed, nil
}

// BumpRetry adds by to retry_count. When the count then has reached limit (0:
// no limit) and the story is neither blocked nor finished, it is blocked with a reason, and
// blockedByLimit is true.
func (tx *Tx) BumpRetry(id string, by, limit int64) (blockedByLimit bool, err error) {
	if by < 1 || by > MaxRetryCount {
		return false, refuse(Fact{Code: CodeRange, Field: "by", Have: by, Least: 1, Most: MaxRetryCount})
	}
	cur, err := tx.begin(id)
	if err == nil {
		err = tx.mayChange(&cur)
	}
	if err != nil {
		return false, err
	}
	count := cur.RetryCount + by
	if count > MaxRetryCount {
		return false, refuse(Fact{Code: CodeRetryFull, Have: cur.RetryCount, Count: int(by), Most: MaxRetryCount})
	}
	base := tx.retryBase(id)
	tx.edits = append(tx.edits, crdt.Inc(NameRetryCount, uint64(by), base))
	if limit > 0 && count >= limit && !cur.Blocked && !cur.Stage.met() {
		tx.block(nil, cur, true, fmt.Sprintf("retry limit reached (%d of %d)", count, limit), false)
		return true, tx.state.err
	}
	return false, tx.state.err
}

// retryBase returns the op on whose count the story's next increment builds.
func (tx *Tx) retryBase(id string) crdt.OpID {
	if c := tx.state.known(id); c != nil {
		return c.Writer(fieldRetryCount)
	}
	return crdt.OpID{}
}

// begin makes the transaction one about the story and returns the story, which is as the caller
// expects.
func (tx *Tx) begin(id string) (Story, error) {
	cur, err := tx.open(id)
	if err == nil {
		err = tx.expectClaim(&cur)
	}
	return cur, err
}

// open is begin for a call whose claim need not last.
func (tx *Tx) open(id string) (Story, error) {
	cur, err := tx.state.Story(id)
	if err != nil {
		return Story{}, tx.tellDeleted(id, err)
	}
	if tx.caller.Rev != "" {
		if err := tx.Expect(id, tx.caller.Rev); err != nil {
			return Story{}, err
		}
	}
	return cur, tx.bind(id)
}

// tellDeleted adds who deleted the story to an error for one that had a claim on it.
func (tx *Tx) tellDeleted(id string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Kind() != KindDeleted {
		return err
	}
	digits, ok := parseClaim(tx.caller.Claim)
	if made, is := tx.caller.MadeBy(id); !ok && is {
		digits, ok = made.String(), true
	}
	if ok {
		e.End = tx.state.endOf(id, digits)
	}
	return e.orErr(tx.state)
}

// beginWrite is begin for a call that may create the story.
func (tx *Tx) beginWrite(id string, stage *Stage) (cur Story, created bool, err error) {
	c := tx.state.known(id)
	if c != nil && (c.Deleted() || VisibleStage(c) != "") || tx.caller.Rev != "" || tx.caller.Claim != "" {
		cur, err = tx.begin(id)
		return cur, false, err
	}
	if err := tx.mayCreate(id, stage); err != nil {
		return Story{}, false, err
	}
	if c != nil { // fields came, a stage did not yet
		cur = tx.state.snapshot(c)
	}
	if tx.state.err != nil {
		return Story{}, false, tx.state.err
	}
	return cur, true, tx.bind(id)
}

// bind makes the transaction one about the story, if it is not about another.
func (tx *Tx) bind(id string) error {
	if tx.story != "" {
		return fmt.Errorf("begin on story %s: the transaction is about story %s", id, tx.story)
	}
	tx.story = id
	return nil
}

// mayCreate returns why the story cannot be created, if it cannot.
func (tx *Tx) mayCreate(id string, stage *Stage) error {
	if stage == nil {
		e := tx.state.notFound(id)
		e.Code = CodeNeedsStage
		return e.orErr(tx.state)
	}
	if tx.state.isFull() {
		return refuse(Fact{Code: CodeFull, Most: crdt.MaxStories})
	}
	return tx.state.checkNumber(id)
}

// isFull reports whether the pipeline has no room for another story.
func (s *State) isFull() bool {
	if s.err != nil {
		return false
	}
	n, err := s.src.Count()
	return keep(s, n, err) >= crdt.MaxStories
}

// checkNumber refuses to give the number of another story to a new one. A caller that does so most
// likely means a story that is there. What depends on the number of a deleted story meant that one.
func (s *State) checkNumber(id string) error {
	n, ok := Number(id)
	if !ok {
		return nil
	}
	if others := s.visibleWith(n, maxSimilar, id); len(others) > 0 {
		return refuse(Fact{Code: CodeNumberTaken, Story: id, Number: n, IDs: others, Free: s.freeNumber()})
	}
	if s.number(n).Deleted == 0 { // the story itself is not deleted
		return s.err
	}
	e := refuse(Fact{Code: CodeNumberUsed, Number: n, Story: s.deletedWith(n), Free: s.freeNumber()})
	return e.orErr(s)
}

func (tx *Tx) set(changed *[]string, field string, v crdt.Value) {
	tx.edits = append(tx.edits, crdt.Set(field, v))
	if changed != nil {
		*changed = append(*changed, field)
	}
}

// block records the edits that make the story blocked or not. The flag and
// its reason are always written together, so that of two replicas' answers
// one wins whole. Unblocking zeroes the retry count if zeroRetries is true.
func (tx *Tx) block(changed *[]string, cur Story, blocked bool, reason string, zeroRetries bool) {
	if cur.Blocked != blocked || cur.BlockedReason != reason {
		tx.edits = append(tx.edits,
			crdt.Set(NameBlocked, crdt.Bool(blocked)),
			crdt.Set(NameBlockedReason, crdt.String(reason)))
	}
	if changed != nil && cur.Blocked != blocked {
		*changed = append(*changed, NameBlocked)
	}
	if changed != nil && cur.BlockedReason != reason {
		*changed = append(*changed, NameBlockedReason)
	}
	if !blocked && zeroRetries && cur.RetryCount != 0 {
		tx.set(changed, NameRetryCount, crdt.Int(0))
	}
}

// maxGone bounds the dependencies that one change takes out, so that its op has at most [crdt.MaxEdits] edits. A story
// may have more, if several replicas added some at the same time.
const maxGone = crdt.MaxEdits / 2

// depend records the edits that turn the story's dependencies into want, if that
// is given: one per number that comes or goes, so that what others add meanwhile
// stays. It refuses to close a circle, also by creating a story on whose number
// others depend.
func (tx *Tx) depend(changed *[]string, cur Story, created bool, want *[]uint32) error {
	if want == nil && !created {
		return nil
	}
	if want == nil {
		want = &cur.DependsOn
	}
	old, wanted := setOf(cur.DependsOn), setOf(*want) // other replicas may have written very many
	before := len(tx.edits)
	var added []uint32
	for _, n := range *want {
		if !old[n] {
			tx.edits = append(tx.edits, crdt.Dep(n, true))
		}
		if !old[n] || created {
			added = append(added, n)
		}
	}
	gone := slices.DeleteFunc(slices.Clone(cur.DependsOn), func(n uint32) bool { return wanted[n] })
	if left := len(gone) - maxGone; left > 0 {
		tx.warn(Fact{Code: CodeStillDepends, Count: left})
		gone = gone[:maxGone]
	}
	for _, n := range gone {
		tx.edits = append(tx.edits, crdt.Dep(n, false))
	}
	if len(tx.edits) > before {
		*changed = append(*changed, NameDependsOn)
	}
	return tx.checkCircle(added)
}

func setOf(numbers []uint32) map[uint32]bool {
	set := make(map[uint32]bool, len(numbers))
	for _, n := range numbers {
		set[n] = true
	}
	return set
}
