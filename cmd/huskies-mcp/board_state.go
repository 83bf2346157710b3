package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// boardState is what a project's board keeps between its runs: its port and its secret, so that pages survive
// a restart. It is in the state folder of the user and not beside the database: the secret lets into this
// user's board on this machine, and must not go along when the project's folder is copied, mounted or packed.
// The folder has mode 0700 and its files 0600.
type boardState struct {
	// Database is the file that the board shows, for people who look into the folder.
	Database string `json:"database"`
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Secret   []byte `json:"secret"`
	// Scheme is http or https, and Password says that people come in by the token of a file.
	Scheme   string `json:"scheme"`
	Password bool   `json:"password,omitempty"`

	folder string
	lock   *flock.Flock // held while this process serves
	runs   bool         // another process serves
}

// tokensLast is how long an address lets in that nobody opened.
const tokensLast = 24 * time.Hour

// openBoardState reads the state of the board of a database, and takes its lock unless the board runs.
func openBoardState(getenv func(string) string, database string) (*boardState, error) {
	base := stateFolder(getenv)
	if base == "" {
		return nil, errors.New("the board keeps its port and its secret in your state folder, and no home folder is known: set XDG_STATE_HOME to a folder of yours")
	}
	if real, err := filepath.EvalSymlinks(filepath.Dir(database)); err == nil {
		database = filepath.Join(real, filepath.Base(database))
	}
	sum := sha256.Sum256([]byte(database))
	s := &boardState{folder: filepath.Join(base, "huskies-mcp", "board-"+hex.EncodeToString(sum[:8]))}
	if err := os.MkdirAll(s.tokens(), 0o700); err != nil {
		return nil, fmt.Errorf("the board keeps its port and its secret in your state folder, which cannot be made: %w: set XDG_STATE_HOME to a folder of yours", err)
	}
	s.lock = flock.New(filepath.Join(s.folder, "lock"), flock.SetPermissions(0o600))
	mine, err := s.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the state of the board: %w", err)
	}
	s.runs = !mine
	if err := s.read(); err != nil {
		s.close()
		return nil, err
	}
	s.Database = database
	if len(s.Secret) != 32 {
		if s.runs {
			return nil, errors.New("the board of this project is just being started: try again")
		}
		s.Secret = make([]byte, 32)
		_, _ = rand.Read(s.Secret) // never fails
	}
	return s, nil
}

func (s *boardState) file() string   { return filepath.Join(s.folder, "board.json") }
func (s *boardState) tokens() string { return filepath.Join(s.folder, "tokens") }

func (s *boardState) read() error {
	data, err := os.ReadFile(s.file())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && json.Unmarshal(data, s) != nil {
		s.Secret, s.Port = nil, 0 // browsers have to come in anew
	}
	return err
}

// serves keeps where the board listens.
func (s *boardState) serves(addr *net.TCPAddr, door boardDoor) error {
	s.Host, s.Port, s.Scheme, s.Password = addr.IP.String(), addr.Port, "http", door.password != ""
	if addr.IP.IsUnspecified() {
		s.Host = "localhost"
	}
	if door.tls() {
		s.Scheme = "https"
	}
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(s.folder, "board-*.json") // has mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), s.file())
}

// address returns where the board is, with a token that lets one browser in. Where people come in by the
// token of a file, there is none.
func (s *boardState) address() (string, error) {
	u := url.URL{Scheme: s.Scheme, Host: net.JoinHostPort(s.Host, strconv.Itoa(s.Port)), Path: "/"}
	if s.Password {
		return u.String(), nil
	}
	s.dropOldTokens()
	token := rand.Text()
	f, err := os.OpenFile(s.tokenFile(token), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	u.RawQuery = "token=" + token
	return u.String(), f.Close()
}

// tokenFile returns the file whose removal spends a token. Its name does not tell the token.
func (s *boardState) tokenFile(token string) string {
	sum := sha256.Sum256([]byte(token))
	return filepath.Join(s.tokens(), hex.EncodeToString(sum[:]))
}

// spend reports whether a token lets in, and takes it out of use: of any number of processes that remove the
// file, one does.
func (s *boardState) spend(token string) bool {
	s.dropOldTokens()
	return os.Remove(s.tokenFile(token)) == nil
}

// dropOldTokens takes tokens out of use that nobody used.
func (s *boardState) dropOldTokens() {
	files, _ := os.ReadDir(s.tokens()) // a folder that cannot be read lets nobody in either
	for _, f := range files {
		if info, err := f.Info(); err == nil && time.Since(info.ModTime()) > tokensLast {
			_ = os.Remove(filepath.Join(s.tokens(), f.Name()))
		}
	}
}

// cookie returns the name of the cookie: that of the project, and what tells projects of one name apart.
func (s *boardState) cookie() string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, projectName(s.Database))
	return "huskies-" + name[:min(len(name), 40)] + "-" + strings.TrimPrefix(filepath.Base(s.folder), "board-")
}

// close lets another process serve.
func (s *boardState) close() { _ = s.lock.Close() }
