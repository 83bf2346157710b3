package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

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
	tls   bool
}

// minToken is the least length of the token in a file: nobody guesses one of 20 characters.
const minToken = 20

// door checks the flags that say who gets in.
func (f *boardFlags) door() (d boardDoor, err error) {
	host, port, err := net.SplitHostPort(f.addr)
	if err != nil {
		return d, fmt.Errorf("--addr must be an address and a port, such as %s; got %q", defaultAddr, f.addr)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return d, fmt.Errorf("the port of --addr must be a number from 0 to 65535; got %q", port)
	}
	ip := net.ParseIP(host)
	d.loopback = host == "localhost" || ip != nil && ip.IsLoopback()
	d.tls = f.tlsCert != ""
	switch {
	case (f.tlsCert == "") != (f.tlsKey == ""):
		return d, errors.New("--tls-cert and --tls-key belong together: give both, or none")
	case !d.loopback && f.tokenFile == "":
		return d, fmt.Errorf("at %s other machines reach the board, and everybody who does could read and change all stories: give --token-file FILE with a token that lets people in (openssl rand -hex 24 makes one), or leave --addr out and forward the port with ssh -L", f.addr)
	}
	if f.tokenFile != "" {
		data, err := os.ReadFile(f.tokenFile)
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
