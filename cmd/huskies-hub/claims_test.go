package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// settled waits until the hub lets reserve stories.
func (h *testHub) settled(m *machine) {
	h.t.Helper()
	claims := relay.NewClaims(m.config())
	defer claims.Close()
	await(h.t, "stories can be reserved", func() bool {
		_, _, err := claims.Reserve(h.t.Context(), "0_story_to_try", "tester")
		return err == nil
	})
}

// claim claims a story for an hour.
func (m *machine) claim(agent, story string) answer {
	m.t.Helper()
	got, err := m.call(agent, "claim_item", fmt.Sprintf(`{"story_id":%q,"lease_seconds":3600}`, story))
	if err != nil || !got.Claimed {
		m.t.Fatalf("%s claims %s: %+v, error %v", agent, story, got, err)
	}
	return got
}

// sharing returns two machines that share one story, and the hub, which lets reserve stories.
func sharing(t *testing.T, story string) (h *testHub, a, b *machine) {
	t.Helper()
	h = newHub(t)
	a, b = h.joined(), h.joined()
	a.write(story)
	converge(t, 1, a, b)
	h.settled(a)
	return h, a, b
}

// TestClaimsAreExclusive: two machines that hear nothing of each other's ops, but reach the hub, claim each story once.
func TestClaimsAreExclusive(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.joined(), h.joined()
	const stories = 12
	for i := range stories {
		a.write(fmt.Sprintf("%d_story_x", i+1))
	}
	converge(t, stories, a, b)
	h.settled(a)
	a.pause()
	b.pause()
	won := make(chan string, 2*stories)
	var all sync.WaitGroup
	for _, m := range []*machine{a, b} {
		all.Go(func() {
			for i := 0; ; i++ {
				got, err := m.call(fmt.Sprintf("agent-%d", i), "claim_item", `{"lease_seconds":3600}`)
				if err != nil {
					t.Errorf("claim_item: %v", err)
				}
				if !got.Claimed {
					return
				}
				won <- got.Item.StoryID
			}
		})
	}
	all.Wait()
	close(won)
	times := map[string]int{}
	for story := range won {
		times[story]++
	}
	for story, n := range times {
		if n > 1 {
			t.Errorf("%s was claimed %d times", story, n)
		}
	}
	if len(times) != stories {
		t.Errorf("%d of %d stories were claimed", len(times), stories)
	}
	_, err := b.call("x", "claim_item", `{"story_id":"1_story_x"}`)
	if err == nil || !strings.Contains(err.Error(), "is not free") {
		t.Errorf("claiming a story that was claimed: %v", err)
	}
}

// TestClaimsEndOnTheHub: a story that was given back on one machine can be claimed on another.
func TestClaimsEndOnTheHub(t *testing.T) {
	t.Parallel()
	_, a, b := sharing(t, "1_story_x")
	first := a.claim("ann", "1_story_x")
	converge(t, 2, a, b)
	if _, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`); err == nil {
		t.Error("bob claims what ann has")
	}
	if _, err := a.call("ann", "release_item", fmt.Sprintf(`{"story_id":"1_story_x","claim":%q}`, first.Claim)); err != nil {
		t.Fatal(err)
	}
	converge(t, 3, a, b)
	await(t, "bob claims what ann gave back", func() bool {
		got, err := b.call("bob", "claim_item", `{"story_id":"1_story_x","lease_seconds":3600}`)
		return err == nil && got.Claimed
	})
}

// TestReservationsAreKept: a hub that lost its store is told again what machines hold.
func TestReservationsAreKept(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	a.claim("ann", "1_story_x")
	b.pause() // it does not hear of the claim's op
	h.kill()
	h.put(t, "")
	h.start()
	h.settled(b)
	_, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`)
	if err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("bob claims what ann has: %v", err)
	}
}

// TestClaimsBeforeJoining: what a machine held before it joined, others do not take.
func TestClaimsBeforeJoining(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := newMachine(t)
	a.write("1_story_x")
	a.claim("ann", "1_story_x")
	if err := a.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	a.relay()
	b := h.joined()
	converge(t, 2, a, b)
	h.settled(b)
	if got, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("bob claims what ann has: %+v, %v", got, err)
	}
}

func TestClaimsWithoutTheHub(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a := h.joined()
	a.write("1_story_x")
	converge(t, 1, a)
	h.settled(a)
	h.kill()
	_, err := a.call("ann", "claim_item", `{"story_id":"1_story_x"}`)
	if err == nil || !strings.Contains(err.Error(), "the hub does not say now") {
		t.Errorf("claim_item without the hub: %v", err)
	}
	if _, err := a.call("ann", "claim_item", `{"story_id":"1_story_x"}`, "--offline-claims"); err != nil {
		t.Errorf("claim_item with --offline-claims: %v", err)
	}
}

// TestDeadMachine: the claim of a machine that renews it no more ends by the hub's clock, also where its op came.
func TestDeadMachine(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	a.claim("ann", "1_story_x")
	converge(t, 2, a, b)
	a.pause() // dead
	if _, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`); err == nil {
		t.Fatal("bob claims what ann has")
	}
	if got, err := b.call("bob", "claim_item", `{}`); err != nil || got.Claimed {
		t.Fatalf("bob claims what ann has: %+v, error %v", got, err)
	}
	h.expire(t, a, "1_story_x")
	got, err := b.call("bob", "claim_item", `{"lease_seconds":3600}`)
	if err != nil || !got.Claimed || got.Item.StoryID != "1_story_x" {
		t.Errorf("bob claims what a dead machine had: %+v, error %v", got, err)
	}
}

// TestClaimsMadeOffline: a claim of which the hub never knew is offered to nobody, as long as it lasts.
func TestClaimsMadeOffline(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	a, b := h.joined(), h.joined()
	a.write("1_story_x")
	converge(t, 1, a, b)
	a.pause()
	h.kill()
	if _, err := a.call("ann", "claim_item", `{"story_id":"1_story_x","lease_seconds":3600}`, "--offline-claims"); err != nil {
		t.Fatal(err)
	}
	ops, _, err := a.replica.OpsAfter(t.Context(), 0, 100)
	if err == nil {
		_, err = b.replica.Admit(t.Context(), ops)
	}
	if err != nil {
		t.Fatal(err)
	}
	h.start()
	h.settled(b)
	if got, err := b.call("bob", "claim_item", `{}`); err != nil || got.Claimed {
		t.Errorf("bob claims what ann has: %+v, error %v", got, err)
	}
}

// TestNumbersOfTheHub: machines that have not heard of each other's stories give them different numbers, above all
// that are known anywhere. Without the hub they go on.
func TestNumbersOfTheHub(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "7_story_x")
	a.pause()
	b.pause()
	const each = 6
	ids := make(chan string, 2*each)
	var all sync.WaitGroup
	for _, m := range []*machine{a, b} {
		all.Go(func() {
			for i := range each {
				got, err := m.call("agent", "write_item", fmt.Sprintf(`{"name":"story %d"}`, i))
				if err != nil {
					t.Error(err)
				}
				ids <- got.Item.StoryID
			}
		})
	}
	all.Wait()
	close(ids)
	numbers := map[uint32]bool{}
	for id := range ids {
		n, ok := pipeline.Number(id)
		if !ok || n < 8 || n > 7+2*each || numbers[n] {
			t.Errorf("%s has the number of another story, or none from 8 to %d", id, 7+2*each)
		}
		numbers[n] = true
	}
	h.kill()
	if got, err := a.call("agent", "write_item", `{"name":"alone"}`); err != nil || got.Item.StoryID == "" {
		t.Errorf("a story without the hub: %+v, %v", got, err)
	}
}

// TestSilentHub: who asks for a number waits about a second for hubs that answer nothing, however many there are.
func TestSilentHub(t *testing.T) {
	t.Parallel()
	var addresses []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts nobody
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		addresses = append(addresses, l.Addr().String())
	}
	m := newMachine(t)
	if err := m.replica.JoinHub(t.Context(), replica.Hub{
		Address: strings.Join(addresses, ","), Pipeline: newPipelineID(), Root: m.author(), Replica: "r", JoinedAt: 1,
	}); err != nil {
		t.Fatal(err)
	}
	claims := relay.NewClaims(m.config())
	defer claims.Close()
	began := time.Now()
	n, err := claims.Number(t.Context())
	if took := time.Since(began); err != nil || n != 0 || took > 4*time.Second {
		t.Errorf("without an answer: number %d, error %v, after %v; want none after a second", n, err, took)
	}
}

// TestReservationWithoutEnd: what a member puts in the place of a reservation ends with a lease, whatever it says, and holds a story up no longer.
func TestReservationWithoutEnd(t *testing.T) {
	t.Parallel()
	h, a, mallory := sharing(t, "1_story_x")
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	const forged = `{"author":"x","replica":"y","agent":"mallory","at":1,"until":9000000000000000}`
	if _, err := connectAs(t, h, mallory).Request(relay.ClaimSubject(config.Pipeline, "1_story_x"), []byte(forged), 5*time.Second); err != nil {
		t.Fatal(err)
	}
	command(t, "members", "remove", string(h.dir), mallory.author().String())
	short := a.config()
	short.Lease = 2 * time.Second
	claims := relay.NewClaims(short)
	defer claims.Close()
	if _, by, err := claims.Reserve(t.Context(), "1_story_x", "ann"); err != nil || by != "mallory" {
		t.Errorf("the story is reserved for %q, error %v", by, err)
	}
	await(t, "the reservation ends", func() bool {
		_, by, err := claims.Reserve(t.Context(), "1_story_x", "ann")
		return err == nil && by == ""
	})
}

// TestClaimElsewhere: a hub to which a machine is connected cannot say any more who has a story. The machine asks another one.
func TestClaimElsewhere(t *testing.T) {
	t.Parallel()
	h := newFolder(t, "")
	command(t, "init", string(h.dir))
	e := h.serveUnmet()
	a := newMachine(t)
	if err := a.join(h.invite()); err != nil {
		t.Fatal(err)
	}
	other := newFolder(t, "")
	hub, _, err := a.replica.Hub(t.Context())
	if err == nil {
		err = a.replica.MoveHub(t.Context(), hub.Replica, h.address+","+other.address)
	}
	if err != nil {
		t.Fatal(err)
	}
	claims := relay.NewClaims(a.config())
	defer claims.Close()
	reserves := func() bool {
		_, _, err := claims.Reserve(t.Context(), "1_story_x", "ann")
		return err == nil
	}
	await(t, "a story is reserved", reserves)

	command(t, "init", string(other.dir), "--recover", h.dir.path(recoveryFile))
	for _, file := range []string{"members.json", rosterFile} {
		b, err := os.ReadFile(h.dir.path(file))
		if err == nil {
			err = other.dir.write(file, b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	other.start()
	t.Cleanup(other.kill)
	config, err := h.dir.open()
	if err == nil {
		err = e.gate.js.DeleteStream(t.Context(), relay.ClaimStreamName(config.Pipeline))
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a story is reserved at the other hub", reserves)
}

// TestCutOffHolder: a machine that was cut off with a claim does not overwrite its successor, however often it writes. What it
// noted counts, and it is told who has the story.
func TestCutOffHolder(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	anns := a.claim("ann", "1_story_x")
	converge(t, 2, a, b)
	a.pause()
	h.expire(t, a, "1_story_x")
	bobs := b.claim("bob", "1_story_x")
	update := func(m *machine, agent, claim, change string) {
		t.Helper()
		if _, err := m.call(agent, "write_item", fmt.Sprintf(`{"story_id":"1_story_x","claim":%q,%s}`, claim, change)); err != nil {
			t.Fatal(err)
		}
	}
	update(b, "bob", bobs.Claim, `"stage":"3_qa"`)
	for _, change := range []string{`"stage":"3_qa"`, `"note":"ann has something"`, `"stage":"2_current"`, `"stage":"4_merge"`} {
		update(a, "ann", anns.Claim, change)
	}
	a.relay()
	converge(t, 8, a, b)
	for _, m := range []*machine{a, b} {
		st := m.story("1_story_x")
		if st.Stage != pipeline.QA || st.Agent != "bob" || st.Claim == nil || pipeline.ClaimText(st.Claim.Token) != bobs.Claim {
			t.Errorf("got stage %s, agent %s, claim %+v; want those of bob", st.Stage, st.Agent, st.Claim)
		}
		if lost := fmt.Sprint(phrase.Warnings(st.Warnings)); !strings.Contains(lost, `stage "4_merge" of "ann" (to that of "bob")`) {
			t.Errorf("the story warns of %s", lost)
		}
	}
	_, err := a.call("ann", "write_item", fmt.Sprintf(`{"story_id":"1_story_x","claim":%q,"stage":"5_done"}`, anns.Claim))
	if err == nil || !strings.Contains(err.Error(), "bob") {
		t.Errorf("ann goes on with a claim that has ended: %v", err)
	}
	if notes := b.notes("1_story_x"); len(notes) != 1 || notes[0] != "ann has something" {
		t.Errorf("got notes %q", notes)
	}
}

// claimOn claims a story for a machine's agent on a reservation, as a process does that was slow to come to it.
func (m *machine) claimOn(r pipeline.Reservation, agent string) error {
	_, err := m.replica.Update(m.t.Context(), agent, func(tx *pipeline.Tx) error {
		tx.By(pipeline.Caller{Session: agent, Name: agent, Shared: true, Reserved: r})
		_, err := tx.Claim(r.Story, pipeline.ClaimOptions{Agent: agent, Seconds: 3600, Session: agent})
		return err
	})
	return err
}

// TestSlowClaim: a process reserves a story and is slow. Meanwhile the story went to another machine, which the hub kept it
// for. The slow process does not take it, whether it has heard of that or not.
func TestSlowClaim(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	claims := relay.NewClaims(a.config())
	defer claims.Close()
	slow, _, err := claims.Reserve(t.Context(), "1_story_x", "slow")
	if err != nil {
		t.Fatal(err)
	}
	h.expire(t, a, "1_story_x") // as if it had been given back
	bobs := b.claim("bob", "1_story_x")
	converge(t, 2, a, b)
	if err := a.claimOn(slow, "slow"); err == nil {
		t.Error("the slow process takes over what bob has")
	}
	if st := a.story("1_story_x"); st.Claim == nil || pipeline.ClaimText(st.Claim.Token) != bobs.Claim {
		t.Errorf("the claim is %+v, want that of bob", st.Claim)
	}
	late := pipeline.Reservation{Story: "1_story_x", Fence: slow.Fence, Until: time.Now()}
	a.write("2_story_y")
	late.Story = "2_story_y" // of which nothing else is known
	if err := a.claimOn(late, "late"); !pipeline.IsUnreachable(err) {
		t.Errorf("claiming on an old reservation: %v", err)
	}
}

// TestClaimOnTheWay: a claim whose reservation the hub lost before the claim was made is entered again, though the machine was
// connected before it.
func TestClaimOnTheWay(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	claims := relay.NewClaims(a.config())
	defer claims.Close()
	reserved, _, err := claims.Reserve(t.Context(), "1_story_x", "ann")
	if err != nil {
		t.Fatal(err)
	}
	h.kill()
	h.put(t, "")
	h.start()
	a.write("2_story_y")
	converge(t, 2, a, b)         // a is connected again
	reserved.Until = time.Time{} // however long the hub took to begin anew
	if err := a.claimOn(reserved, "ann"); err != nil {
		t.Fatal(err)
	}
	b.pause() // it does not hear of the claim's op
	h.settled(b)
	if _, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("bob claims what ann has: %v", err)
	}
}

// TestOfflineClaimOfWhatOthersHave: a claim without the hub takes nothing that another machine is known to have.
func TestOfflineClaimOfWhatOthersHave(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	a.claim("ann", "1_story_x")
	converge(t, 2, a, b)
	h.kill()
	_, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`, "--offline-claims")
	if err == nil || !strings.Contains(err.Error(), "is not free") {
		t.Errorf("bob claims what ann has: %v", err)
	}
}

// TestRenewedAfterItsEnd: a claim that has ended is not renewed once another machine has the story.
func TestRenewedAfterItsEnd(t *testing.T) {
	t.Parallel()
	h, a, b := sharing(t, "1_story_x")
	anns, err := a.call("ann", "claim_item", `{"story_id":"1_story_x","lease_seconds":1}`)
	if err != nil {
		t.Fatal(err)
	}
	converge(t, 2, a, b)
	a.pause() // it does not hear of the next claim's op
	await(t, "ann's claim ends", func() bool { return !a.story("1_story_x").Claim.Live(time.Now()) })
	h.expire(t, a, "1_story_x")
	b.claim("bob", "1_story_x")
	_, err = a.call("ann", "claim_item", fmt.Sprintf(`{"claim":%q}`, anns.Claim))
	if err == nil || !strings.Contains(err.Error(), "bob") {
		t.Errorf("ann renews what bob has: %v", err)
	}
}
