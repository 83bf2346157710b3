package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/relay"
)

// defaultMaxBytes bounds the stream: millions of ops.
const defaultMaxBytes = 4 << 30

// safeKeeping is what the same hub can be made from again. It is the file that init writes, and the first line of a
// backup, which knows the members, too.
type safeKeeping struct {
	Version  int    `json:"version"`
	Pipeline string `json:"pipeline"`
	Root     string `json:"root_key"`
	CAKey    []byte `json:"ca_key"`
	CA       []byte `json:"ca"`
	// MaxBytes is 0 in what init writes.
	MaxBytes int64    `json:"max_bytes,omitempty"`
	Members  []member `json:"members,omitempty"`
}

// recoveryFile is where init writes it.
const recoveryFile = "keep-this-file-elsewhere.json"

func initCommand() *cobra.Command {
	var from string
	var maxBytes int64
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a hub in the folder DIR",
		Long: `Make a hub in the folder DIR, which must be new or empty. It asks nothing. The file
` + recoveryFile + ` in it is for safe keeping: with init --recover and that file
the same hub can be made again on another machine, without a backup. Machines need
new invitations then, and fill it again with what they have.`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return initHub(cmd, folder(args[0]), from, maxBytes)
		},
	}
	cmd.Flags().StringVar(&from, "recover", "", "make the hub again that this file was written for, by init or backup")
	cmd.Flags().Int64Var(&maxBytes, "max-bytes", defaultMaxBytes, "how much the stream may take on disk, in bytes; a hub that is full takes no more")
	return cmd
}

func initHub(cmd *cobra.Command, d folder, from string, maxBytes int64) error {
	if maxBytes < 1<<20 {
		return fmt.Errorf("--max-bytes %d is less than 1 MiB, which a day of work fills", maxBytes)
	}
	keys, err := newKeys(from)
	if err != nil {
		return err
	}
	if keys.MaxBytes > 0 && !cmd.Flags().Changed("max-bytes") {
		maxBytes = keys.MaxBytes
	}
	if err := d.make(keys, maxBytes); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), `made a hub in %s
Copy %s to a safe place: who has it can make this hub again, and nobody else can.
Run it:              huskies-hub serve %s
Let a machine in:    huskies-hub invite %s
`, d, d.path(recoveryFile), d, d)
	return nil
}

// make makes the folder of a hub with the keys. Without hub.json there is no hub, so that is written last.
func (d folder) make(keys safeKeeping, maxBytes int64) error {
	if err := d.makeEmpty(); err != nil {
		return err
	}
	if err := d.writeKeys(keys); err != nil {
		return err
	}
	return d.writeJSON("hub.json", newConfig(keys, maxBytes))
}

// makeEmpty makes the folder, unless it is there and empty.
func (d folder) makeEmpty() error {
	if err := os.Mkdir(string(d), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(string(d))
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: give a new folder. Nothing was changed", d)
	}
	return err
}

func newConfig(keys safeKeeping, maxBytes int64) hubConfig {
	return hubConfig{Version: folderVersion, Pipeline: keys.Pipeline, CreatedAt: time.Now().UTC().Truncate(time.Second), MaxBytes: maxBytes}
}

// writeKeys writes the keys and the members.
func (d folder) writeKeys(keys safeKeeping) error {
	if len(keys.Members) > 0 {
		if err := d.writeJSON("members.json", keys.Members); err != nil {
			return err
		}
	}
	keys.Members, keys.MaxBytes = nil, 0
	kept, err := json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name    string
		content []byte
	}{{recoveryFile, append(kept, '\n')}, {"root.key", []byte(keys.Root + "\n")}, {"ca.key", keys.CAKey}, {"ca.pem", keys.CA}} {
		if err := d.write(file.name, file.content); err != nil {
			return err
		}
	}
	return nil
}

// newKeys returns fresh keys, or those of a file that was kept.
func newKeys(from string) (k safeKeeping, err error) {
	if from != "" {
		return keysOf(from)
	}
	var id [9]byte
	rand.Read(id[:])
	_, root, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return k, err
	}
	k = safeKeeping{Version: folderVersion, Pipeline: relay.Encoding.EncodeToString(id[:])[:relay.PipelineIDLen], Root: hex.EncodeToString(root.Seed())}
	k.CAKey, k.CA, err = newCA(k.Pipeline)
	return k, err
}

func keysOf(file string) (k safeKeeping, err error) {
	f, err := os.Open(file)
	if err != nil {
		return k, err
	}
	defer f.Close()
	if err := json.NewDecoder(f).Decode(&k); err != nil || !k.isWhole() {
		return k, fmt.Errorf("%s is not a file that huskies-hub init or backup wrote", file)
	}
	return k, k.checkVersion(file)
}

// isWhole reports whether a hub can be made of this.
func (k *safeKeeping) isWhole() bool {
	return relay.IsPipelineID(k.Pipeline) && len(k.Root) == 2*ed25519.SeedSize && len(k.CA) > 0 && len(k.CAKey) > 0
}

func (k *safeKeeping) checkVersion(file string) error {
	if k.Version > folderVersion {
		return fmt.Errorf("%s was written by a newer huskies-hub (format %d, this build knows %d): install that", file, k.Version, folderVersion)
	}
	return nil
}
