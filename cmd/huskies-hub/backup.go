package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
)

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR FILE",
		Short: "Write what the hub is made of into FILE, while it runs or not",
		Long: `Write what the hub is made of into FILE: its keys, its members and its settings. The
stream is not in it: each machine has all of that, and fills the hub again. With
init --recover FILE the same hub is made again, and its members need no new
invitations. Keep FILE as you keep a key.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("give the hub's folder and a file: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return backup(cmd, folder(args[0]), args[1]) },
	}
}

func backup(cmd *cobra.Command, d folder, file string) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	keys, err := d.keys(config)
	if err != nil {
		return err
	}
	l, err := d.lists()
	if err != nil {
		return err
	}
	keys.MaxBytes, keys.Members = config.MaxBytes, l.members
	b, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: give another name. Nothing was written", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file)
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote the keys and %d members to %s\n", len(l.members), file)
	return nil
}

// keys returns the hub's keys.
func (d folder) keys(config hubConfig) (k safeKeeping, err error) {
	root, err := d.root()
	if err != nil {
		return k, err
	}
	k = safeKeeping{Version: folderVersion, Pipeline: config.Pipeline, Root: fmt.Sprintf("%x", root.Seed())}
	if k.CAKey, err = os.ReadFile(d.path("ca.key")); err == nil {
		k.CA, err = os.ReadFile(d.path("ca.pem"))
	}
	return k, err
}
