package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"time"
)

// serverName is the name in the hub's certificate. Members do not look at it: they know the certificate that signs it.
const serverName = "huskies-hub"

// lifetime of the certificates. The one of the hub is made anew at each start.
const lifetime = 30 * 365 * 24 * time.Hour

// newCA makes a key and a certificate that signs for the hub of one pipeline alone, both as PEM.
func newCA(pipeline string) (keyPEM, certPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := newTemplate("huskies-hub " + pipeline)
	if err != nil {
		return nil, nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), nil
}

func newTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-24 * time.Hour), // clocks differ
		NotAfter:  now.Add(lifetime),
	}, err
}

// ca returns the certificate that signs the hub's, and its key.
func (d folder) ca() (cert *x509.Certificate, pair tls.Certificate, err error) {
	pair, err = tls.LoadX509KeyPair(d.path("ca.pem"), d.path("ca.key"))
	if err != nil {
		return nil, pair, fmt.Errorf("read the hub's certificate: %w", err)
	}
	cert, err = x509.ParseCertificate(pair.Certificate[0])
	return cert, pair, err
}

// caSum is how members know the hub: the SHA-256 of its CA's certificate.
func (d folder) caSum() (sum [32]byte, err error) {
	b, err := os.ReadFile(d.path("ca.pem"))
	if err != nil {
		return sum, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return sum, fmt.Errorf("%s is damaged", d.path("ca.pem"))
	}
	return sha256.Sum256(block.Bytes), nil
}

// serverTLS makes a certificate for this run, signed by the hub's CA, which is shown with it.
func (d folder) serverTLS() (*tls.Config, error) {
	ca, pair, err := d.ca()
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := newTemplate(serverName)
	if err != nil {
		return nil, err
	}
	template.DNSNames = []string{serverName}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} // the latter for other nodes
	cert, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert, ca.Raw}, PrivateKey: key}},
	}, nil
}
