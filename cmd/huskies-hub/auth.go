package main

import (
	"encoding/base64"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
)

// gate decides who may connect, and what each may do. It reads the lists at each connection, so that what other
// commands change counts at once.
type gate struct {
	folder   folder
	pipeline string
	logger   *slog.Logger
	// owner is the public nkey of the hub itself and of its commands.
	owner  string
	roster *roster
	// js is for what the hub itself publishes.
	js jetstream.JetStream
	// ready is closed when the streams are as this start leaves them. Members wait for it.
	ready chan struct{}
	// changed has a word when the lists have changed: other nodes are told.
	changed chan struct{}

	mu sync.Mutex
	// connected are the members' connections: their keys by the server's number.
	connected map[uint64]string
	// asking are the tokens of those who connected here to become a member. Another node answers others.
	asking map[string]bool
}

func newGate(d folder, config hubConfig, logger *slog.Logger) (*gate, error) {
	_, owner, err := d.ownerNkey()
	if err != nil {
		return nil, err
	}
	r, err := d.roster()
	return &gate{
		folder: d, pipeline: config.Pipeline, logger: logger, owner: owner, roster: r, ready: make(chan struct{}), changed: make(chan struct{}, 1),
		connected: make(map[uint64]string), asking: make(map[string]bool),
	}, err
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	if opts.Nkey == g.owner && isSigned(opts, c.GetNonce()) {
		c.RegisterUser(&server.User{Username: g.owner})
		return true
	}
	<-g.ready
	l, err := g.folder.lists()
	if err != nil {
		g.logger.Error("nobody is let in: the lists cannot be read", "error", err)
		return false
	}
	switch {
	case opts.Nkey != "":
		return isSigned(opts, c.GetNonce()) && g.letMemberIn(c, l)
	case l.find(opts.Username, opts.Password, time.Now()) != nil:
		c.RegisterUser(&server.User{Username: opts.Username, Permissions: guestPermissions(g.pipeline, opts.Username)})
		g.mu.Lock()
		g.asking[opts.Username] = true
		g.mu.Unlock()
		return true
	}
	return false
}

// letMemberIn lets in who has shown the key of a member. It looks and notes the connection under the lock that cut has, so whoever
// is removed meanwhile is refused here or cut there.
func (g *gate) letMemberIn(c server.ClientAuthentication, l lists) bool {
	transport := c.GetOpts().Nkey
	g.mu.Lock()
	defer g.mu.Unlock()
	is := g.roster.members()
	m := letIn(byTransport(is), is, l, transport)
	if m == nil {
		return false
	}
	if is.Of(m.Author) == nil {
		go g.admitLate(*m)
	}
	c.RegisterUser(&server.User{Username: transport, Permissions: memberPermissions(g.pipeline, m)})
	g.connected[c.GetID()] = transport
	g.logger.Info("a member has connected", "name", m.Name, "from", c.RemoteAddress().String())
	return true
}

// isSigned reports whether who connects has the key that it names.
func isSigned(opts *server.ClientOpts, nonce []byte) bool {
	key, err := nkeys.FromPublicKey(opts.Nkey)
	if err != nil {
		return false
	}
	signature, err := decodeSignature(opts.Sig)
	return err == nil && key.Verify(nonce, signature) == nil
}

// decodeSignature reads a signature as clients send it.
func decodeSignature(text string) ([]byte, error) {
	if b, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		return b, nil
	}
	return base64.StdEncoding.DecodeString(text)
}

// memberPermissions let a member read the streams, publish ops under its own author alone, and reserve
// stories.
func memberPermissions(pipeline string, m *member) *server.Permissions {
	publish := []string{
		relay.OwnSubjects(pipeline, m.Author.String()), relay.MembersSubject(pipeline), relay.WaitingSubject(pipeline),
		relay.ClaimSubjects(pipeline), relay.WantSubject(pipeline, m.Author.String()),
	}
	for _, stream := range []string{relay.StreamName(pipeline), relay.ClaimStreamName(pipeline)} {
		publish = append(publish,
			"$JS.API.STREAM.INFO."+stream, "$JS.API.STREAM.MSG.GET."+stream,
			"$JS.API.CONSUMER.CREATE."+stream+".>", "$JS.API.CONSUMER.DELETE."+stream+".>",
			"$JS.API.CONSUMER.INFO."+stream+".>", "$JS.API.CONSUMER.MSG.NEXT."+stream+".>",
			"$JS.ACK."+stream+".>", "$JS.FC."+stream+".>")
	}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: publish},
		Subscribe: &server.SubjectPermission{Allow: []string{relay.InboxPrefix(m.Transport) + ".>", relay.PassedWantSubject(pipeline, "*")}},
	}
}

// guestPermissions let who was invited ask to be a member, and nothing else.
func guestPermissions(pipeline, token string) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{relay.JoinSubject(pipeline)}},
		Subscribe: &server.SubjectPermission{Allow: []string{relay.InboxPrefix(token) + ".>"}},
	}
}

// cut ends the connections of those who are members no more, and forgets those that have ended.
func (g *gate) cut(srv *server.Server) error {
	l, err := g.folder.lists()
	if err != nil {
		return err
	}
	is := g.roster.members()
	by := byTransport(is)
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, transport := range g.connected {
		if letIn(by, is, l, transport) == nil {
			delete(g.connected, id)
			_ = srv.DisconnectClientByID(id) // it may have gone by itself
		} else if srv.GetClient(id) == nil {
			delete(g.connected, id)
		}
	}
	return nil
}

const (
	// listsInterval is how soon it is noticed that another command has changed the lists.
	listsInterval = 500 * time.Millisecond
	// forgetInterval is how soon connections that have ended are forgotten.
	forgetInterval = time.Minute
)

// follow tells the other nodes when another command has changed the lists, and cuts who is a member no more by them, or by what
// came of ops about members.
func (g *gate) follow(srv *server.Server, stop <-chan struct{}) {
	ticker := time.NewTicker(listsInterval)
	defer ticker.Stop()
	var is *members.Members // as of the last cut
	for seen, last := (time.Time{}), (time.Time{}); ; {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		changed := seen
		if info, err := os.Stat(g.folder.path("members.json")); err == nil {
			changed = info.ModTime()
		}
		now := g.roster.members()
		if !changed.Equal(seen) {
			g.tellChange()
		} else if now == is && time.Since(last) < forgetInterval {
			continue
		}
		if err := g.cut(srv); err != nil {
			g.logger.Error("the list of members cannot be read: nobody is cut", "error", err)
			continue
		}
		seen, is, last = changed, now, time.Now()
	}
}

// tellChange lets the other nodes hear of a change, if there are any.
func (g *gate) tellChange() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}
