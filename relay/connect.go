package relay

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
)

const (
	// connectTimeout bounds the dialling, and each request to the hub.
	connectTimeout = 5 * time.Second
	// pingInterval is how soon a dead network is noticed: after two pings without an answer.
	pingInterval = 15 * time.Second
)

// errOtherCA: what answers is not the hub of the invitation.
var errOtherCA = errors.New("the hub shows another certificate than the invitation names")

// errNobody: no hub listens at the address, or no way leads there.
var errNobody = errors.New("nothing answers there")

// tlsConfig returns what makes sure that the other side is the hub: its certificate is signed by the one with the
// given SHA-256, which it shows too. That one signs for this hub alone, so the name in the certificate, which
// changes with the way there, says nothing more.
func tlsConfig(ca [32]byte) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, // VerifyConnection does it
		VerifyConnection: func(state tls.ConnectionState) error {
			roots := x509.NewCertPool()
			found := false
			for _, cert := range state.PeerCertificates {
				if sha256.Sum256(cert.Raw) == ca {
					roots.AddCert(cert)
					found = true
				}
			}
			if !found || len(state.PeerCertificates) == 0 {
				return errOtherCA
			}
			_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
			return err
		},
	}
}

// transportKey is the key with which a member connects.
type transportKey struct {
	pair   nkeys.KeyPair
	public string
}

// newTransportKey returns the key of a seed of 32 bytes.
func newTransportKey(seed []byte) (k transportKey, err error) {
	if k.pair, err = nkeys.FromRawSeed(nkeys.PrefixByteUser, seed); err == nil {
		k.public, err = k.pair.PublicKey()
	}
	return k, err
}

// sign signs a hub's nonce. A hub may be false, so it signs nothing but what looks like one.
func (k transportKey) sign(nonce []byte) ([]byte, error) {
	if !isNonce(nonce) {
		return nil, errors.New("the hub asks for a signature of something that is no nonce")
	}
	return k.pair.Sign(nonce)
}

// isNonce: 8 to 64 characters of base64url.
func isNonce(b []byte) bool {
	if len(b) < 8 || len(b) > 64 {
		return false
	}
	for _, c := range b {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// sharedOptions are those of all connections.
func sharedOptions() []nats.Option {
	return []nats.Option{
		nats.NoReconnect(), nats.Timeout(connectTimeout), nats.PingInterval(pingInterval), nats.MaxPingsOutstanding(2), nats.Name("huskies-mcp"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}), // each is the error of a call, too
	}
}

// dial connects to a hub. The connection is never made again by itself: a new one is compared with the hub first.
func dial(address string, ca [32]byte, more ...nats.Option) (*nats.Conn, error) {
	options := append(append(sharedOptions(), nats.Secure(tlsConfig(ca)), nats.TLSHandshakeFirst()), more...)
	conn, err := nats.Connect(urlsOf(address), options...)
	if errors.Is(err, nats.ErrNoServers) {
		err = errNobody
	}
	if err != nil {
		return nil, fmt.Errorf("connect to hub %s: %w", address, err)
	}
	return conn, nil
}

// dialAs connects as the member with the key. A NATS server of one's own knows no members.
func dialAs(key transportKey, address string, ca [32]byte, more ...nats.Option) (*nats.Conn, error) {
	if IsOwn(address) {
		return DialOwn(address, more...)
	}
	return dial(address, ca, append(more, nats.Nkey(key.public, key.sign), nats.CustomInboxPrefix(InboxPrefix(key.public)))...)
}

// isRefused reports whether the hub does not know who connects.
func isRefused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) || errors.Is(err, nats.ErrAuthRevoked)
}
