package oplog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// Keys are the replica's keys on their way into a copy of its database. SQLite writes a copy under
// a name, and a process that is killed leaves that file behind. So SQLite gets a stand-in for
// each key, and [Keys.Copy] puts the keys in their places while it copies the file to one that
// need not have a name yet.
type Keys struct {
	pairs []standIn
}

// standIn is a key's seed and what holds its place. Both have the same length.
type standIn struct{ placeholder, seed []byte }

// add returns the stand-in for a seed. It is a hash of the seed, so it stands nowhere else in a
// file by chance, and nobody who lacks the seed can put it there.
func (k *Keys) add(seed []byte) []byte {
	sum := sha256.Sum256(append([]byte("huskies-mcp stand-in\n"), seed...))
	k.pairs = append(k.pairs, standIn{sum[:], bytes.Clone(seed)})
	return sum[:]
}

// Copy copies src to dst with the keys in their places. It returns an error if a stand-in is not
// in src. The content of dst is a secret from then on.
func (k *Keys) Copy(dst io.Writer, src io.Reader) error {
	const overlap = sha256.Size - 1 // a stand-in may begin in one piece and end in the next
	found := make([]bool, len(k.pairs))
	buf, kept := make([]byte, 1<<16), 0
	for {
		n, err := io.ReadFull(src, buf[kept:])
		piece := buf[:kept+n]
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		for i, pair := range k.pairs {
			found[i] = replaceAll(piece, pair) || found[i]
		}
		done := piece
		if !last {
			done = piece[:len(piece)-overlap]
		}
		if _, err := dst.Write(done); err != nil {
			return err
		}
		if last {
			break
		}
		kept = copy(buf, piece[len(done):])
	}
	for i := range found {
		if !found[i] {
			return fmt.Errorf("key %d of %d has no place in the copy", i+1, len(found))
		}
	}
	return nil
}

// putInto puts the keys in their places in the file itself, and makes that durable.
func (k *Keys) putInto(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	// What is written stands before what is read next.
	err = k.Copy(io.NewOffsetWriter(f, 0), io.NewSectionReader(f, 0, math.MaxInt64))
	return errors.Join(err, f.Sync(), f.Close())
}

// replaceAll puts the seed in each place of its stand-in, and reports whether there was one.
func replaceAll(piece []byte, pair standIn) (found bool) {
	for {
		i := bytes.Index(piece, pair.placeholder)
		if i < 0 {
			return found
		}
		found = true
		piece = piece[i+copy(piece[i:], pair.seed):]
	}
}

// readKeys reads the keys that a backup is to hold, in the transaction that copies the rows, and
// returns what to store for each row. A seed that is no key is stored as it is, and is damage.
func (l *Log) readKeys(ctx context.Context, report *BackupReport) (stored map[int64][]byte, err error) {
	rows, err := l.file.Conn.QueryContext(ctx, "SELECT id, seed, author FROM main.crdt_node_identity WHERE seed IS NOT NULL")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	stored = make(map[int64][]byte)
	for rows.Next() {
		var id int64
		var seed, author []byte
		if err := rows.Scan(&id, &seed, &author); err != nil {
			return nil, err
		}
		stored[id] = seed
		if len(seed) == ed25519.SeedSize {
			stored[id] = report.Keys.add(seed)
		}
		if _, err := keyOf(seed, author); err != nil {
			report.Damage = append(report.Damage, Finding{Kind: FoundIdentity, Problem: Problem{Code: ProblemKey, Err: err}})
		}
	}
	return stored, rows.Err()
}

// storeKeys stores what stands for the keys in a copy that has the rows without them.
func storeKeys(ctx context.Context, to string, stored map[int64][]byte) error {
	backup, err := dbfile.Open(to, backupSettings)
	if err != nil {
		return err
	}
	for id, seed := range stored {
		if _, err := backup.ExecContext(ctx, "UPDATE crdt_node_identity SET seed = ? WHERE id = ?", seed, id); err != nil {
			return errors.Join(err, backup.Close())
		}
	}
	return backup.Close()
}
