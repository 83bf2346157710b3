package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
)

// boardDoor says whom a board lets in.
type boardDoor struct {
	// loopback says that only this machine reaches the board.
	loopback bool
	// password lets in who gives it, "" on a board for one person.
	password string
	// hosts are the names of the address itself.
	hosts []string
	// certificates are those for TLS, none without it.
	certificates []tls.Certificate
}

// tls reports whether the board speaks TLS.
func (d *boardDoor) tls() bool { return len(d.certificates) > 0 }

// minToken is the least length of the token in a file: nobody guesses one of 20 characters.
const minToken = 20

// maxDoorFile bounds the files with the token and the certificate, in bytes: a chain of certificates has some KiB.
const maxDoorFile = 1 << 20

// door checks the flags that say who gets in.
func (f *boardFlags) door(cmd *cobra.Command) (d boardDoor, err error) {
	host, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		return d, fmt.Errorf("--addr must be an address and a port, such as %s; got %q", defaultAddr, f.addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return d, fmt.Errorf("the port of --addr must be a number from 0 to 65535; got %q", port)
	}
	ip := net.ParseIP(host)
	d.loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return d, errors.New("--tls-cert and --tls-key belong together: give both, or none")
	case !d.loopback && f.tokenFile == "":
		return d, fmt.Errorf("at %s other machines reach the board, and everybody who does could read and change all stories: give --token-file FILE with a token that lets people in (openssl rand -hex 24 makes one), or leave --addr out and forward the port with ssh -L", f.addr)
	}
	if f.tlsCert != "" {
		if d.certificates, err = f.readCertificate(cmd); err != nil {
			return d, err
		}
	}
	if f.tokenFile != "" {
		data, err := readFile(cmd, f.tokenFile, maxDoorFile)
		if err != nil {
			return d, fmt.Errorf("--token-file: %w", err)
		}
		if d.password = strings.TrimSpace(string(data)); len(d.password) < minToken {
			return d, fmt.Errorf("the token in %s has %d characters, and fewer than %d can be guessed: openssl rand -hex 24 makes a good one", f.tokenFile, len(d.password), minToken)
		}
	}
	if ip != nil && !ip.IsUnspecified() {
		d.hosts = append(d.hosts, ip.String())
	} else if ip == nil && host != "" {
		d.hosts = append(d.hosts, strings.ToLower(host))
	}
	for i, name := range f.hosts {
		name = strings.ToLower(strings.TrimSpace(name))
		if name == "" || strings.ContainsAny(name, "/ *@") {
			return d, fmt.Errorf("--host must be the name of a host, such as board.example.org; got %s", phrase.Word(f.hosts[i]))
		}
		f.hosts[i] = strings.Trim(name, "[]")
	}
	return d, nil
}

// readCertificate reads the certificate that the flags name, with its key.
func (f *boardFlags) readCertificate(cmd *cobra.Command) ([]tls.Certificate, error) {
	certificate, err := readFile(cmd, f.tlsCert, maxDoorFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := readFile(cmd, f.tlsKey, maxDoorFile)
	if err != nil {
		return nil, fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert and --tls-key must name a certificate and its key, both PEM: %w", err)
	}
	return []tls.Certificate{pair}, nil
}

// listen listens on the address. Where the port is 0 it prefers the one that the board had last, so that
// pages which are open somewhere find it again.
func listen(ctx context.Context, addr string, last int) (net.Listener, error) {
	var lc net.ListenConfig
	if host, port, _ := net.SplitHostPort(addr); port == "0" && last != 0 {
		if l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(last))); err == nil {
			return l, nil
		}
	}
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the board cannot listen: %w: give another --addr", err)
	}
	return l, nil
}
