package relay

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Invitation is what a person gives to somebody who is to join: where the hub is, how to know it, and a token
// that is good once.
type Invitation struct {
	// Address is host:port, or several parted by commas: any of them will do.
	Address string
	// Pipeline is the pipeline's ID.
	Pipeline string
	// CA is the SHA-256 of the certificate that signs the hub's certificates (RFC 5280, DER).
	CA [32]byte
	// Root is the public key of the pipeline's owner.
	Root crdt.Author
	// Token names the invitation, Secret proves it.
	Token, Secret string
}

const scheme = "huskies"

// String returns the invitation as one word: huskies://HOST:PORT/PIPELINE?ca=...&root=...&token=..., and &also=... with
// more addresses if there are any.
func (i *Invitation) String() string {
	first, more, several := strings.Cut(i.Address, ",")
	text := fmt.Sprintf("%s://%s/%s?ca=%x&root=%s&token=%s.%s", scheme, first, i.Pipeline, i.CA, i.Root, i.Token, i.Secret)
	if several {
		text += "&also=" + more
	}
	return text
}

// errNoInvitation: what is given is not what an invitation looks like.
var errNoInvitation = errors.New("not an invitation")

// ParseInvitation reads what [Invitation.String] returns.
func ParseInvitation(text string) (*Invitation, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no URL", errNoInvitation) // the error would show the token
	}
	in := &Invitation{Address: u.Host, Pipeline: strings.TrimPrefix(u.Path, "/")}
	query := u.Query()
	if also := query.Get("also"); also != "" {
		in.Address += "," + also
	}
	token, secret, _ := strings.Cut(query.Get("token"), ".")
	in.Token, in.Secret = token, secret
	ca, caErr := hex.DecodeString(query.Get("ca"))
	root, rootErr := crdt.ParseAuthor(query.Get("root"))
	in.Root = root
	switch {
	case u.Scheme != scheme:
		err = fmt.Errorf("%w: it does not begin with %s://", errNoInvitation, scheme)
	case !areAddresses(in.Address):
		err = fmt.Errorf("%w: it has no host:port", errNoInvitation)
	case !IsPipelineID(in.Pipeline):
		err = fmt.Errorf("%w: it has no pipeline", errNoInvitation)
	case caErr != nil || copy(in.CA[:], ca) != len(in.CA) || len(ca) != len(in.CA):
		err = fmt.Errorf("%w: its ca is not 64 hex digits", errNoInvitation)
	case rootErr != nil || !root.Valid():
		err = fmt.Errorf("%w: its root is no key", errNoInvitation)
	case token == "" || secret == "":
		err = fmt.Errorf("%w: it has no token", errNoInvitation)
	}
	if err != nil {
		return nil, err
	}
	return in, nil
}
