package main

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/members"
	"github.com/huskies/huskies-mcp/relay"
)

// inviteLife is how long an invitation is good: it is used at once, or the next day.
const inviteLife = 48 * time.Hour

func inviteCommand() *cobra.Command {
	var address string
	var ask bool
	cmd := &cobra.Command{
		Use:   "invite DIR",
		Short: "Print an invitation that lets one machine in",
		Long: `Print an invitation, one word, for huskies-mcp join on the machine that is to come in.
It is good once, for two days: give it away as you would a password. The machine
reads all of the pipeline, and may write. The first machine is an admin: it may add
and remove others. With --ask the machine waits until an admin accepts it.`,
		Args: oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := newInvitation(folder(args[0]), address, ask)
			if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), in)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&address, "name", "", "HOST:PORT under which the machine reaches this hub (default: where it serves, or where all of three hubs do)")
	cmd.Flags().BoolVar(&ask, "ask", false, "let the machine wait until an admin accepts it, with huskies-mcp members accept")
	return cmd
}

// newInvitation makes an invitation, and puts it on the list.
func newInvitation(d folder, address string, ask bool) (*relay.Invitation, error) {
	config, err := d.open()
	if err != nil {
		return nil, err
	}
	if address == "" && len(config.Nodes) > 0 {
		address = config.addresses()
	} else if address, err = d.reachable(address); err != nil {
		return nil, err
	}
	if ask {
		if err := d.hasAdmin(); err != nil {
			return nil, err
		}
	}
	root, err := d.root()
	if err != nil {
		return nil, err
	}
	sum, err := d.caSum()
	if err != nil {
		return nil, err
	}
	var token [5]byte
	var secret [20]byte
	rand.Read(token[:])
	rand.Read(secret[:])
	in := &relay.Invitation{
		Address: address, Pipeline: config.Pipeline, CA: sum, Root: crdt.AuthorOf(root),
		Token: relay.Encoding.EncodeToString(token[:]), Secret: relay.Encoding.EncodeToString(secret[:]),
	}
	now := time.Now().UTC()
	return in, d.change(func(l *lists) error {
		l.invites = slices.DeleteFunc(l.invites, func(i invite) bool { return i.ExpiresAt.Before(now) })
		l.invites = append(l.invites, invite{Token: in.Token, Secret: secretSum(in.Secret), ExpiresAt: now.Add(inviteLife), Ask: ask})
		return nil
	})
}

// hasAdmin returns an error unless somebody can accept who waits.
func (d folder) hasAdmin() error {
	r, err := d.roster()
	if err == nil && !slices.ContainsFunc(r.members().All(), func(s *members.Standing) bool { return s.Admin }) {
		err = fmt.Errorf("nobody could accept the machine, since there is no admin yet: the first one to join is one, so leave out --ask")
	}
	return err
}

func secretSum(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// reachable returns the address for an invitation: the one that is given, or where the hub serves.
func (d folder) reachable(given string) (string, error) {
	if given != "" {
		host, port, err := hostAndPort(given)
		if err == nil && (host == "" || port == 0) {
			err = fmt.Errorf("%q is not HOST:PORT", given)
		}
		if err != nil {
			return "", fmt.Errorf("--name %w", err)
		}
		return given, nil
	}
	b, err := os.ReadFile(d.path("address"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("the hub does not run: start it with huskies-hub serve %s, or say with --name HOST:PORT how it is reached", d)
	}
	if err != nil {
		return "", err
	}
	host, port, err := net.SplitHostPort(string(trimNewline(b)))
	if err != nil {
		return "", err
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
		return net.JoinHostPort(host, port), nil
	}
	name, err := os.Hostname() // it listens everywhere
	if err != nil {
		return "", fmt.Errorf("say with --name HOST:PORT how the hub is reached: %w", err)
	}
	return net.JoinHostPort(name, port), nil
}

// find returns the invitation that the token and its secret prove, nil if there is none that is good. Who waits to be
// accepted may ask again with its own.
func (l *lists) find(token, secret string, now time.Time) *invite {
	for i := range l.invites {
		in := &l.invites[i]
		if in.Token == token && (in.UsedBy == "" || in.Ask) && now.Before(in.ExpiresAt) &&
			subtle.ConstantTimeCompare([]byte(in.Secret), []byte(secretSum(secret))) == 1 {
			return in
		}
	}
	return nil
}

// member returns the machine that connects with the nkey, nil if none may.
func (l *lists) member(transport string) *member {
	for i := range l.members {
		if m := &l.members[i]; m.Transport == transport && m.RemovedAt == nil {
			return m
		}
	}
	return nil
}
