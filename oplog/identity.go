package oplog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Identity is one of the replica's authors: the present one, or one that the
// file signed as in another home. Ops of all of them are the replica's own.
type Identity struct {
	Author    crdt.Author
	CreatedAt int64 // ms since 1970 UTC, by the clock of the machine that made the key
	// Path is where the database was when it last signed as this author.
	Path string
	// Elsewhere: that was on another machine, as far as machines can be told apart.
	Elsewhere bool
	// Keyless: a backup left the key out, so nobody can sign with it here.
	Keyless bool
	// Present: the log signs as this author.
	Present bool
}

// identities returns what the rows say, without those that are damaged.
func (l *Log) identities(rows []db.IdentitiesRow) []Identity {
	present := l.Author()
	var all []Identity
	for _, row := range rows {
		id := Identity{
			CreatedAt: row.CreatedAt,
			Path:      row.Path,
			Elsewhere: row.Machine != l.cfg.Machine && row.Machine != "" && l.cfg.Machine != "",
			Keyless:   row.Keyless != 0,
		}
		if copy(id.Author[:], row.Author) != len(id.Author) || len(row.Author) != len(id.Author) {
			continue
		}
		id.Present = id.Author == present && present != crdt.Author{}
		all = append(all, id)
	}
	return all
}

// Key returns the key that this process signs with. It is nil if [Open] found
// none whose home is here; [Create] makes out which one it is, or makes one.
func (l *Log) Key() ed25519.PrivateKey {
	if key := l.key.Load(); key != nil {
		return *key
	}
	return nil
}

// setKey makes a key the log's, or none if it is nil.
func (l *Log) setKey(key ed25519.PrivateKey) {
	if key == nil {
		l.key.Store(nil)
		return
	}
	l.key.Store(&key)
}

// Ready reports whether the log can be written to: its schema is current, it has a Key,
// and is set to write-ahead logging, which a backup is not. Otherwise [Create] sees to
// it.
func (l *Log) Ready() bool {
	return l.version == newestSchema && l.Key() != nil && l.file.Journal == dbfile.WALMode
}

// Author returns the author that Key gives, the zero one if there is no key.
func (l *Log) Author() crdt.Author {
	key := l.Key()
	if key == nil {
		return crdt.Author{}
	}
	return crdt.AuthorOf(key)
}

// ownAuthors returns the replica's authors, also of a file of an older schema,
// or what is damaged among their keys.
func ownAuthors(ctx context.Context, queries *db.Queries) (own []crdt.Author, err error) {
	rows, err := queries.Seeds(ctx)
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, errNoKey
	}
	for _, row := range rows {
		if row.Keyless == 0 {
			if _, err := keyOf(row.Seed, row.Author); err != nil {
				return nil, err
			}
		}
		var author crdt.Author
		copy(author[:], row.Author)
		own = append(own, author)
	}
	return own, nil
}

var errNoKey = errors.New("there is no key")

// keyOf returns the key that a row with a seed has.
func keyOf(seed, author []byte) (ed25519.PrivateKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("the key has %d bytes, want %d", len(seed), ed25519.SeedSize)
	}
	key := ed25519.NewKeyFromSeed(seed)
	if a := crdt.AuthorOf(key); string(author) != string(a[:]) {
		return nil, errors.New("the key does not give the author that stands beside it")
	}
	return key, nil
}

// useKey makes the key in the row the log's.
func (l *Log) useKey(row db.IdentitiesRow) error {
	key, err := keyOf(row.Seed, row.Author)
	l.setKey(key)
	if err != nil {
		return l.damagedIdentity(err)
	}
	return nil
}

// checkKeys refuses a file in which another key would stand in for a damaged
// one. The first key is made with the schema, so a file with none at all is
// damaged too: ops signed with a new key would be another author's.
func (l *Log) checkKeys(rows []db.IdentitiesRow) error {
	if len(rows) == 0 {
		return l.damagedIdentity(errNoKey)
	}
	for _, row := range rows {
		if row.Keyless != 0 {
			continue
		}
		if _, err := keyOf(row.Seed, row.Author); err != nil {
			return l.damagedIdentity(err)
		}
	}
	return nil
}

func (l *Log) damagedIdentity(err error) error {
	return &Error{Op: "load identity", Path: l.cfg.Path, Code: CodeIdentity, Err: fmt.Errorf("this replica's identity is damaged: %w", err)}
}

// firstIdentity stores the key that a new database begins with.
func (l *Log) firstIdentity(ctx context.Context) (ed25519.PrivateKey, error) {
	if l.cfg.Seed != nil {
		return l.storeIdentity(ctx, l.cfg.Seed)
	}
	return l.createIdentity(ctx)
}

// createIdentity makes and stores a key whose home is here.
func (l *Log) createIdentity(ctx context.Context) (ed25519.PrivateKey, error) {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(l.cfg.Rand, seed); err != nil {
		return nil, fmt.Errorf("create key: %w", err)
	}
	return l.storeIdentity(ctx, seed)
}

func (l *Log) storeIdentity(ctx context.Context, seed []byte) (ed25519.PrivateKey, error) {
	key := ed25519.NewKeyFromSeed(seed)
	author := crdt.AuthorOf(key)
	err := db.New(l.file.Conn).CreateIdentity(ctx, db.CreateIdentityParams{
		Seed:      seed,
		Author:    author[:],
		CreatedAt: l.cfg.Now().UnixMilli(),
		Machine:   l.cfg.Machine,
		Path:      l.file.Path,
	})
	if err != nil {
		return nil, fmt.Errorf("store key: %w", err)
	}
	return key, nil
}
