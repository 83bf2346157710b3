package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
)

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor DIR",
		Short: "Say how the hub is, and what is wrong with it",
		Args:  oneFolder,
		RunE:  func(cmd *cobra.Command, args []string) error { return doctor(cmd, folder(args[0])) },
	}
}

// errWrong: doctor has found something, and said it.
var errWrong = errors.New("something is wrong: see above")

func doctor(cmd *cobra.Command, d folder) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	wrong := false
	say := func(ok bool, format string, args ...any) {
		mark := "ok   "
		if !ok {
			mark, wrong = "wrong", true
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n", mark, printable(fmt.Sprintf(format, args...)))
	}
	say(true, "pipeline %s, made %s", config.Pipeline, config.CreatedAt.Format(time.DateOnly))
	_, err = d.root()
	say(err == nil, "owner's key: %s", orFine(err))
	_, _, err = d.ca()
	say(err == nil, "certificate: %s", orFine(err))
	info, err := os.Stat(string(d))
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("others may read it, so run chmod 700 %s", d)
	}
	say(err == nil, "folder %s: %s", d, orFine(err))
	members, invites, err := d.count()
	say(err == nil, "members: %d, open invitations: %d: %s", members, invites, orFine(err))
	size, err := d.storeSize()
	say(err == nil && size < config.MaxBytes*9/10, "store: %d of %d MiB: %s", size>>20, config.MaxBytes>>20, orFine(err))
	for i, node := range config.Nodes {
		if i+1 != config.Node {
			err := dial(node.Address)
			say(err == nil, "hub %d of %d at %s: %s", i+1, len(config.Nodes), node.Address, orFine(err))
		}
	}
	address, err := d.reachable("")
	if err != nil {
		say(true, "it does not run now")
	} else {
		err = dial(address)
		say(err == nil, "it serves at %s: %s", address, orFine(err))
	}
	if wrong {
		return errWrong
	}
	return nil
}

// count counts the members and the invitations that still let a machine in.
func (d folder) count() (members, invites int, err error) {
	l, err := d.lists()
	if err != nil {
		return 0, 0, err
	}
	r, err := d.roster()
	if err != nil {
		return 0, 0, err
	}
	members = r.members().Count()
	for _, m := range l.members {
		if m.RemovedAt == nil && !m.Waits && r.members().Of(m.Author) == nil {
			members++
		}
	}
	return members, l.open(time.Now()), nil
}

func orFine(err error) string {
	if err != nil {
		return err.Error()
	}
	return "fine"
}

// storeSize returns what the store takes on disk.
func (d folder) storeSize() (size int64, err error) {
	err = filepath.WalkDir(d.path("store"), func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was never made, or a file is gone by now
		}
		if err != nil || entry.IsDir() {
			return err
		}
		if info, err := entry.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size, err
}

// dial reports whether something speaks TLS at the address. Who it is the members find out.
func dial(address string) error {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	if err == nil {
		err = conn.Close()
	}
	return err
}
