package relay

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/nats-io/nats.go"
)

// A team's own NATS server can be the hub. Its address is a URL: nats://HOST:PORT or tls://HOST:PORT, several hosts parted by
// commas, with ?creds=FILE for the credentials. It admits whom its own configuration admits, so there is no invitation, and the
// certificate is one that the system trusts.

// errNoURL: what is given is not where a pipeline is on a NATS server.
var errNoURL = errors.New("not the URL of a pipeline on a NATS server")

// IsOwn reports whether an address is of a NATS server of one's own.
func IsOwn(address string) bool {
	return strings.HasPrefix(address, "nats://") || strings.HasPrefix(address, "tls://")
}

// ParseOwn reads nats://HOST:PORT/PIPELINE, as huskies-hub setup prints it. Creds is the path of a credentials file, or
// empty. The result has no token: nobody needs to be asked.
func ParseOwn(text, creds string) (*Invitation, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(text), "://")
	hosts, pipeline, _ := strings.Cut(rest, "/")
	switch {
	case !IsOwn(scheme + "://"):
		return nil, fmt.Errorf("%w: it does not begin with nats:// or tls://", errNoURL)
	case strings.Contains(hosts, "@"):
		return nil, fmt.Errorf("%w: it has a user's name, which would be kept in the database: give a credentials file", errNoURL)
	case !areAddresses(hosts):
		return nil, fmt.Errorf("%w: it has no host:port", errNoURL)
	case !IsPipelineID(pipeline):
		return nil, fmt.Errorf("%w: it has no pipeline behind the port", errNoURL)
	}
	in := &Invitation{Address: scheme + "://" + hosts, Pipeline: pipeline}
	if creds != "" {
		in.Address += "?" + url.Values{"creds": {creds}}.Encode()
	}
	return in, nil
}

// DialOwn connects to a NATS server of one's own.
func DialOwn(address string, more ...nats.Option) (*nats.Conn, error) {
	servers, query, _ := strings.Cut(address, "?")
	scheme, hosts, _ := strings.Cut(servers, "://")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", servers, err)
	}
	options := append(sharedOptions(), more...)
	if creds := values.Get("creds"); creds != "" {
		options = append(options, nats.UserCredentials(creds))
	}
	conn, err := nats.Connect(scheme+"://"+strings.ReplaceAll(hosts, ",", ","+scheme+"://"), options...)
	if errors.Is(err, nats.ErrNoServers) {
		err = errNobody
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", servers, err)
	}
	return conn, nil
}
