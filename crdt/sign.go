package crdt

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
)

// signatureContext separates op signatures from all other uses of a key.
const signatureContext = "huskies-op-v1\n"

// SignedOp is an op as it is stored and sent: the bytes that were signed and
// the signature over their hash.
type SignedOp struct {
	ID        OpID
	Payload   []byte
	Signature Signature
}

// Sign encodes op and signs it with key. It sets op.Author, which must be
// zero or the key's own, and op.ID.
func Sign(op *Op, key ed25519.PrivateKey) (SignedOp, error) {
	signed, err := Seal(op, AuthorOf(key))
	if err == nil {
		signed.Sign(key)
	}
	return signed, err
}

// Seal is Sign without the signature, which takes most of the time and which
// nothing that builds on the op depends on: [SignedOp.Sign] adds it.
func Seal(op *Op, author Author) (SignedOp, error) {
	if op.Author != (Author{}) && op.Author != author {
		return SignedOp{}, fmt.Errorf("sign op: author is %s, the key is %s's", op.Author.Short(), author.Short())
	}
	op.Author = author
	if err := op.validate(); err != nil {
		return SignedOp{}, fmt.Errorf("sign op: %w", err)
	}
	if err := op.validateText(); err != nil {
		return SignedOp{}, fmt.Errorf("sign op: %w", err)
	}
	payload := op.encode()
	if len(payload) > MaxPayload {
		return SignedOp{}, fmt.Errorf("sign op: %w: payload of %d bytes, want at most %d", ErrMalformed, len(payload), MaxPayload)
	}
	op.ID, op.size = sha256.Sum256(payload), op.memory(payload)
	return SignedOp{ID: op.ID, Payload: payload}, nil
}

// Sign adds the signature to what Seal made; key is that of the op's author.
func (s *SignedOp) Sign(key ed25519.PrivateKey) {
	s.Signature = Signature(ed25519.Sign(key, signedMessage(s.ID)))
}

// Verify admits an op: it decodes the payload, which checks size, encoding and
// shape, checks the signature and returns the op. It is the only way in for ops that this process did not sign
// and did not admit before. Whether the op's parents are here and its seq
// follows from them is for [Doc.Apply] to say.
func Verify(payload []byte, sig Signature) (*Op, error) {
	op, err := Decode(payload)
	if err != nil {
		return nil, fmt.Errorf("verify op: %w", err)
	}
	if !validSignature(op.Author, op.ID, sig) {
		return nil, fmt.Errorf("verify op %s of author %s: %w", op.ID.Short(), op.Author.Short(), ErrSignature)
	}
	return op, nil
}

// Valid reports whether a may be an author: a key that is canonically encoded
// and not of small order. No op of another is admitted.
func (a Author) Valid() bool { return strictPoint(a[:]) }

func signedMessage(id OpID) []byte {
	return append([]byte(signatureContext), id[:]...)
}

// validSignature is the one predicate by which every replica decides:
// crypto/ed25519's single verification (RFC 8032 §5.1.7, cofactorless), with
// keys and commitments that are of small order or not canonically encoded
// refused ("Taming the many EdDSAs", Chalkias et al. 2020, table 1). Batch
// verification is cofactored and may disagree for hostile keys: it must never
// admit.
func validSignature(author Author, id OpID, sig Signature) bool {
	return strictPoint(author[:]) && strictPoint(sig[:32]) &&
		ed25519.Verify(author[:], signedMessage(id), sig[:])
}

// strictPoint reports whether b may encode a point of large order: y below the
// field's prime p = 2^255 - 19 and not the y of one of the eight points of
// small order. (A point with a large order may still have a torsion part;
// single verification decides those the same way everywhere.)
func strictPoint(b []byte) bool {
	var y [32]byte
	copy(y[:], b)
	y[31] &= 0x7f // the top bit is the sign of x
	if y[31] == 0x7f && y[0] >= 0xed {
		allOnes := true
		for _, c := range y[1:31] {
			allOnes = allOnes && c == 0xff
		}
		if allOnes { // p <= y < 2^255: not canonical
			return false
		}
	}
	for i := range smallOrderY {
		if y == smallOrderY[i] {
			return false
		}
	}
	return true
}

// smallOrderY are the y coordinates, little endian, of the points whose order
// divides the cofactor 8.
var smallOrderY = [...][32]byte{
	{0x00}, // y = 0, order 4
	{0x01}, // y = 1, the identity
	{ // order 8
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	},
	{ // order 8
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	},
	{ // y = -1, order 2
		0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
	},
}
