package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/durable"
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
	// MaxBytes is 0 in what init writes for a hub that is alone.
	MaxBytes int64     `json:"max_bytes,omitempty"`
	Nodes    []hubNode `json:"nodes,omitempty"`
	Members  []member  `json:"members,omitempty"`
}

// recoveryFile is where init writes it.
const recoveryFile = "keep-this-file-elsewhere.json"

// initOptions are the flags of init.
type initOptions struct {
	recover  string
	maxBytes int64
	nodes    []string
	peer     string
	node     int
}

func initCommand() *cobra.Command {
	var opts initOptions
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a hub in the folder DIR",
		Long: `Make a hub in the folder DIR, which must be new or empty. It asks nothing. The file
` + recoveryFile + ` in it is for safe keeping: with init --recover and that file
the same hub can be made again on another machine, without a backup. Machines need
new invitations then, and fill it again with what they have.

Three hubs can stand in for each other. Make the first with --nodes and where machines
reach each of them, and the others with --peer and the file that is for safe keeping.`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return initHub(cmd, folder(args[0]), opts)
		},
	}
	cmd.Flags().StringVar(&opts.recover, "recover", "", "make the hub again that this file was written for, by init or backup")
	cmd.Flags().Int64Var(&opts.maxBytes, "max-bytes", defaultMaxBytes, "how much the stream may take on disk, in bytes; a hub that is full takes no more")
	cmd.Flags().StringSliceVar(&opts.nodes, "nodes", nil, "make the first of three hubs: HOST:PORT,HOST:PORT,HOST:PORT, this one first; they reach each other 2000 ports above, or HOST:PORT/PORT says where")
	cmd.Flags().StringVar(&opts.peer, "peer", "", "make another of three hubs, from the "+recoveryFile+" of the first")
	cmd.Flags().IntVar(&opts.node, "node", 0, "with --peer: which of the three this is, 2 or 3; 1 makes the first again")
	cmd.MarkFlagsMutuallyExclusive("recover", "nodes", "peer")
	return cmd
}

func initHub(cmd *cobra.Command, d folder, opts initOptions) error {
	if opts.maxBytes < 1<<20 {
		return fmt.Errorf("--max-bytes %d is less than 1 MiB, which a day of work fills", opts.maxBytes)
	}
	keys, node, err := opts.keys()
	if err != nil {
		return err
	}
	if keys.MaxBytes == 0 || cmd.Flags().Changed("max-bytes") {
		keys.MaxBytes = opts.maxBytes
	}
	said, err := opsOfMembers(keys, cmp.Or(opts.recover, opts.peer))
	if err != nil {
		return err
	}
	if err := d.make(keys, node, said); err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if node > 1 {
		fmt.Fprintf(out, "made hub %d of %d in %s\nRun it:              huskies-hub serve %s\n", node, len(keys.Nodes), d, d)
		return nil
	}
	fmt.Fprintf(out, "made a hub in %s\nCopy %s to a safe place: who has it can make this hub again, and nobody else can.\n", d, d.path(recoveryFile))
	for i := 1; i < len(keys.Nodes); i++ {
		fmt.Fprintf(out, "Make hub %d:          huskies-hub init DIR --peer %s --node %d, on %s\n", i+1, recoveryFile, i+1, keys.Nodes[i].Address)
	}
	fmt.Fprintf(out, "Run it:              huskies-hub serve %s\nLet a machine in:    huskies-hub invite %s\n", d, d)
	return nil
}

// keys returns what the hub is made of, and which node it is.
func (o *initOptions) keys() (keys safeKeeping, node int, err error) {
	switch {
	case o.peer != "":
		if keys, err = keysOf(o.peer); err != nil {
			return keys, 0, err
		}
		if len(keys.Nodes) == 0 {
			return keys, 0, fmt.Errorf("%s is of a hub that is alone: make the first of three with huskies-hub init DIR --nodes", o.peer)
		}
		if o.node < 1 || o.node > len(keys.Nodes) {
			return keys, 0, fmt.Errorf("say with --node which hub this is, from 1 to %d:%s", len(keys.Nodes), listOf(keys.Nodes))
		}
		return keys, o.node, nil
	case o.recover != "":
		if keys, err = keysOf(o.recover); err == nil && len(keys.Nodes) > 0 {
			err = fmt.Errorf("%s is of %d hubs: make each again with --peer %s --node N", o.recover, len(keys.Nodes), o.recover)
		}
		return keys, 0, err
	case len(o.nodes) > 0:
		nodes, err := parseNodes(o.nodes)
		if err != nil {
			return keys, 0, err
		}
		keys, err = newKeys()
		keys.Nodes = nodes
		return keys, 1, err
	}
	keys, err = newKeys()
	return keys, 0, err
}

// make makes the folder of a hub with the keys, and what was said of members. Without hub.json there is no hub, so that is
// written last.
func (d folder) make(keys safeKeeping, node int, said []crdt.SignedOp) error {
	if err := d.makeEmpty(); err != nil {
		return err
	}
	if err := d.writeKeys(keys); err != nil {
		return err
	}
	r, err := d.roster()
	if err == nil {
		err = r.take(said...)
	}
	if err != nil {
		return err
	}
	return d.writeJSON("hub.json", newConfig(keys, node))
}

// makeEmpty makes the folder, unless it is there and empty.
func (d folder) makeEmpty() error {
	err := os.Mkdir(string(d), 0o700)
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(string(d)))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.ReadDir(string(d))
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty: give a new folder. Nothing was changed", d)
	}
	return err
}

func newConfig(keys safeKeeping, node int) hubConfig {
	return hubConfig{Version: folderVersion, Pipeline: keys.Pipeline, CreatedAt: time.Now().UTC().Truncate(time.Second), MaxBytes: keys.MaxBytes, Nodes: keys.Nodes, Node: node}
}

// writeKeys writes the keys and the members.
func (d folder) writeKeys(keys safeKeeping) error {
	if len(keys.Members) > 0 {
		if err := d.writeJSON("members.json", keys.Members); err != nil {
			return err
		}
	}
	keys.Members = nil
	if len(keys.Nodes) == 0 {
		keys.MaxBytes = 0 // one that is made again may have another; nodes have the same
	}
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

func newPipelineID() string {
	var id [9]byte
	rand.Read(id[:])
	return relay.Encoding.EncodeToString(id[:])[:relay.PipelineIDLen]
}

// newKeys returns fresh keys.
func newKeys() (k safeKeeping, err error) {
	_, root, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return k, err
	}
	k = safeKeeping{Version: folderVersion, Pipeline: newPipelineID(), Root: hex.EncodeToString(root.Seed())}
	k.CAKey, k.CA, err = newCA(k.Pipeline)
	return k, err
}

// keysOf reads the file for safe keeping, or the beginning of a backup.
func keysOf(file string) (k safeKeeping, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("there is no file %s: give the %s of the hub, which huskies-hub init wrote into its folder, or a backup of it", file, recoveryFile)
	}
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
