package oplog

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// A home is a machine and a path. A copy of a database must not sign with the
// key of its original: what the two write apart would be one author's two
// truths. So each key has a home, and a file whose home is not here gets a key
// of its own when it is first written to. docs/decisions/0006-homes.md has the
// reasons.

// resident returns the row of the key whose home is here, or nil if there is
// none, or none for certain. Of a file that stays where it is this compares two
// strings.
func (l *Log) resident(rows []db.IdentitiesRow) *db.IdentitiesRow {
	here := slices.DeleteFunc(slices.Clone(rows), func(row db.IdentitiesRow) bool { return row.Keyless != 0 })
	for i := range here {
		if here[i].Machine == l.cfg.Machine && here[i].Path == l.file.Path {
			return &here[i]
		}
	}
	// The machine's ID cannot be read, now or at any time: the path alone decides,
	// if it does.
	if l.cfg.Machine == "" {
		here = slices.DeleteFunc(here, func(row db.IdentitiesRow) bool { return row.Path != l.file.Path })
		if len(here) == 1 {
			return &here[0]
		}
		return nil
	}
	// The same file by another name: a hard link, a folder mounted twice, a file
	// system that takes one case for the other.
	for i := range here {
		if here[i].Machine == l.cfg.Machine {
			if info, err := os.Stat(here[i].Path); err == nil && os.SameFile(info, l.file.Info) {
				return &here[i]
			}
		}
	}
	return nil
}

// findKey makes the key whose home is here the log's, if there is one.
func (l *Log) findKey(rows []db.IdentitiesRow) error {
	if row := l.resident(rows); row != nil {
		return l.useKey(*row)
	}
	return l.checkKeys(rows)
}

// errKeyGone: the key that the log was opened with is not in the file any more, or not at home here.
// A backup without the key may have been put over the file.
var errKeyGone = errors.New("the key is not in the file any more")

// checkKey returns errKeyGone unless the log's key is still the one to sign with.
func (l *Log) checkKey(ctx context.Context) error {
	rows, err := l.queries.Identities(ctx)
	if err != nil {
		return err
	}
	author := l.Author()
	if row := l.resident(rows); row == nil || string(row.Author) != string(author[:]) {
		return errKeyGone
	}
	return nil
}

// moveIn makes this the home of one of the file's keys, or of a fresh one, and makes
// the state anew: the tables that came with the file are somebody else's word. The
// caller holds the lock. If moveIn fails, the file is as it was, or as after a failed
// commit the next look will say.
func (l *Log) moveIn(ctx context.Context) error {
	var tell func()
	err := l.transaction(ctx, func() error {
		rows, err := db.New(l.file.Conn).Identities(ctx)
		if err != nil {
			return err
		}
		if err := l.findKey(rows); err != nil || l.Key() != nil {
			return err // another process has moved in
		}
		if tell, err = l.settleIn(ctx, rows); err != nil {
			return err
		}
		return l.rebuildWithin(ctx)
	})
	if err != nil {
		l.setKey(nil)
		return err
	}
	if tell != nil {
		tell()
		l.cutWAL(ctx)
	}
	return nil
}

// settleIn gives the log the key whose home is here from now on. Tell says so, when the
// transaction is committed.
func (l *Log) settleIn(ctx context.Context, rows []db.IdentitiesRow) (tell func(), err error) {
	if row := l.moved(ctx, rows); row != nil {
		tell = func() {
			if row.Path != l.file.Path {
				l.cfg.Logger.Info("database was moved here: it keeps its key", "from", row.Path, "to", l.file.Path)
			}
		}
		return tell, l.moveHome(ctx, *row)
	}
	why := l.whyFresh(rows)
	key, err := l.createIdentity(ctx)
	if err != nil {
		return nil, err
	}
	l.setKey(key)
	var former crdt.Author
	copy(former[:], rows[len(rows)-1].Author)
	return func() {
		l.cfg.Logger.Warn("this replica has a fresh key, since "+why+". Its history stays. Other replicas with a list of trusted authors hold its ops until a person adds the author to that list",
			"author", l.Author().String(), "former_author", former.Short(), "path", l.file.Path)
	}, nil
}

// moved returns the row of the key whose home is to be here from now on: the one
// of this path, if its machine was not known, or the last one of this machine, if
// its file is not where it was. An older one of this machine is no candidate: the
// file was a copy then already, and so may be others of which nobody knows.
func (l *Log) moved(ctx context.Context, rows []db.IdentitiesRow) *db.IdentitiesRow {
	if l.cfg.Machine == "" {
		return nil // another path may be on another machine
	}
	for _, row := range slices.Backward(rows) {
		if row.Keyless == 0 && row.Machine == "" && row.Path == l.file.Path {
			return &row
		}
	}
	for _, row := range slices.Backward(rows) {
		if row.Keyless == 0 && row.Machine == l.cfg.Machine {
			if holdsKey(ctx, row.Path, row.Author) {
				return nil
			}
			return &row
		}
	}
	return nil
}

func (l *Log) moveHome(ctx context.Context, row db.IdentitiesRow) error {
	if err := l.useKey(row); err != nil {
		return err
	}
	_, err := db.New(l.file.Conn).MoveHome(ctx, db.MoveHomeParams{Machine: l.cfg.Machine, Path: l.file.Path, ID: row.ID})
	return err
}

// whyFresh says why none of the keys may be used.
func (l *Log) whyFresh(rows []db.IdentitiesRow) string {
	keys, machine, path := 0, 0, 0 // all, those of this machine, those of this path
	for _, row := range rows {
		if row.Keyless != 0 {
			continue
		}
		keys++
		if row.Machine == l.cfg.Machine {
			machine++
		}
		if row.Path == l.file.Path {
			path++
		}
	}
	switch {
	case keys == 0:
		return "it was restored from a backup without one"
	case l.cfg.Machine == "" && path > 0:
		return "this machine's ID cannot be read, and the database has been at this path on several machines"
	case l.cfg.Machine == "":
		return "the database was at another path, and this machine's ID cannot be read to tell a move from a copy"
	case machine > 0:
		return "this is a copy of a database that is still where it was"
	}
	return "the database was copied from another machine"
}

// holdsKey reports whether the file at path is a database that can sign as the
// author. What cannot be looked at is taken for one: a fresh key too many is
// better than one key in two places. The caller knows that the file is not the
// one it has open: SQLite alone may open that.
func holdsKey(ctx context.Context, path string, author []byte) bool {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return false
	case err != nil:
		return true
	case !info.Mode().IsRegular() || info.Size() == 0 || !mayBeOurs(path):
		return false
	}
	found, err := countKeys(ctx, path, author)
	var se *sqlite.Error
	if errors.As(err, &se) && se.Code()&0xff == sqlite3.SQLITE_NOTADB {
		return false
	}
	return err != nil || found > 0
}

// mayBeOurs reports whether the header of the file at path allows that it is a database of ours. The
// path stands in a file that somebody else may have made, and SQLite makes files beside what it opens.
func mayBeOurs(path string) bool {
	const cookieAt, applicationAt, headerBytes = 40, 68, 100 // sqlite.org/fileformat2.html, 1.3
	header, err := dbfile.ReadPlain(path, headerBytes)
	if err != nil {
		return true // what cannot be looked at is taken for one
	}
	if len(header) < headerBytes || !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) {
		return false
	}
	application, cookie := binary.BigEndian.Uint32(header[applicationAt:]), binary.BigEndian.Uint32(header[cookieAt:])
	// All that a new file has may stand in its write-ahead log alone: it has no schema then.
	return application == applicationID || application == 0 && cookie == 0 && dbfile.LookAt(path+"-wal").Size() > 0
}

// countKeys looks into a database that this log has nothing to do with.
func countKeys(ctx context.Context, path string, author []byte) (int64, error) {
	other, err := dbfile.Open(path, "mode=ro&_pragma=busy_timeout(1000)")
	if err != nil {
		return 0, err
	}
	defer other.Close()
	conn, err := other.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	var application int
	if err := conn.QueryRowContext(ctx, "PRAGMA application_id").Scan(&application); err != nil || application != applicationID {
		return 0, err
	}
	objects, err := readObjects(ctx, conn)
	if err != nil {
		return 0, err
	}
	if foreign, err := foreignObjects(objects); err != nil || len(foreign) > 0 {
		return 0, errors.Join(err, errForeign) // to count keys there could run somebody else's statements
	}
	return db.New(conn).KeyCount(ctx, author)
}
