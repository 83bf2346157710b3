package crdt_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

// smallOrderPoints returns the canonical encodings of the eight points whose
// order divides 8, and the encodings that are not canonical but decode to one.
func smallOrderPoints(t *testing.T) (canonical, other [][32]byte) {
	t.Helper()
	var order8 [32]byte
	copy(order8[:], raw("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"))
	g, ok := decodePoint(order8)
	if !ok || !g.smallOrder() {
		t.Fatal("the generator of the small subgroup is not one")
	}
	p := point{big.NewInt(0), big.NewInt(1)}
	for range 8 {
		canonical = append(canonical, p.encode())
		p = p.add(g)
	}
	seen := map[[32]byte]bool{}
	for _, c := range canonical {
		seen[c] = true
	}
	if len(seen) != 8 {
		t.Fatalf("got %d points of small order, want 8", len(seen))
	}
	candidates := nonCanonical()
	for _, y := range []*big.Int{big.NewInt(1), sub(fieldP, big.NewInt(1))} { // x = 0 with its sign set
		b := toLittleEndian(y)
		b[31] |= 0x80
		candidates = append(candidates, b)
	}
	for _, c := range candidates {
		if p, ok := decodePoint(c); ok && p.smallOrder() {
			other = append(other, c)
		}
	}
	return canonical, other
}

// nonCanonical returns the 38 encodings with p <= y < 2^255.
func nonCanonical() (encodings [][32]byte) {
	for i := range int64(19) {
		b := toLittleEndian(new(big.Int).Add(fieldP, big.NewInt(i)))
		encodings = append(encodings, b)
		b[31] |= 0x80
		encodings = append(encodings, b)
	}
	return encodings
}

// signAs builds ops of author until build returns a signature that crypto/ed25519
// accepts, and returns that op: what a laxer replica would admit.
func signAs(t *testing.T, author [32]byte, build func(message []byte) [64]byte) (payload []byte, sig crdt.Signature) {
	t.Helper()
	for at := range 1000 {
		payload, err := deterministic.Marshal(with(with(baseMap(), uint64(2), author[:]), uint64(8), at))
		if err != nil {
			t.Fatal(err)
		}
		id := sha256.Sum256(payload)
		message := append([]byte("huskies-op-v1\n"), id[:]...)
		if sig := build(message); ed25519.Verify(author[:], message, sig[:]) {
			return payload, sig
		}
	}
	t.Fatalf("author %x: found no signature that crypto/ed25519 accepts", author)
	return nil, crdt.Signature{}
}

func refuseSignature(t *testing.T, payload []byte, sig crdt.Signature) {
	t.Helper()
	if _, err := crdt.Verify(payload, sig); !errors.Is(err, crdt.ErrSignature) {
		t.Errorf("author and signature\n%x\n%x: got error %v, want %v", payload[4:40], sig, err, crdt.ErrSignature)
	}
}

// TestC22_SmallOrderKeys: under a key of small order one signature fits many
// messages, and its secret is everybody's. crypto/ed25519 accepts all of these.
func TestC22_SmallOrderKeys(t *testing.T) {
	canonical, other := smallOrderPoints(t)
	if len(other) != 6 {
		t.Errorf("got %d encodings of small order that are not canonical, want 6", len(other))
	}
	r := secretOf(keyOf("r"))
	commitment := crdt.AuthorOf(keyOf("r")) // r times the base point
	for _, author := range append(canonical, other...) {
		payload, sig := signAs(t, author, func(m []byte) [64]byte {
			return forge(commitment, author, r, big.NewInt(0), m)
		})
		refuseSignature(t, payload, sig)
	}
}

// TestC22_SmallOrderCommitments: R of small order, under an honest key (only
// the identity is possible) and under keys with a part of small order.
func TestC22_SmallOrderCommitments(t *testing.T) {
	key := keyOf("a")
	a, _ := decodePoint(crdt.AuthorOf(key))
	canonical, _ := smallOrderPoints(t)
	order8, _ := decodePoint(canonical[1])
	mixed := a.add(order8).encode()
	for i, commitment := range canonical {
		author := mixed
		if i == 0 {
			author = crdt.AuthorOf(key)
		}
		payload, sig := signAs(t, author, func(m []byte) [64]byte {
			return forge(commitment, author, big.NewInt(0), secretOf(key), m)
		})
		refuseSignature(t, payload, sig)
	}
}

// TestC22_NonCanonical: y at or above p, as key and as commitment, and S with
// the group's order added.
func TestC22_NonCanonical(t *testing.T) {
	honest := mustSign(t, exampleOp())
	for _, b := range nonCanonical() {
		payload, err := deterministic.Marshal(with(baseMap(), uint64(2), b[:]))
		if err != nil {
			t.Fatal(err)
		}
		refuseSignature(t, payload, signBytes(payload, "a").Signature)
		sig := honest.Signature
		copy(sig[:32], b[:])
		refuseSignature(t, honest.Payload, sig)
	}
	for s := littleEndian(honest.Signature[32:]); ; {
		s.Add(s, orderL)
		if s.BitLen() > 256 {
			break
		}
		sig, scalar := honest.Signature, toLittleEndian(s)
		copy(sig[32:], scalar[:])
		refuseSignature(t, honest.Payload, sig)
	}
}

// TestC22_MixedOrderKeys: a key with a large and a small part is nobody's
// honest key. Verify decides its signatures as crypto/ed25519 does, so all
// replicas agree: without the cofactor, some are valid and some are not.
func TestC22_MixedOrderKeys(t *testing.T) {
	a, _ := decodePoint(crdt.AuthorOf(keyOf("a")))
	canonical, _ := smallOrderPoints(t)
	order8, _ := decodePoint(canonical[1])
	author := a.add(order8).encode()
	commitment := crdt.AuthorOf(keyOf("r"))
	admitted := 0
	for at := range 64 {
		payload, err := deterministic.Marshal(with(with(baseMap(), uint64(2), author[:]), uint64(8), at))
		if err != nil {
			t.Fatal(err)
		}
		id := sha256.Sum256(payload)
		message := append([]byte("huskies-op-v1\n"), id[:]...)
		sig := forge(commitment, author, secretOf(keyOf("r")), secretOf(keyOf("a")), message)
		_, err = crdt.Verify(payload, sig)
		if want := ed25519.Verify(author[:], message, sig[:]); (err == nil) != want {
			t.Fatalf("at %d: got error %v, crypto/ed25519 says %t", at, err, want)
		}
		if err == nil {
			admitted++
		}
	}
	if admitted == 0 || admitted == 64 {
		t.Errorf("%d of 64 were admitted: the key is not of mixed order", admitted)
	}
}
