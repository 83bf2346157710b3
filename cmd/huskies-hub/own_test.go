package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/huskies/huskies-mcp/relay"
)

func init() { testCommands["own-nats"] = ownNATS }

// ownNATS is a NATS server as a team has it: with an operator, accounts and users that have credentials, and no part of
// huskies-hub. own-nats DIR HOST PORT.
func ownNATS() {
	dir := os.Args[1]
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			panic(err)
		}
		return string(b)
	}
	var port int
	fmt.Sscan(os.Args[3], &port)
	resolver := &server.MemAccResolver{}
	for _, account := range []string{"team", "sys"} {
		if err := resolver.Store(read(account+".pub"), read(account+".jwt")); err != nil {
			panic(err)
		}
	}
	srv, err := server.NewServer(&server.Options{
		Host: os.Args[2], Port: port, JetStream: true, StoreDir: filepath.Join(dir, "store"), JetStreamMaxStore: 16 << 30, SyncAlways: true, NoSigs: true,
		TrustedKeys: []string{read("operator.pub")}, AccountResolver: resolver, SystemAccount: read("sys.pub"),
	})
	if err != nil {
		panic(err)
	}
	srv.Start()
	srv.WaitForShutdown()
}

// ownServer is such a server.
type ownServer struct {
	*testHub
	creds string
}

// newOwnServer makes the keys and serves.
func newOwnServer(t *testing.T) *ownServer {
	t.Helper()
	s := &ownServer{testHub: &testHub{t: t, dir: folder(t.TempDir()), address: freeAddress(t), log: &lockedBuffer{}}}
	put := func(name, content string) string {
		if err := os.WriteFile(s.dir.path(name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return s.dir.path(name)
	}
	must := func(text string, err error) string {
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	operator, err := nkeys.CreateOperator()
	if err != nil {
		t.Fatal(err)
	}
	put("operator.pub", must(operator.PublicKey()))
	var team nkeys.KeyPair
	for _, name := range []string{"sys", "team"} {
		account, err := nkeys.CreateAccount()
		if err != nil {
			t.Fatal(err)
		}
		claims := jwt.NewAccountClaims(must(account.PublicKey()))
		if name == "team" {
			team = account
			claims.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
		}
		put(name+".pub", must(account.PublicKey()))
		put(name+".jwt", must(claims.Encode(operator)))
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	token := must(jwt.NewUserClaims(must(user.PublicKey())).Encode(team))
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	s.creds = put("user.creds", must(string(creds), err))
	s.serve()
	t.Cleanup(s.kill)
	return s
}

func (s *ownServer) serve() {
	s.t.Helper()
	host, port, _ := strings.Cut(s.address, ":")
	s.process = exec.Command("own-nats", string(s.dir), host, port)
	s.process.Stderr = s.log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	await(s.t, "the NATS server takes the credentials: "+s.log.String(), func() bool {
		conn, err := relay.DialOwn("nats://" + s.address + "?creds=" + s.creds)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// TestOwnNATS: two machines share a pipeline by a NATS server that knows nothing of it but its streams.
func TestOwnNATS(t *testing.T) {
	t.Parallel()
	s := newOwnServer(t)
	out := command(t, "setup", "nats://"+s.address, "--creds", s.creds)
	_, url, found := strings.Cut(out, "huskies-mcp join --creds FILE ")
	url, _, _ = strings.Cut(url, "\n")
	if !found || !strings.Contains(out, "sync_interval: always") {
		t.Fatalf("setup says %s", out)
	}
	a, b := newMachine(t), newMachine(t)
	a.write("1_story_before")
	for _, m := range []*machine{a, b} {
		if out, err := m.huskies("join", "--creds", s.creds, url); err != nil || !strings.Contains(out, "have the same ops") {
			t.Fatalf("join: %v, %s", err, out)
		}
		m.relay()
	}
	b.write("2_story_from_b")
	converge(t, 2, a, b)
	await(t, "a story is claimed once", func() bool {
		got, err := a.call("ann", "claim_item", `{"story_id":"1_story_before","lease_seconds":3600}`)
		return err == nil && got.Claimed
	})
	if _, err := b.call("bob", "claim_item", `{"story_id":"1_story_before"}`); err == nil || !strings.Contains(err.Error(), "ann") {
		t.Errorf("bob claims what ann has: %v", err)
	}
	s.kill()
	a.write("3_story_alone")
	s.serve()
	converge(t, 4, a, b)
	if out := command(t, "setup", url, "--creds", s.creds); !strings.Contains(out, url) {
		t.Errorf("setup of a pipeline that is there says %s", out)
	}
	if out, err := a.huskies("doctor"); err != nil || !strings.Contains(out, "sync_interval: always") {
		t.Errorf("doctor: %v, %s", err, out)
	}
	a.write("4_story_after")
	converge(t, 5, a, b)
}

func TestOwnNATSRefuses(t *testing.T) {
	t.Parallel()
	s := newOwnServer(t)
	m := newMachine(t)
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"nats://" + s.address + "/abcdefghijkl2"}, "Authorization Violation"},
		{[]string{"nats://" + s.address + "/abcdefghijkl2", "--creds", s.creds}, "stream not found"},
		{[]string{"nats://" + s.address, "--creds", s.creds}, "it has no pipeline behind the port"},
		{[]string{"nats://me:secret@" + s.address + "/abcdefghijkl2"}, "give a credentials file"},
		{[]string{"nats://" + s.address + "/abcdefghijkl2", "--creds", s.creds + "x"}, "the credentials cannot be read"},
		{[]string{"huskies://x:1/abcdefghijkl2", "--creds", s.creds}, "--creds is for a NATS server of your own"},
	} {
		if out, err := m.huskies(append([]string{"join"}, test.args...)...); err == nil || !strings.Contains(out, test.want) {
			t.Errorf("join %s: error %v, %s, want %q", test.args, err, out, test.want)
		}
	}
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"nats://" + s.address}, "Authorization Violation"},
		{[]string{"http://" + s.address}, "does not begin with nats://"},
		{[]string{}, "give the URL"},
	} {
		var errs bytes.Buffer
		if code := run(append([]string{"setup"}, test.args...), io.Discard, &errs); code != 1 || !strings.Contains(errs.String(), test.want) {
			t.Errorf("setup %s: exit code %d, %q, want 1 and %q", test.args, code, errs.String(), test.want)
		}
	}
}
