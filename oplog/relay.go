package oplog

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/huskies/huskies-mcp/oplog/dbfile"
)

// The relay of a machine is the process that holds the lock of the file "<db>-relay". What it says of itself is
// in "<db>-relay.json".

// RelayLock returns the path of the lock of the machine's relay.
func RelayLock(db string) string { return Resolve(db) + "-relay" }

// ElectRelay makes this process the relay of the database at a path, if there is none, until release is called
// or the process ends.
func ElectRelay(db string) (release func(), ok bool, err error) {
	file, err := dbfile.OpenLockFile(RelayLock(db))
	if err != nil {
		return nil, false, err
	}
	if ok, err = file.TryLock(); !ok || err != nil {
		file.Close()
		return nil, false, err
	}
	return sync.OnceFunc(file.Close), true, nil
}

// RelayStatusFile returns the path of what the relay says of itself.
func RelayStatusFile(db string) string { return Resolve(db) + "-relay.json" }

// maxRelayStatus bounds what is read of a relay's words, in bytes.
const maxRelayStatus = 64 << 10

// PutRelayStatus replaces what the relay says of itself. The caller is the relay.
func PutRelayStatus(db string, status []byte) error {
	next := RelayStatusFile(db) + ".new"
	f, err := dbfile.OpenPlain(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(status)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, RelayStatusFile(db))
}

// RelayStatus returns what a relay said of itself last, nil if none did.
func RelayStatus(db string) ([]byte, error) {
	b, err := dbfile.ReadPlain(RelayStatusFile(db), maxRelayStatus)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
