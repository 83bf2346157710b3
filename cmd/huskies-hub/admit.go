package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
)

// maxName bounds what a machine calls itself, in bytes.
const maxName = 64

// publishTimeout bounds the wait for what the hub itself publishes.
const publishTimeout = 4 * time.Second // less than who asks waits

var (
	errInvitation = errors.New("the invitation is not known, was used, or has run out: ask for another one")
	// errLater: the stream cannot take the op that admits somebody. Of hubs that stand in for each other most must run.
	errLater = errors.New("the hub cannot admit this machine now")
	// errElsewhere: who asks is connected to another node.
	errElsewhere = errors.New("another hub answers")
	errWaits     = errors.New("an admin must accept this machine: huskies-mcp members accept, on the admin's machine")
)

// serveJoins answers who was invited, and admins who ask who waits.
func (g *gate) serveJoins(conn *nats.Conn) (err error) {
	if g.js, err = jetstream.New(conn); err != nil {
		return err
	}
	_, err = conn.Subscribe(relay.JoinSubject(g.pipeline), func(msg *nats.Msg) {
		var answer relay.JoinAnswer
		err := g.admit(msg)
		switch {
		case errors.Is(err, errElsewhere):
			return
		case err == nil:
			g.tellChange()
		case errors.Is(err, errWaits):
			g.tellChange()
			answer.Problem, answer.Waits = err.Error(), true
		default:
			answer.Problem, answer.Later = err.Error(), errors.Is(err, errLater)
			g.logger.Warn("a machine was not admitted", "error", err)
		}
		respond(msg, answer) // who asks again is told again
	})
	if err == nil {
		_, err = conn.Subscribe(relay.WaitingSubject(g.pipeline), func(msg *nats.Msg) {
			if l, err := g.folder.lists(); err == nil {
				respond(msg, l.waiting(g.roster.members()))
			}
		})
	}
	return err
}

func respond(msg *nats.Msg, answer any) {
	if b, err := json.Marshal(answer); err == nil {
		_ = msg.Respond(b)
	}
}

// waiting returns who waits to be accepted.
func (l lists) waiting(is *members.Members) []relay.Waiting {
	waiting := []relay.Waiting{}
	for _, m := range l.members {
		if m.Waits && m.RemovedAt == nil && is.Of(m.Author) == nil {
			waiting = append(waiting, relay.Waiting{Author: m.Author.String(), Transport: m.Transport, Name: m.Name, Since: m.AdmittedAt})
		}
	}
	return waiting
}

// admit makes who asks a member, or one who waits.
func (g *gate) admit(msg *nats.Msg) error {
	var request relay.JoinRequest
	if err := json.Unmarshal(msg.Data, &request); err != nil {
		return errors.New("the request cannot be read: is huskies-mcp there of another version?")
	}
	author, err := crdt.ParseAuthor(request.Author)
	g.mu.Lock()
	here := g.asking[request.Token]
	g.mu.Unlock()
	switch {
	case !here:
		return errElsewhere
	case err != nil || !author.Valid() || !nkeys.IsValidPublicUserKey(request.Transport):
		return errors.New("the request has no valid keys")
	case !ed25519.Verify(author[:], replica.MembershipText(g.pipeline, request.Transport), request.Signature):
		return errors.New("the request is not signed by the author that it names")
	case len(request.Name) > maxName || !utf8.ValidString(request.Name):
		return errors.New("the name is too long, or no text")
	}
	if err := g.meetOthers(); err != nil {
		return err
	}
	asked := member{Author: author, Transport: request.Transport, Name: request.Name, AdmittedAt: time.Now().UTC().Truncate(time.Second)}
	if err := g.enlist(&request, &asked); err != nil {
		return err
	}
	if asked.Waits {
		g.logger.Info("a machine waits for an admin to accept it", "name", request.Name, "author", author.Short())
		return errWaits
	}
	return g.admitMember(asked)
}

// enlist puts who asks on the list, by its invitation. Who asks again, since the answer was lost, is on it.
func (g *gate) enlist(request *relay.JoinRequest, asked *member) error {
	return g.folder.change(func(l *lists) error {
		in := l.find(request.Token, request.Secret, time.Now())
		is, before := g.roster.members(), l.member(asked.Transport)
		if s := byTransport(is)[asked.Transport]; s != nil && s.Author != asked.Author || before != nil && before.Author != asked.Author {
			return errors.New("the request names the transport key of another machine")
		}
		if in != nil && in.UsedBy == "" {
			in.UsedBy, asked.Waits = asked.Transport, in.Ask
			l.members = append(l.without(asked.Transport), *asked)
			return nil
		}
		if before == nil || in != nil && in.UsedBy != asked.Transport {
			return errInvitation
		}
		asked.Waits = before.Waits
		if is.Of(asked.Author) != nil && letIn(byTransport(is), is, *l, asked.Transport) == nil {
			return errInvitation // it was removed
		}
		return nil
	})
}

// without returns the members of the list but the one with an nkey.
func (l *lists) without(transport string) (others []member) {
	for _, m := range l.members {
		if m.Transport != transport || m.RemovedAt != nil {
			others = append(others, m)
		}
	}
	return others
}

// admitMember signs that somebody is a member, the first one as an admin.
func (g *gate) admitMember(m member) error {
	is := g.roster.members()
	if s := is.Of(m.Author); s != nil && s.Member && s.Transport == m.Transport {
		return nil
	}
	first, id := is.Count() == 0, ""
	if first { // of several nodes that know the same ops, one alone admits an admin
		id = fmt.Sprintf("first-behind-%d", len(g.roster.kept()))
	}
	signed, err := g.roster.sign(members.Change{Author: m.Author, Admin: first, Transport: m.Transport, Name: m.Name})
	if err == nil {
		err = g.publish(signed, id)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errLater, err)
	}
	g.logger.Info("a machine was admitted", "name", m.Name, "author", m.Author.Short(), "admin", first)
	return nil
}

// meetOthers reads whom other nodes have admitted, or removed: what this one has kept may be old.
func (g *gate) meetOthers() error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	if err := g.exchangeMembers(ctx); err != nil {
		return fmt.Errorf("%w: %w", errLater, err)
	}
	return nil
}

// admitLate signs the admission of a machine on the list, unless there is an op about it. When the machine asked, that could not be
// done.
func (g *gate) admitLate(m member) {
	err := g.meetOthers()
	if err == nil && g.roster.members().Of(m.Author) == nil {
		err = g.admitMember(m)
	}
	if err != nil {
		g.logger.Warn("a machine on the list is no member by a signed op yet", "name", m.Name, "error", err)
	}
}

// publish stores an op about members in the stream, and takes it in. Of several messages with one ID the hub stores the first. An
// empty ID stands for the op's own.
func (g *gate) publish(signed crdt.SignedOp, id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	msg := relay.NewMessage(relay.MembersSubject(g.pipeline), relay.StreamName(g.pipeline), &signed)
	if id != "" {
		msg.Header.Set(nats.MsgIdHdr, id)
	}
	ack, err := g.js.PublishMsg(ctx, msg)
	if err != nil {
		return err
	}
	if id != "" && ack.Duplicate {
		return errors.New("another hub was faster")
	}
	return g.roster.take(signed)
}
