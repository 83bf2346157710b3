package crdt

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// This file has CBOR as far as ops need it: the deterministic encoding (RFC
// 8949, section 4.2.1) of integers, bytes, text, arrays, maps, false and true.
// The reader refuses all other encodings of the same data while it reads, so
// one pass says that the bytes are the only ones that mean what they mean.

// major is the type of a data item (RFC 8949, section 3.1).
type major byte

const (
	majorUint major = iota
	majorNegative
	majorBytes
	majorText
	majorArray
	majorMap
	majorTag
	majorSimple
)

func (m major) String() string {
	return [...]string{
		"an unsigned integer", "a negative integer", "bytes", "text", "an array", "a map", "a tag", "a simple value",
	}[m]
}

// The arguments of majorSimple that there are.
const (
	simpleFalse = 20
	simpleTrue  = 21
)

// appendHead appends the head of a data item with the argument n, in the
// shortest form.
func appendHead(b []byte, m major, n uint64) []byte {
	first := byte(m) << 5
	switch {
	case n < 24:
		return append(b, first|byte(n))
	case n <= math.MaxUint8:
		return append(b, first|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, first|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, first|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, first|27), n)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNegative, uint64(-1-n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendBytes(b, data []byte) []byte {
	return append(appendHead(b, majorBytes, uint64(len(data))), data...)
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

// cborReader reads one data item after the other from s. The first thing that
// is wrong stays in err and ends the input, so a caller may read on and look at
// err at last: after it, methods return zero values.
//
// The strings it returns are parts of s.
type cborReader struct {
	s   string
	at  int   // where the next data item begins
	err error // wraps ErrMalformed
}

// fail notes what is wrong with the byte at the given offset.
func (r *cborReader) fail(at int, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: byte %d: %s", ErrMalformed, at, fmt.Sprintf(format, args...))
	}
	r.at = len(r.s)
}

// end refuses bytes after the last data item.
func (r *cborReader) end() {
	if r.at < len(r.s) {
		r.fail(r.at, "%d bytes follow the op", len(r.s)-r.at)
	}
}

// head reads the head of a data item: its type and argument.
func (r *cborReader) head() (major, uint64) {
	if r.at == len(r.s) {
		r.fail(r.at, "the op ends early")
		return 0, 0
	}
	first := r.s[r.at]
	m, info := major(first>>5), first&0x1f
	if info >= 24 || m >= majorTag {
		return r.rareHead(m, info)
	}
	r.at++
	return m, uint64(info)
}

// rareHead reads a head that is longer than one byte, or is of a type that is
// rare or not there at all. Info is what its first byte has besides the type.
func (r *cborReader) rareHead(m major, info byte) (major, uint64) {
	at := r.at
	r.at++
	switch {
	case m == majorSimple && (info == simpleFalse || info == simpleTrue):
		return m, uint64(info)
	case m == majorSimple:
		r.fail(at, "a float or a simple value that is neither false nor true")
		return 0, 0
	case m == majorTag:
		r.fail(at, "a tag")
		return 0, 0
	case info > 27:
		r.fail(at, "%s without definite length", m)
		return 0, 0
	}
	// The argument follows in 1, 2, 4 or 8 bytes, and fits no fewer.
	least := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]
	var n uint64
	for _, c := range []byte(r.take(1 << (info - 24))) {
		n = n<<8 | uint64(c)
	}
	if n < least {
		r.fail(at, "%d is not in the shortest form", n)
		return 0, 0
	}
	return m, n
}

// want reads the head of a data item of the given type.
func (r *cborReader) want(m major) uint64 {
	if r.at < len(r.s) {
		if n := r.s[r.at] ^ byte(m)<<5; n < 24 { // of that type, and short
			r.at++
			return uint64(n)
		}
	}
	return r.wantLong(m)
}

func (r *cborReader) wantLong(m major) uint64 {
	at := r.at
	got, n := r.head()
	if got != m {
		r.fail(at, "%s, want %s", got, m)
		return 0
	}
	return n
}

// take returns the next n bytes.
func (r *cborReader) take(n uint64) string {
	if left := len(r.s) - r.at; n > uint64(left) {
		r.fail(r.at, "%d bytes, want %d", left, n)
		return ""
	}
	s := r.s[r.at : r.at+int(n)]
	r.at += len(s)
	return s
}

// uint reads an unsigned integer.
func (r *cborReader) uint() uint64 { return r.want(majorUint) }

// text reads text.
func (r *cborReader) text() string { return r.takeText(r.want(majorText)) }

// takeText returns the next n bytes, which are text.
func (r *cborReader) takeText(n uint64) string {
	at := r.at
	s := r.take(n)
	if !utf8.ValidString(s) {
		r.fail(at, "text that is not UTF-8")
		return ""
	}
	return s
}

// fixed reads bytes into dst, as many as it holds.
func (r *cborReader) fixed(dst []byte) {
	at := r.at
	n := r.want(majorBytes)
	if n != uint64(len(dst)) {
		r.fail(at, "%d bytes, want %d", n, len(dst))
		return
	}
	copy(dst, r.take(n))
}

// array reads the head of an array and returns its length. An element takes at
// least the given number of bytes, so a length that is only claimed is refused
// before room is made for it.
func (r *cborReader) array(least uint64) int { return r.length(r.want(majorArray), least) }

// length is array for a head that was read.
func (r *cborReader) length(n, least uint64) int {
	if n > MaxEdits {
		r.fail(r.at, "%d elements, want at most %d", n, MaxEdits)
		return 0
	}
	if left := len(r.s) - r.at; n*least > uint64(left) {
		r.fail(r.at, "%d bytes left for %d elements", left, n)
		return 0
	}
	return int(n)
}

// isTrue reports whether the next item is true. It reads nothing.
func (r *cborReader) isTrue() bool {
	return r.err == nil && r.at < len(r.s) && r.s[r.at] == byte(majorSimple)<<5|simpleTrue
}

// skip reads a data item of any type that lies inside so many arrays and maps.
func (r *cborReader) skip(inside int) {
	at := r.at
	m, n := r.head()
	switch m {
	case majorBytes:
		r.take(n)
	case majorText:
		r.takeText(n)
	case majorArray, majorMap:
		if inside == maxNesting {
			r.fail(at, "%s nested more than %d deep", m, maxNesting)
			return
		}
		if m == majorMap {
			for p := (pairs{r: r, all: n}); p.next(); {
				r.skip(inside + 1)
			}
			return
		}
		for range r.length(n, 1) {
			r.skip(inside + 1)
		}
	}
}

// otherKey stands for every map key that no map of an op knows: text, negative
// integers.
const otherKey = math.MaxUint64

// pairs reads the pairs of a map: after next returned true, key is the key and
// the value is to be read.
type pairs struct {
	r         *cborReader
	key       uint64
	last      string // the key as it is encoded
	read, all uint64
}

// pairs reads the head of a map.
func (r *cborReader) pairs() pairs { return pairs{r: r, all: r.want(majorMap)} }

// next reads the next key, if there is one.
func (p *pairs) next() bool {
	r := p.r
	if p.read == p.all || r.err != nil {
		return false
	}
	if p.read == maxPairs {
		r.fail(r.at, "a map of more than %d pairs", maxPairs)
		return false
	}
	p.read++
	// Nearly every key is below 24, one byte, and comes before all longer ones.
	if at := r.at; at < len(r.s) && r.s[at] < 24 && (p.last == "" || p.last[0] < r.s[at]) {
		p.key, p.last = uint64(r.s[at]), r.s[at:at+1]
		r.at++
		return true
	}
	return p.rareKey()
}

func (p *pairs) rareKey() bool {
	r := p.r
	at := r.at
	m, n := r.head()
	switch {
	case m == majorUint && n <= math.MaxInt64:
		p.key = n
	case m == majorNegative && n <= math.MaxInt64:
		p.key = otherKey
	case m == majorText:
		r.takeText(n)
		p.key = otherKey
	default:
		r.fail(at, "a map key that is neither text nor an integer of 64 bits with sign")
	}
	if r.err != nil {
		return false
	}
	if key := r.s[at:r.at]; key > p.last {
		p.last = key
		return true
	}
	r.fail(at, "map keys that are not in ascending order")
	return false
}
