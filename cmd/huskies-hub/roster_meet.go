package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
)

// meetMembers brings the roster and the stream together, and signs the admission of those who stand in the list of a
// build that signed none. Then whoever is removed, by whomever, is known until ctx ends. Nodes let members in before, by what
// each has kept: so who was removed meanwhile is cut at once.
func (g *gate) meetMembers(ctx context.Context, srv *server.Server) error {
	if err := g.exchangeMembers(ctx); err != nil {
		return fmt.Errorf("read the members: %w", err)
	}
	if err := g.signLists(ctx); err != nil {
		return fmt.Errorf("admit the members of the list: %w", err)
	}
	if err := g.cut(srv); err != nil {
		return err
	}
	return g.followMembers(ctx)
}

// exchangeMembers takes in the ops about members of the stream, and stores there those that it does not have.
func (g *gate) exchangeMembers(ctx context.Context) error {
	there, err := streamMembers(ctx, g.js, g.pipeline)
	if err != nil {
		return err
	}
	if err := g.roster.take(there...); err != nil {
		return err
	}
	has := make(map[crdt.OpID]bool)
	for i := range there {
		has[there[i].ID] = true
	}
	for _, signed := range g.roster.kept() {
		if !has[signed.ID] {
			msg := relay.NewMessage(relay.MembersSubject(g.pipeline), relay.StreamName(g.pipeline), &signed)
			if _, err := g.js.PublishMsg(ctx, msg); err != nil {
				return err
			}
		}
	}
	return nil
}

// streamMembers returns the ops about members of the stream.
func streamMembers(ctx context.Context, js jetstream.JetStream, pipeline string) (ops []crdt.SignedOp, err error) {
	stream, err := js.Stream(ctx, relay.StreamName(pipeline))
	if err != nil {
		return nil, err
	}
	all, err := relay.ReadMembers(ctx, stream, pipeline, 0)
	for i := range all {
		ops = append(ops, all[i].Signed)
	}
	return ops, err
}

// signLists signs what an older build noted in the list alone: who was admitted, the first one as an admin, and who was
// removed.
func (g *gate) signLists(ctx context.Context) error {
	l, err := g.folder.lists()
	if err != nil {
		return err
	}
	for _, m := range l.members {
		is := g.roster.members()
		if m.Waits || is.Of(m.Author) != nil {
			continue
		}
		add := members.Change{Author: m.Author, Transport: m.Transport, Name: m.Name, Admin: m.RemovedAt == nil && is.Count() == 0}
		changes := []members.Change{add}
		if m.RemovedAt != nil {
			heads, err := streamHeads(ctx, g.js, g.pipeline, m.Author)
			if err != nil {
				return err
			}
			if len(heads) == 0 {
				continue // an admin's machine may know what it wrote
			}
			changes = append(changes, members.Change{Author: m.Author, Remove: true, Heads: heads})
		}
		signed, err := g.roster.sign(changes...)
		if err == nil {
			err = g.publish(signed, "")
		}
		if err != nil {
			return err
		}
		g.logger.Info("a member of the list is one by a signed op now", "name", m.Name, "author", m.Author.Short(), "removed", m.RemovedAt != nil)
	}
	return nil
}

// streamHeads returns the heads of an author's ops in the stream. Of others' ops nobody asks who signed them: they only
// say who descends from whom, and a false one is an ancestor of nothing that the author signed.
func streamHeads(ctx context.Context, js jetstream.JetStream, pipelineID string, a crdt.Author) ([]crdt.OpID, error) {
	last, err := lastMessage(ctx, js, pipelineID)
	if err != nil {
		return nil, err
	}
	g := members.NewGraph()
	err = eachMessage(ctx, js, pipelineID, last, func(msg jetstream.Msg) error {
		signed, err := relay.ReadMessage(msg.Data())
		if err != nil {
			return nil // it is no op
		}
		op, err := crdt.Decode(signed.Payload)
		if err == nil && op.Author == a {
			op, err = crdt.Verify(signed.Payload, signed.Signature)
		}
		if err == nil {
			g.Add(op, pipeline.Check(op) == nil)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	g.Join()
	return g.HeadsOf(a, func(crdt.OpID) bool { return true }), nil
}

// followMembers takes in what comes of ops about members. Who is no member any more is cut by [gate.follow].
func (g *gate) followMembers(ctx context.Context) error {
	consumer, err := g.js.OrderedConsumer(ctx, relay.StreamName(g.pipeline), jetstream.OrderedConsumerConfig{FilterSubjects: []string{relay.MembersSubject(g.pipeline)}})
	if err != nil {
		return fmt.Errorf("follow the members: %w", err)
	}
	consuming, err := consumer.Consume(func(msg jetstream.Msg) {
		signed, err := relay.ReadMessage(msg.Data())
		if err != nil {
			return
		}
		if err := g.roster.take(signed); err != nil {
			g.logger.Error("what was said of the members was not kept", "error", err)
		}
	})
	if err != nil {
		return fmt.Errorf("follow the members: %w", err)
	}
	context.AfterFunc(ctx, consuming.Stop)
	return nil
}
