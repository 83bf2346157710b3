package crdt_test

import (
	"crypto/ed25519"
	"crypto/sha512"
	"math/big"
	"slices"
)

// The group of Ed25519 (RFC 8032, section 5.1) in plain big integers, to build
// the keys and signatures that an attacker would. Slow, and only for tests.

var (
	fieldP = sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	orderL = func() *big.Int {
		c, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
		return c.Add(c, new(big.Int).Lsh(big.NewInt(1), 252))
	}()
	curveD = mod(mul(big.NewInt(-121665), new(big.Int).ModInverse(big.NewInt(121666), fieldP)))
)

func sub(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }
func mul(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }
func mod(a *big.Int) *big.Int    { return new(big.Int).Mod(a, fieldP) }

// littleEndian reads and toLittleEndian writes 32 bytes, little endian.
func littleEndian(b []byte) *big.Int {
	b = slices.Clone(b)
	slices.Reverse(b)
	return new(big.Int).SetBytes(b)
}

func toLittleEndian(n *big.Int) (b [32]byte) {
	n.FillBytes(b[:])
	slices.Reverse(b[:])
	return b
}

// point is an affine point of -x^2 + y^2 = 1 + d x^2 y^2.
type point struct{ x, y *big.Int }

// decodePoint reads an encoding, canonical or not; ok is false off the curve.
func decodePoint(b [32]byte) (p point, ok bool) {
	sign := uint(b[31] >> 7)
	b[31] &= 0x7f
	y := mod(littleEndian(b[:]))
	yy := mul(y, y)
	den := mod(new(big.Int).Add(mul(curveD, yy), big.NewInt(1)))
	xx := mod(mul(sub(yy, big.NewInt(1)), den.ModInverse(den, fieldP)))
	x := new(big.Int).ModSqrt(xx, fieldP)
	if x == nil {
		return point{}, false
	}
	if x.Bit(0) != sign {
		x = mod(sub(fieldP, x))
	}
	return point{x, y}, true
}

func (p point) encode() [32]byte {
	b := toLittleEndian(p.y)
	b[31] |= byte(p.x.Bit(0)) << 7
	return b
}

// add is the addition law of RFC 8032, section 5.1.4, in affine form.
func (p point) add(q point) point {
	xy, yx := mul(p.x, q.y), mul(p.y, q.x)
	yy, xx := mul(p.y, q.y), mul(p.x, q.x)
	k := mod(mul(curveD, mod(mul(xx, yy))))
	dx := mod(new(big.Int).Add(big.NewInt(1), k))
	dy := mod(sub(big.NewInt(1), k))
	x := mul(new(big.Int).Add(xy, yx), dx.ModInverse(dx, fieldP))
	y := mul(new(big.Int).Add(yy, xx), dy.ModInverse(dy, fieldP))
	return point{mod(x), mod(y)}
}

// smallOrder reports whether p times 8 is the identity: p has small order.
func (p point) smallOrder() bool {
	for range 3 {
		p = p.add(p)
	}
	return p.x.Sign() == 0 && p.y.Cmp(big.NewInt(1)) == 0
}

// secretOf returns the secret scalar of key, modulo L.
func secretOf(key ed25519.PrivateKey) *big.Int {
	h := sha512.Sum512(key.Seed())
	h[0] &= 248
	h[31] = h[31]&127 | 64
	return new(big.Int).Mod(littleEndian(h[:32]), orderL)
}

// forge returns R || S with S = r + h s, where h is the hash of RFC 8032 over
// commitment, author and message.
func forge(commitment, author [32]byte, r, s *big.Int, message []byte) (sig [64]byte) {
	h := sha512.Sum512(slices.Concat(commitment[:], author[:], message))
	n := littleEndian(h[:])
	n.Add(mul(n, s), r).Mod(n, orderL)
	scalar := toLittleEndian(n)
	copy(sig[:32], commitment[:])
	copy(sig[32:], scalar[:])
	return sig
}
