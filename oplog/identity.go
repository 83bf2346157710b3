package oplog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
)

// key returns the replica's key. It is made with the schema, so in a file that
// has one, a key that is missing or damaged is an error, never a reason to make
// another: ops signed with a new key would be another author's.
func (s fileState) key() (ed25519.PrivateKey, error) {
	if n := len(s.identities); n != 1 {
		return nil, fmt.Errorf("there are %d keys, want 1", n)
	}
	seed, author := s.identities[0].Seed, s.identities[0].Author
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	if a := crdt.AuthorOf(key); string(author) != string(a[:]) {
		return nil, errors.New("the key does not give the author that stands beside it")
	}
	return key, nil
}

func (l *Log) damagedIdentity(err error) error {
	return &Error{
		Op: "load identity", Path: l.cfg.Path, Err: fmt.Errorf("this replica's identity is damaged: %w", err),
		Next: "restore the database from a backup, as the README says; or move it away, keep it, and start a new pipeline: " +
			"a new key is never made in place of a damaged one, and nothing in the file was changed",
	}
}

// createIdentity makes and stores a key.
func (l *Log) createIdentity(ctx context.Context) error {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(l.cfg.Rand, seed); err != nil {
		return fmt.Errorf("create key: %w", err)
	}
	author := crdt.AuthorOf(ed25519.NewKeyFromSeed(seed))
	err := db.New(l.conn).CreateIdentity(ctx, db.CreateIdentityParams{
		Seed:      seed,
		Author:    author[:],
		CreatedAt: l.cfg.Now().UnixMilli(),
	})
	if err != nil {
		return fmt.Errorf("store key: %w", err)
	}
	l.cfg.Logger.Info("created replica identity", "author", author.Short(), "path", l.path)
	return nil
}
