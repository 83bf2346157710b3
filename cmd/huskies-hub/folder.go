package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/durable"
)

// folder is a hub's folder. In it are:
//
//	hub.json      which pipeline it is, and its settings
//	root.key      the key of the pipeline's owner, 64 hex digits: who has it, has the hub
//	ca.key ca.pem the key and the certificate that sign the hub's certificates
//	members.json  who was admitted, or waits for it
//	members.jsonl the ops that say who is a member
//	invites.json  who may become a member
//	lists.lock    held to change members.json and invites.json
//	serve.lock    held by the process that serves
//	address       where that process listens
//	store/        the stream, as JetStream keeps it
type folder string

func (d folder) path(name string) string { return filepath.Join(string(d), name) }

// hubConfig is hub.json.
type hubConfig struct {
	// Version is of this file's format.
	Version int `json:"version"`
	// Pipeline is the pipeline's ID.
	Pipeline  string    `json:"pipeline"`
	CreatedAt time.Time `json:"created_at"`
	// MaxBytes bounds the stream on disk.
	MaxBytes int64 `json:"max_bytes"`
	// Nodes are the hubs that stand in for each other; none of a hub that is alone. Node is which of them
	// this folder is, from 1.
	Nodes []hubNode `json:"nodes,omitempty"`
	Node  int       `json:"node,omitempty"`
}

const folderVersion = 1

// open reads what hub the folder holds.
func (d folder) open() (c hubConfig, err error) {
	err = d.read("hub.json", &c)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("there is no hub in %s: make one with huskies-hub init %s", d, d)
	case err != nil:
		return c, err
	case c.Version > folderVersion:
		return c, fmt.Errorf("%s was made by a newer huskies-hub (format %d, this build knows %d): install that", d, c.Version, folderVersion)
	case len(c.Nodes) > 0 && (c.Node < 1 || c.Node > len(c.Nodes)):
		return c, fmt.Errorf("%s is damaged: node %d is none of its %d", d.path("hub.json"), c.Node, len(c.Nodes))
	}
	return c, nil
}

// root returns the key of the pipeline's owner.
func (d folder) root() (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(d.path("root.key"))
	if err != nil {
		return nil, err
	}
	seed, err := hex.DecodeString(string(trimNewline(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is damaged: put it back from the file that init wrote for safe keeping (huskies-hub init --recover FILE in a new folder)", d.path("root.key"))
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

func trimNewline(b []byte) []byte {
	for len(b) > 0 && (b[len(b)-1] == '\n' || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// read reads a JSON file of the folder.
func (d folder) read(name string, to any) error {
	b, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return fmt.Errorf("%s is damaged: %w", d.path(name), err)
	}
	return nil
}

// write replaces a file of the folder, durably, readable by its owner alone.
func (d folder) write(name string, content []byte) error {
	next := d.path(name + ".new")
	f, err := os.OpenFile(next, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return durable.Rename(next, d.path(name))
}

func (d folder) writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return d.write(name, append(b, '\n'))
}

// member is a machine that may connect.
type member struct {
	// Author is the key that signs its ops.
	Author crdt.Author `json:"author"`
	// Transport is the public nkey with which it connects.
	Transport string `json:"transport"`
	// Name is what people call it.
	Name string `json:"name"`
	// Waits says that an admin must accept it first.
	Waits      bool       `json:"waits,omitempty"`
	AdmittedAt time.Time  `json:"admitted_at"`
	RemovedAt  *time.Time `json:"removed_at,omitempty"`
}

// invite lets one machine become a member, once.
type invite struct {
	Token string `json:"token"`
	// Secret is the SHA-256, in hex, of what proves the token.
	Secret    string    `json:"secret_sha256"`
	ExpiresAt time.Time `json:"expires_at"`
	// UsedBy is the nkey of the machine that used it.
	UsedBy string `json:"used_by,omitempty"`
	// Ask says that the machine waits until an admin accepts it.
	Ask bool `json:"ask,omitempty"`
}

// lists are who may connect.
type lists struct {
	members []member
	invites []invite
}

// open counts the invitations that still let a machine in.
func (l lists) open(now time.Time) (invites int) {
	for _, i := range l.invites {
		if i.UsedBy == "" && now.Before(i.ExpiresAt) {
			invites++
		}
	}
	return invites
}

// lists reads both lists. One that was never written is empty.
func (d folder) lists() (l lists, err error) {
	for _, list := range []struct {
		name string
		to   any
	}{{"members.json", &l.members}, {"invites.json", &l.invites}} {
		if err := d.read(list.name, list.to); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return l, err
		}
	}
	return l, nil
}

// change lets fn change the lists, while no other process does. After an error nothing is changed.
func (d folder) change(fn func(*lists) error) error {
	lock := flock.New(d.path("lists.lock"), flock.SetPermissions(0o600))
	if err := lock.Lock(); err != nil {
		return err
	}
	defer lock.Close()
	l, err := d.lists()
	if err != nil {
		return err
	}
	if err := fn(&l); err != nil {
		return err
	}
	if err := d.writeJSON("invites.json", l.invites); err != nil {
		return err
	}
	return d.writeJSON("members.json", l.members)
}
