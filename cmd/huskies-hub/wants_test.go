package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/relay"
)

const (
	// floodTime is how long a member floods.
	floodTime = 3 * time.Second
	// wantOps is how many ops a question may name.
	wantOps = 1000
)

// TestFloodOfWants: a member asks as fast as it can for ops that there are and for others, for as many as it may and for
// more. The other machines hear few of its questions and answer fewer. Work goes on, and who misses ops is heard.
func TestFloodOfWants(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	a, b, mallory, mia := h.joined(), h.joined(), h.joined(), h.joined()
	ids := a.writeMany(2 * wantOps)
	converge(t, len(ids), a, b, mallory, mia)
	mallory.pause()
	mia.pause()
	heard := h.listen(t, mia)
	miasSubject := relay.WantSubject(config.Pipeline, mia.author().String())
	begun := time.Now()
	asks, misses, floods := connectAs(t, h, mia), wantOf(t, ids[:1]), connectAs(t, h, mallory)
	if err := floods.Publish(miasSubject, wantOf(t, ids[1:2])); err != nil { // the hub refuses it without an answer
		t.Fatal(err)
	}
	stop := flood(t, floods, ids, relay.WantSubject(config.Pipeline, mallory.author().String()))
	await(t, "the one that misses something is heard", func() bool {
		if err := asks.Publish(miasSubject, misses); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		return heard.of(mia) > 0
	})
	a.write("more")
	greatest := int64(0)
	await(t, "the flood ends", func() bool {
		_, state, err := a.replica.Hub(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		greatest = max(greatest, state.Outbox)
		return time.Since(begun) > floodTime
	})
	sent := stop()
	converge(t, len(ids)+1, a, b)
	minutes := 1 + int(time.Since(begun)/time.Minute)
	t.Logf("%d questions in %v, %d heard, outbox up to %d; a sent %d ops again, b %d", sent, floodTime, heard.of(mallory), greatest, a.sentAgain(t), b.sentAgain(t))
	if n := heard.of(mallory); sent < 10*n || n > minutes {
		t.Errorf("machines hear %d of %d questions of one machine in %d minutes, want one in each", n, sent, minutes)
	}
	if string(heard.last(mia)) != string(misses) {
		t.Error("a member asks under the name of another one")
	}
	most := (heard.of(mallory)+heard.of(mia))*wantOps + 1
	if greatest > int64(most) {
		t.Errorf("the outbox grows to %d ops, want %d at most", greatest, most)
	}
	for _, m := range []*machine{a, b} {
		if n := m.sentAgain(t); n > most {
			t.Errorf("a machine sends %d ops again, want %d at most: so many for each question", n, most)
		}
		if strings.Contains(m.log.String(), "not connected") {
			t.Errorf("the connection of a machine does not outlive the flood:\n%s", m.log)
		}
	}
}

// TestFloodOfWantsWithoutAHub: on a NATS server of one's own nobody stands between, and who floods asks under many names.
func TestFloodOfWantsWithoutAHub(t *testing.T) {
	t.Parallel()
	in := ownInvitation(t)
	a, b := newMachine(t), newMachine(t)
	for _, m := range []*machine{a, b} {
		if err := m.join(in); err != nil {
			t.Fatal(err)
		}
		m.relay()
	}
	ids := a.writeMany(2 * wantOps)
	converge(t, len(ids), a, b)
	conn, err := relay.DialOwn(in.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var subjects []string
	for i := range 100 {
		subjects = append(subjects, relay.WantSubject(in.Pipeline, strconv.Itoa(i)))
	}
	begun := time.Now()
	stop := flood(t, conn, ids, subjects...)
	time.Sleep(floodTime)
	sent := stop()
	a.write("more")
	converge(t, len(ids)+1, a, b)
	minutes := 1 + int(time.Since(begun)/time.Minute)
	t.Logf("%d questions in %v; a sent %d ops again, b %d", sent, floodTime, a.sentAgain(t), b.sentAgain(t))
	for _, m := range []*machine{a, b} {
		if n := m.sentAgain(t); n > minutes*len(ids) {
			t.Errorf("a machine sends %d ops again: some more than once a minute", n)
		}
	}
}

// ownInvitation invites to a pipeline on a NATS server of one's own.
func ownInvitation(t *testing.T) *relay.Invitation {
	t.Helper()
	s := newOwnServer(t)
	_, url, _ := strings.Cut(command(t, "setup", "nats://"+s.address, "--creds", s.creds), "huskies-mcp join --creds FILE ")
	in, err := relay.ParseOwn(strings.SplitN(url, "\n", 2)[0], s.creds)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// TestWantsOfManyOps: a machine misses more ops than a question may name. It asks for each of them.
func TestWantsOfManyOps(t *testing.T) {
	t.Parallel()
	in := ownInvitation(t)
	m := newMachine(t)
	m.gapAge = time.Second
	if err := m.join(in); err != nil {
		t.Fatal(err)
	}
	const ops = wantOps + 200
	if _, err := m.replica.Admit(t.Context(), onInventedOps(t, ops)); err != nil {
		t.Fatal(err)
	}
	asked := make(chan []crdt.OpID)
	conn, err := relay.DialOwn(in.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = conn.Subscribe(relay.WantSubject(in.Pipeline, "*"), func(msg *nats.Msg) {
		var ids []crdt.OpID
		if err := json.Unmarshal(msg.Data, &ids); err != nil {
			t.Error(err)
		}
		select {
		case asked <- ids:
		case <-t.Context().Done():
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m.relay()
	all := map[crdt.OpID]bool{}
	await(t, "all that is missing is asked for", func() bool {
		select {
		case ids := <-asked:
			for _, id := range ids {
				all[id] = true
			}
		default:
		}
		return len(all) == ops
	})
}

// onInventedOps returns n ops of a stranger, each on a parent that nobody has.
func onInventedOps(t *testing.T, n int) (ops []crdt.SignedOp) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		var parent crdt.OpID
		rand.Read(parent[:])
		op := &crdt.Op{Story: "1_story_invented", Seq: 2, Parents: []crdt.OpID{parent}, Edits: []crdt.Edit{crdt.Set("name", crdt.String("x"))}}
		signed, err := crdt.Sign(op, key)
		if err != nil {
			t.Fatal(err)
		}
		ops = append(ops, signed)
	}
	return ops
}

// writeMany makes n stories and returns the IDs of all ops.
func (m *machine) writeMany(n int) (ids []crdt.OpID) {
	m.t.Helper()
	for i := range n {
		m.write(fmt.Sprintf("%d_story_of_many", i))
	}
	for _, text := range m.ops() {
		id, err := crdt.ParseOpID(text)
		if err != nil {
			m.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

var againLine = regexp.MustCompile(`sending them again" ops=(\d+)`)

// sentAgain returns how many ops the machine sent again since others asked.
func (m *machine) sentAgain(t *testing.T) (ops int) {
	t.Helper()
	for _, line := range againLine.FindAllStringSubmatch(m.log.String(), -1) {
		n, err := strconv.Atoi(line[1])
		if err != nil {
			t.Fatal(err)
		}
		ops += n
	}
	return ops
}

// heardWants are the questions that a machine hears, by who asks.
type heardWants struct {
	mu   sync.Mutex
	data map[string][][]byte
}

func (w *heardWants) of(m *machine) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.data[m.author().String()])
}

func (w *heardWants) last(m *machine) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.data[m.author().String()]
	return all[len(all)-1]
}

// listen hears what the hub passes on.
func (h *testHub) listen(t *testing.T, m *machine) *heardWants {
	t.Helper()
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	w := &heardWants{data: map[string][][]byte{}}
	_, err = connectAs(t, h, m).Subscribe(relay.PassedWantSubject(config.Pipeline, "*"), func(msg *nats.Msg) {
		w.mu.Lock()
		defer w.mu.Unlock()
		author := msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:]
		w.data[author] = append(w.data[author], msg.Data)
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func wantOf(t *testing.T, ids []crdt.OpID) []byte {
	t.Helper()
	b, err := json.Marshal(ids)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// flood asks on the subjects in turn as fast as it can, until stop is called, which returns how often it did.
func flood(t *testing.T, conn *nats.Conn, ids []crdt.OpID, subjects ...string) (stop func() (sent int)) {
	t.Helper()
	nobodys := make([]crdt.OpID, wantOps)
	for i := range nobodys {
		rand.Read(nobodys[i][:])
	}
	messages := [][]byte{
		wantOf(t, ids[:wantOps]), []byte("junk"), wantOf(t, ids[wantOps:2*wantOps]), wantOf(t, ids[:wantOps+20]),
		wantOf(t, append(nobodys[:500:500], ids[:500]...)), wantOf(t, nobodys),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan int)
	go func() {
		sent := 0
		for ctx.Err() == nil && conn.Publish(subjects[sent%len(subjects)], messages[sent%len(messages)]) == nil {
			sent++
		}
		done <- sent
	}()
	return func() int {
		cancel()
		return <-done
	}
}
