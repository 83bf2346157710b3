package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

// Nodes keep the lists of who was invited, and of who was admitted or waits, the same. Each tells the others now and then what
// its lists come to. One whose lists come to something else sends them, and both take in what they lack. It needs no majority
// of nodes. Who is a member is said by ops of the stream, which does: see [roster].

const (
	// tellInterval is how often a node tells what its lists come to.
	tellInterval = 2 * time.Second
	// maxTold bounds the entries of a message: one has some 300 bytes.
	maxTold = 100
)

// told is what nodes send each other: a signature with the owner's key, and JSON. Who may make a consumer of a stream can have
// messages of its own delivered anywhere, so the subject says nothing of who sends.
type told struct {
	// From is the node.
	From int `json:"from"`
	// Sum is what the lists come to; empty in a message that has entries.
	Sum     []byte   `json:"sum,omitempty"`
	Members []member `json:"members,omitempty"`
	Invites []invite `json:"invites,omitempty"`
}

func listsSubject(pipeline string) string { return "hk." + pipeline + ".lists" }

// shareLists keeps the lists those of the other nodes, until ctx ends.
func (g *gate) shareLists(ctx context.Context, conn *nats.Conn, node int) error {
	messages := make(chan *nats.Msg, 64)
	sub, err := conn.ChanSubscribe(listsSubject(g.pipeline), messages)
	if err != nil {
		return err
	}
	go func() {
		defer sub.Unsubscribe()
		ticker := time.NewTicker(tellInterval)
		defer ticker.Stop()
		for {
			err := error(nil)
			select {
			case msg := <-messages:
				err = g.hear(conn, node, msg.Data)
			case <-g.changed:
				err = g.tellAll(conn, node)
			case <-ticker.C:
				err = g.tellSum(conn, node)
			case <-ctx.Done():
				return
			}
			if err != nil && ctx.Err() == nil {
				g.logger.Error("the lists are not kept those of the other hubs", "error", err)
			}
		}
	}()
	return nil
}

func (g *gate) hear(conn *nats.Conn, node int, data []byte) error {
	size := min(len(data), ed25519.SignatureSize)
	signature, text := data[:size], data[size:]
	if !ed25519.Verify(g.roster.root.Public().(ed25519.PublicKey), toldText(text), signature) {
		return errors.New("what came in the name of another hub is not signed by the owner")
	}
	var t told
	if err := json.Unmarshal(text, &t); err != nil {
		return err
	}
	if t.From == node {
		return nil
	}
	if len(t.Sum) == 0 {
		err := g.folder.change(func(l *lists) error { return l.merge(lists{t.Members, t.Invites}) })
		if errors.Is(err, errNothingNew) {
			err = nil
		}
		return err
	}
	l, err := g.folder.lists()
	if err != nil || bytes.Equal(l.sum(time.Now()), t.Sum) {
		return err
	}
	return g.tellAll(conn, node)
}

func (g *gate) tellSum(conn *nats.Conn, node int) error {
	l, err := g.folder.lists()
	if err != nil {
		return err
	}
	return g.tell(conn, told{From: node, Sum: l.sum(time.Now())})
}

// tellAll sends the lists.
func (g *gate) tellAll(conn *nats.Conn, node int) error {
	l, err := g.folder.lists()
	if err != nil {
		return err
	}
	for part := range slices.Chunk(l.members, maxTold) {
		if err := g.tell(conn, told{From: node, Members: part}); err != nil {
			return err
		}
	}
	for part := range slices.Chunk(l.invites, maxTold) {
		if err := g.tell(conn, told{From: node, Invites: part}); err != nil {
			return err
		}
	}
	return nil
}

func (g *gate) tell(conn *nats.Conn, t told) error {
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return conn.Publish(listsSubject(g.pipeline), append(ed25519.Sign(g.roster.root, toldText(b)), b...))
}

// toldText is what a node signs. It begins as no op does.
func toldText(text []byte) []byte { return append([]byte("huskies-lists-v1\n"), text...) }

// errNothingNew: the lists have all of the others.
var errNothingNew = errors.New("nothing is new")

// merge takes in what the other lists have. In whatever order nodes do it, they come to the same.
func (l *lists) merge(other lists) error {
	before := l.sum(time.Time{})
	for _, m := range other.members {
		i := slices.IndexFunc(l.members, m.isSame)
		switch {
		case i < 0:
			l.members = append(l.members, m)
		case m.RemovedAt != nil && (l.members[i].RemovedAt == nil || m.RemovedAt.Before(*l.members[i].RemovedAt)):
			l.members[i].RemovedAt = m.RemovedAt
		}
	}
	l.members = withoutTwins(l.members)
	for _, in := range other.invites {
		i := slices.IndexFunc(l.invites, func(have invite) bool { return have.Token == in.Token })
		switch {
		case i < 0:
			l.invites = append(l.invites, in)
		case in.UsedBy != "" && (l.invites[i].UsedBy == "" || in.UsedBy < l.invites[i].UsedBy):
			l.invites[i].UsedBy = in.UsedBy
		}
	}
	if bytes.Equal(before, l.sum(time.Time{})) {
		return errNothingNew
	}
	return nil
}

// isSame reports whether the two are one admission of one machine.
func (m *member) isSame(other member) bool {
	return m.Transport == other.Transport && m.AdmittedAt.Equal(other.AdmittedAt)
}

// withoutTwins leaves out a machine that two nodes admitted at once: the earlier of the two stays.
func withoutTwins(members []member) []member {
	return slices.DeleteFunc(slices.Clone(members), func(m member) bool {
		return m.RemovedAt == nil && slices.ContainsFunc(members, func(other member) bool {
			return other.RemovedAt == nil && other.Transport == m.Transport && other.AdmittedAt.Before(m.AdmittedAt)
		})
	})
}

// sum is what the lists come to, in whatever order they are. Invitations that have run out are nothing.
func (l *lists) sum(now time.Time) []byte {
	members := slices.SortedFunc(slices.Values(l.members), func(a, b member) int {
		return cmp.Or(cmp.Compare(a.Transport, b.Transport), a.AdmittedAt.Compare(b.AdmittedAt))
	})
	invites := slices.DeleteFunc(slices.SortedFunc(slices.Values(l.invites), func(a, b invite) int {
		return cmp.Compare(a.Token, b.Token)
	}), func(in invite) bool { return in.ExpiresAt.Before(now) })
	sum := sha256.New()
	lines := json.NewEncoder(sum) // a hash takes all
	for _, m := range members {
		_ = lines.Encode(m)
	}
	for _, in := range invites {
		_ = lines.Encode(in)
	}
	return sum.Sum(nil)
}
