package main

import (
	"strings"
	"testing"
)

// TestSharedKey: machines that are thrown away sign with one key. With one invitation each of them is let in, what all of them write
// counts, and a story is claimed on one.
func TestSharedKey(t *testing.T) {
	t.Parallel()
	h := newHub(t)
	in := h.invite().String()
	key := "HUSKIES_TEST_KEY=" + strings.Repeat("5a", 32)
	runners := []*machine{newMachine(t), newMachine(t), newMachine(t)}
	for _, m := range runners {
		m.env = []string{key}
		if out, err := m.huskies("join", "--key-env", "HUSKIES_TEST_KEY", in); err != nil {
			t.Fatalf("join: %v, %s", err, out)
		}
		m.relay()
	}
	a, b := runners[0], runners[1]
	a.write("1_story_x")
	b.write("2_story_y")
	converge(t, 2, runners...)
	if out := command(t, "members", string(h.dir)); strings.Count(out, "admin") != 1 {
		t.Errorf("the members are %s, want one", out)
	}
	await(t, "ann claims a story", func() bool {
		got, err := a.call("ann", "claim_item", `{"story_id":"1_story_x","lease_seconds":3600}`)
		return err == nil && got.Claimed
	})
	if got, err := b.call("bob", "claim_item", `{"story_id":"1_story_x"}`); err == nil {
		t.Errorf("bob claims what ann has on a machine with the same key: %+v", got)
	}
	other := newMachine(t)
	other.write("1_story_of_its_own")
	for _, test := range []struct {
		m    *machine
		env  string
		want string
	}{
		{newMachine(t), "HUSKIES_TEST_KEY=", "is empty"},
		{newMachine(t), "HUSKIES_TEST_KEY=5a5a", "holds no key"},
		{other, key, "has a key of its own"},
	} {
		test.m.env = []string{test.env}
		if out, err := test.m.huskies("join", "--key-env", "HUSKIES_TEST_KEY", in); err == nil || !strings.Contains(out, test.want) {
			t.Errorf("join with %s: %v, %s, want %q", test.env, err, out, test.want)
		}
	}
}
