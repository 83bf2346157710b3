package crdt

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// OpID names an op: the SHA-256 of its payload.
type OpID [sha256.Size]byte

// Author is the Ed25519 public key (RFC 8032) of the replica that signs.
type Author [ed25519.PublicKeySize]byte

// Signature is an Ed25519 signature (RFC 8032, 64 bytes).
type Signature [ed25519.SignatureSize]byte

// ParseOpID reads the 64 hex digits that String prints.
func ParseOpID(s string) (OpID, error) {
	var id OpID
	err := parseHex(id[:], s, "op ID")
	return id, err
}

// String returns 64 lower-case hex digits.
func (id OpID) String() string { return hex.EncodeToString(id[:]) }

// Short returns the first 12 hex digits: what people and agents see.
func (id OpID) Short() string { return hex.EncodeToString(id[:6]) }

// IsZero reports whether id is the zero value, which is no op's ID.
func (id OpID) IsZero() bool { return id == OpID{} }

// Compare orders op IDs bytewise.
func (id OpID) Compare(other OpID) int { return bytes.Compare(id[:], other[:]) }

// MarshalText returns what String returns.
func (id OpID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *OpID) UnmarshalText(b []byte) error { return parseHex(id[:], string(b), "op ID") }

// ParseAuthor reads the 64 hex digits that String prints.
func ParseAuthor(s string) (Author, error) {
	var a Author
	err := parseHex(a[:], s, "author")
	return a, err
}

// AuthorOf returns the author that signs with key.
func AuthorOf(key ed25519.PrivateKey) Author {
	return Author(key.Public().(ed25519.PublicKey))
}

// String returns 64 lower-case hex digits.
func (a Author) String() string { return hex.EncodeToString(a[:]) }

// Short returns the first 8 hex digits.
func (a Author) Short() string { return hex.EncodeToString(a[:4]) }

// Compare orders authors bytewise.
func (a Author) Compare(other Author) int { return bytes.Compare(a[:], other[:]) }

// MarshalText returns what String returns.
func (a Author) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (a *Author) UnmarshalText(b []byte) error { return parseHex(a[:], string(b), "author") }

// String returns 128 lower-case hex digits.
func (s Signature) String() string { return hex.EncodeToString(s[:]) }

func parseHex(dst []byte, s, what string) error {
	if len(s) != 2*len(dst) {
		return fmt.Errorf("parse %s: got %d characters, want %d hex digits", what, len(s), 2*len(dst))
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		return fmt.Errorf("parse %s: %w", what, err)
	}
	return nil
}

// ValidStoryID reports whether s is a story ID:
// ^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$.
func ValidStoryID(s string) bool {
	if s == "" || len(s) > MaxStoryID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case i > 0 && (c == '.' || c == '_' || c == '-'):
		default:
			return false
		}
	}
	return true
}
