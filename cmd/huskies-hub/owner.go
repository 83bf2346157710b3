package main

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

// ownerInfo separates the owner's key for the transport from the key that signs.
const ownerInfo = "huskies/hub-owner/v1"

// ownerNkey returns the option with which the hub's own commands connect, and the public nkey by which the gate
// knows them. It is derived from the owner's key: who has that has the hub.
func (d folder) ownerNkey() (option nats.Option, public string, err error) {
	root, err := d.root()
	if err != nil {
		return nil, "", err
	}
	seed, err := hkdf.Key(sha256.New, root.Seed(), nil, ownerInfo, ed25519.SeedSize)
	if err != nil {
		return nil, "", err
	}
	pair, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, seed)
	if err != nil {
		return nil, "", err
	}
	public, err = pair.PublicKey()
	return nats.Nkey(public, pair.Sign), public, err
}

// connect connects to the hub that serves the folder, as its owner.
func (d folder) connect() (*nats.Conn, error) {
	address, err := d.local()
	if err != nil {
		return nil, err
	}
	owner, _, err := d.ownerNkey()
	if err != nil {
		return nil, err
	}
	ca, _, err := d.ca()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	conn, err := nats.Connect("tls://"+address, owner, nats.NoReconnect(), nats.TLSHandshakeFirst(),
		nats.Secure(&tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: serverName}))
	if err != nil {
		return nil, fmt.Errorf("connect to the hub at %s: %w", address, err)
	}
	return conn, nil
}

// local returns where the running hub is reached from this machine.
func (d folder) local() (string, error) {
	b, err := os.ReadFile(d.path("address"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the hub of %s is starting, or ending: repeat it in a few seconds", d)
	}
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(string(trimNewline(b)))
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens everywhere; a container without /etc/hosts knows no names
	}
	return net.JoinHostPort(host, port), err
}
