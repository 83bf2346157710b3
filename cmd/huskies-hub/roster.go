package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/oplog/bundle"
)

// roster is who is a member, by the ops about members that the hub has seen: those of its stream, which it also keeps in
// the file members.jsonl, so that they outlive the store. It signs with the owner's key, whose word always counts.
type roster struct {
	root ed25519.PrivateKey
	file string

	mu   sync.Mutex
	ops  []members.Op
	all  []crdt.SignedOp
	seen map[crdt.OpID]bool
	// is says who is a member. It is nil if ops came since. To decide that costs more than to take in an op, and a member may send
	// very many.
	is *members.Members
}

const rosterFile = "members.jsonl"

// roster reads the file.
func (d folder) roster() (*roster, error) {
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	r := &roster{root: root, file: d.path(rosterFile), seen: make(map[crdt.OpID]bool)}
	f, err := os.Open(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for in := bundle.NewReader(f); ; {
		signed, err := in.Next()
		var bad *bundle.LineError
		switch {
		case errors.Is(err, io.EOF):
			return r, nil
		case errors.As(err, &bad):
			continue // a line that was cut off: the stream has the op
		case err != nil:
			return nil, err
		}
		r.enter(signed)
	}
}

// enter takes in an op, unless it is known or is none about members. The caller has the lock, or the roster for itself.
func (r *roster) enter(signed crdt.SignedOp) (isNew bool) {
	if r.seen[signed.ID] {
		return false
	}
	op, err := crdt.Verify(signed.Payload, signed.Signature)
	if err != nil || op.Story != members.Story {
		return false
	}
	r.seen[op.ID], r.is = true, nil
	r.ops, r.all = append(r.ops, members.Read(op)), append(r.all, signed)
	return true
}

// take takes in ops and keeps those that are new.
func (r *roster) take(ops ...crdt.SignedOp) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var lines []byte
	for _, op := range ops {
		if r.enter(op) {
			lines = bundle.AppendLine(lines, op)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	return r.keep(lines)
}

// keep appends lines to the file, durably.
func (r *roster) keep(lines []byte) error {
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte("\n"), lines...)) // what was cut off before is a line of its own
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(r.file)) // the file may be new
	}
	return errors.Join(err, f.Close())
}

// members returns who is a member.
func (r *roster) members() *members.Members {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.decided()
}

// decided is members for a caller that has the lock.
func (r *roster) decided() *members.Members {
	if r.is == nil {
		r.is = members.Decide(crdt.AuthorOf(r.root), r.ops)
	}
	return r.is
}

// kept returns all ops.
func (r *roster) kept() []crdt.SignedOp {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]crdt.SignedOp(nil), r.all...)
}

// sign signs an op of the owner behind all that is known. It counts once it was taken in.
func (r *roster) sign(changes ...members.Change) (crdt.SignedOp, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	op := &crdt.Op{Story: members.Story, At: time.Now().UnixMilli()}
	for i := range changes {
		op.Edits = append(op.Edits, changes[i].Edit())
	}
	is := r.decided()
	op.Parents, op.Seq = members.Next(r.ops, is.Counts, is)
	signed, err := crdt.Sign(op, r.root)
	if err != nil {
		return signed, fmt.Errorf("sign an op about members: %w", err)
	}
	return signed, nil
}

// byTransport returns, by their nkeys, those who connect with one. Of several authors that are said to have one nkey it
// is the first by [members.Members.All].
func byTransport(is *members.Members) map[string]*members.Standing {
	by := make(map[string]*members.Standing)
	for _, s := range is.All() {
		if s.Transport != "" && by[s.Transport] == nil {
			by[s.Transport] = s
		}
	}
	return by
}

// letIn returns who connects with an nkey, nil if nobody may: a member by the ops, or somebody in the list of whom no
// op speaks yet.
func letIn(by map[string]*members.Standing, is *members.Members, l lists, transport string) *member {
	if s := by[transport]; s != nil {
		if !s.Member {
			return nil
		}
		return &member{Author: s.Author, Transport: transport, Name: s.Name}
	}
	m := l.member(transport)
	if m == nil {
		return nil
	}
	if s := is.Of(m.Author); s != nil && !s.Member || s == nil && m.Waits {
		return nil
	}
	return m
}
