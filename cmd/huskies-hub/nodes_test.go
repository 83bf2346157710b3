package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/relay"
)

// newNodes makes three hubs that stand in for each other, and serves them.
func newNodes(t *testing.T) []*testHub {
	t.Helper()
	var texts []string
	hubs := make([]*testHub, wantedNodes)
	for i := range hubs {
		_, route, _ := strings.Cut(freeAddress(t), ":")
		hubs[i] = newFolder(t, "")
		texts = append(texts, hubs[i].address+"/"+route)
	}
	command(t, "init", string(hubs[0].dir), "--nodes", strings.Join(texts, ","))
	for i, h := range hubs[1:] {
		command(t, "init", string(h.dir), "--peer", hubs[0].dir.path(recoveryFile), "--node", fmt.Sprint(i+2))
	}
	t.Cleanup(func() {
		if t.Failed() {
			for i, h := range hubs {
				t.Logf("log of hub %d:\n%s", i+1, h.log)
			}
		}
	})
	for _, h := range hubs {
		h.start()
		t.Cleanup(h.kill)
	}
	return hubs
}

// inviteOf is an invitation as a hub makes it, with all addresses.
func (h *testHub) inviteOf() *relay.Invitation {
	h.t.Helper()
	in, err := relay.ParseInvitation(command(h.t, "invite", string(h.dir)))
	if err != nil {
		h.t.Fatal(err)
	}
	return in
}

// joinedAny is a new machine that is joined to all of the hubs.
func (h *testHub) joinedAny() *machine {
	h.t.Helper()
	m := newMachine(h.t)
	in := h.inviteOf()
	await(h.t, "a machine joins", func() bool {
		err := m.join(in)
		if errors.Is(err, relay.ErrNotInvited) {
			h.t.Fatal(err)
		}
		return err == nil
	})
	m.relay()
	return m
}

// leader returns which of the hubs leads the stream of ops. Any may be asked that runs.
func leader(t *testing.T, hubs []*testHub) (which int) {
	t.Helper()
	which = -1
	await(t, "one of the hubs leads", func() bool {
		for _, h := range hubs {
			if h.process == nil {
				continue
			}
			info, err := h.opInfo(t)
			if err != nil || info.Cluster == nil {
				return false
			}
			for i := range hubs {
				if info.Cluster.Leader == fmt.Sprintf("%s-%d", serverName, i+1) && hubs[i].process != nil {
					which = i
				}
			}
			return which >= 0
		}
		return false
	})
	return which
}

func (h *testHub) opInfo(t *testing.T) (*jetstream.StreamInfo, error) {
	config, err := h.dir.open()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := h.dir.connect()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(2*time.Second))
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(t.Context(), relay.StreamName(config.Pipeline))
	if err != nil {
		return nil, err
	}
	return stream.CachedInfo(), nil
}

// reserves says why a machine cannot reserve a story.
func (m *machine) reserves(story string) error {
	claims := relay.NewClaims(m.config())
	defer claims.Close()
	_, _, err := claims.Reserve(context.Background(), story, "tester")
	return err
}

// isLong reports whether the tests may take long: each vote of three hubs takes up to ten seconds.
func isLong() bool { return os.Getenv("HUSKIES_CHAOS") != "" }

// needsTime skips a test unless there is time for long ones, as in CI.
func needsTime(t *testing.T) {
	t.Helper()
	if !isLong() {
		t.Skip("it takes a minute: HUSKIES_CHAOS=60s runs it, as CI does")
	}
}

// TestThreeHubs: one of three may fail, the leader too. With two gone nothing is exchanged and no story claimed, and local work
// goes on. After a cut of all three nothing is lost that was acknowledged. With HUSKIES_CHAOS set a follower fails first.
func TestThreeHubs(t *testing.T) {
	t.Parallel()
	hubs := newNodes(t)
	a, b := hubs[0].joinedAny(), hubs[1].joinedAny()
	n := 0
	write := func(machines ...*machine) {
		for _, m := range machines {
			n++
			m.write(fmt.Sprintf("%d_story_x", n))
		}
	}
	write(a, b)
	converge(t, n, a, b)
	if hub, _, err := a.replica.Hub(t.Context()); err != nil || len(strings.Split(hub.Address, ",")) != wantedNodes {
		t.Fatalf("machine a knows the addresses %s, error %v, want %d", hub.Address, err, wantedNodes)
	}
	lead := leader(t, hubs)
	follower, third := hubs[(lead+1)%wantedNodes], hubs[(lead+2)%wantedNodes]
	if isLong() {
		follower.kill()
		write(a, b)
		converge(t, n, a, b)
		follower.start()
	}
	hubs[lead].kill()
	write(a, b)
	converge(t, n, a, b)
	await(t, "stories are claimed with one hub gone", func() bool { return a.reserves("1_story_x") == nil })

	acknowledged := a.ops()
	third.kill()
	write(a, b)
	if err := a.reserves("2_story_x"); !errors.Is(err, relay.ErrUnreachable) {
		t.Errorf("reserving a story at one of three hubs: error %v, want that the hub cannot be asked", err)
	}
	for _, m := range []*machine{a, b} {
		if _, state, err := m.replica.Hub(t.Context()); err != nil || state.Outbox == 0 {
			t.Errorf("one of three hubs takes ops: %d to send, error %v", state.Outbox, err)
		}
		m.pause()
	}

	follower.kill() // the last one
	for _, h := range hubs {
		h.start()
	}
	c := follower.joinedAny()
	await(t, "a machine gets from the hubs alone what they acknowledged", func() bool { // and maybe what they did not
		return !slices.ContainsFunc(acknowledged, func(op string) bool { return !slices.Contains(c.ops(), op) })
	})
	a.relay()
	b.relay()
	converge(t, n, a, b, c)
	if !slices.Equal(a.stories(), c.stories()) {
		t.Error("machines with the same ops show other stories")
	}
}

// TestListsOfThreeHubs, which runs with HUSKIES_CHAOS set: who is invited at one of them joins at any, and who is removed at one is cut off from all.
func TestListsOfThreeHubs(t *testing.T) {
	needsTime(t)
	t.Parallel()
	hubs := newNodes(t)
	in := hubs[0].inviteOf()
	in.Address = hubs[2].address
	a := newMachine(t)
	await(t, "hub 3 hears of an invitation of hub 1", func() bool { return a.join(in) == nil })
	a.relay()
	a.write("1_story_x")
	converge(t, 1, a)
	for i, h := range hubs {
		await(t, fmt.Sprintf("hub %d knows the member", i+1), func() bool {
			return strings.Count(command(t, "members", string(h.dir)), "admin") == 1
		})
	}
	backup := filepath.Join(t.TempDir(), "backup")
	command(t, "backup", string(hubs[1].dir), backup)
	if out := command(t, "restore", string(hubs[2].dir), backup); !strings.Contains(out, " messages into") {
		t.Errorf("restore says %s", out)
	}
	hubs[0].kill()
	command(t, "members", "remove", string(hubs[1].dir), a.author().String())
	await(t, "the member is cut off from hub 3", a.isCut)
	hubs[0].start()
	await(t, "hub 1 hears of it when it is back", func() bool {
		return strings.Contains(command(t, "members", string(hubs[0].dir)), "removed")
	})
	if err := newMachine(t).join(in); err == nil {
		t.Error("an invitation that was used at hub 3 is good at another")
	}
}

func TestNodesRefuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alone, first := filepath.Join(dir, "alone"), filepath.Join(dir, "first")
	command(t, "init", alone)
	command(t, "init", first, "--nodes", "a:4222,b:4222,c:4222")
	kept := filepath.Join(first, recoveryFile)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--nodes", "a:4222,b:4222"}, "must name 3"},
		{[]string{"--nodes", "a:4222,b:4222,c"}, `"c" is not HOST:PORT`},
		{[]string{"--nodes", "a:64000,b:4222,c:4222"}, "has no port 66000"},
		{[]string{"--peer", kept}, "say with --node"},
		{[]string{"--peer", kept, "--node", "4"}, "from 1 to 3: 1 is a:4222 2 is b:4222"},
		{[]string{"--peer", filepath.Join(alone, recoveryFile), "--node", "2"}, "is of a hub that is alone"},
		{[]string{"--recover", kept}, "make each again with --peer"},
	} {
		var errs bytes.Buffer
		args := append([]string{"init", filepath.Join(dir, "new")}, test.args...)
		if code := run(args, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), test.want) {
			t.Errorf("huskies-hub %s: exit code %d, %q, want 1 and %q", strings.Join(args, " "), code, errs.String(), test.want)
		}
	}
	var errs bytes.Buffer
	if code := run([]string{"backup", first, filepath.Join(dir, "backup")}, io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), "this hub is one of 3, and does not run") {
		t.Errorf("a backup of one of three that does not run: exit code %d, %q", code, errs.String())
	}
	in, err := relay.ParseInvitation(command(t, "invite", first))
	if err != nil || in.Address != "a:4222,b:4222,c:4222" {
		t.Errorf("an invitation of three hubs names %v, error %v", in, err)
	}
}

// TestListsMerge: in whatever order lists are merged, they come to the same.
func TestListsMerge(t *testing.T) {
	at := func(minute int) *time.Time {
		m := time.Date(2026, 11, 30, 9, minute, 0, 0, time.UTC)
		return &m
	}
	parts := []lists{
		{members: []member{{Transport: "U1", Name: "a", AdmittedAt: *at(1)}}, invites: []invite{{Token: "t", ExpiresAt: *at(59)}}},
		{members: []member{{Transport: "U1", Name: "a", AdmittedAt: *at(1), RemovedAt: at(7)}, {Transport: "U2", AdmittedAt: *at(3)}}},
		{members: []member{{Transport: "U1", Name: "a", AdmittedAt: *at(1), RemovedAt: at(5)}}, invites: []invite{{Token: "t", ExpiresAt: *at(59), UsedBy: "U2"}}},
		{members: []member{{Transport: "U2", AdmittedAt: *at(2)}}, invites: []invite{{Token: "t", ExpiresAt: *at(59), UsedBy: "U3"}}},
	}
	var want []byte
	for _, order := range [][]int{{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}, {0, 0, 3, 1, 2, 3}} {
		var l lists
		for _, i := range order {
			if err := l.merge(parts[i]); err != nil && !errors.Is(err, errNothingNew) {
				t.Fatal(err)
			}
		}
		if sum := l.sum(*at(0)); want == nil {
			want = sum
		} else if !bytes.Equal(sum, want) {
			t.Errorf("merged in order %v: %+v", order, l)
		}
		if l.member("U1") != nil || l.member("U2") == nil || len(l.members) != 2 || l.invites[0].UsedBy != "U2" {
			t.Errorf("merged in order %v: %+v", order, l)
		}
		if err := l.merge(parts[1]); !errors.Is(err, errNothingNew) {
			t.Errorf("merging again: error %v, want that nothing is new", err)
		}
	}
}
