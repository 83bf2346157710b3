// Package bundle writes and reads bundles: signed ops on their way between replicas, in a file or
// a pipe.
//
// A bundle is JSON Lines (https://jsonlines.org) in UTF-8 with one op a line. [AppendLine] writes
// it and a [Reader] reads it.
//
//	{"id":"<64 hex digits>","payload":"<base64>","signature":"<base64>"}
//
// The id is the SHA-256 of the payload. The signature has 64 bytes. Base64 is the standard one
// with padding (RFC 4648, section 4). The order of the lines means nothing and an op may come
// twice, so bundles may be cut between lines, sorted, and put one behind the other.
//
// The writer ends each line with a newline. The reader does without a newline behind the last
// line, takes CRLF for a newline, and passes over blank lines and a byte order mark before a line.
// It ignores keys that it does not know, since a later version may add some. Of a key that comes
// twice the last value counts. Nothing depends on it, since the id names the payload and the
// signature is checked against the id.
package bundle

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/crdt"
)

// MaxLine bounds a line of a bundle, in bytes without its end. A payload
// of crdt.MaxPayload has 87,384 bytes in base64, the rest of the line is below
// 300: 128 KiB leave room for keys to come.
const MaxLine = 128 << 10

// AppendLine appends the op to b as one line of a bundle, whose format the
// package comment specifies.
func AppendLine(b []byte, op crdt.SignedOp) []byte {
	b = append(b, `{"id":"`...)
	b = hex.AppendEncode(b, op.ID[:])
	b = append(b, `","payload":"`...)
	b = base64.StdEncoding.AppendEncode(b, op.Payload)
	b = append(b, `","signature":"`...)
	b = base64.StdEncoding.AppendEncode(b, op.Signature[:])
	return append(b, "\"}\n"...)
}

// LineError says what is wrong with a line of a bundle.
type LineError struct {
	Line int // from 1
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// Reader reads a bundle line by line, in memory that does not grow with
// it. It checks the form of each op and that the id is the payload's hash, so
// that damage on the way is told; who wrote the op is for [crdt.Verify] to say.
type Reader struct {
	lines  *bufio.Reader
	line   int
	offset int64
	err    error // what ended the bundle
}

// NewReader returns a reader of the bundle in r.
func NewReader(r io.Reader) *Reader {
	return &Reader{lines: bufio.NewReaderSize(r, MaxLine+len("\r\n"))}
}

// Next returns the next op. A line that holds none is a [*LineError], after
// which Next goes on with the line that follows. At the end of the bundle the
// error is io.EOF; that and an error of the underlying reader come again with
// every further call. The op's payload is the caller's to keep.
func (b *Reader) Next() (crdt.SignedOp, error) {
	for b.err == nil {
		line, long := b.readLine()
		var op crdt.SignedOp
		var err error
		switch {
		case long:
			err = fmt.Errorf("the line is longer than %d bytes", MaxLine)
		case len(line) == 0: // blank, or the end
			continue
		default:
			op, err = parseLine(line)
		}
		if err != nil {
			return crdt.SignedOp{}, &LineError{Line: b.line, Err: err}
		}
		return op, nil
	}
	return crdt.SignedOp{}, b.err
}

// Line returns the number of the line that Next read last, from 1.
func (b *Reader) Line() int { return b.line }

// Offset returns how many bytes of the bundle Next has taken.
func (b *Reader) Offset() int64 { return b.offset }

// byteOrderMark is U+FEFF in UTF-8, with which some editors begin a file.
const byteOrderMark = "\ufeff"

// readLine takes the next line and returns it without its end and the blanks
// around it, valid until the next call. One that is too long is taken without
// being held. At the end of the bundle readLine sets b.err.
func (b *Reader) readLine() (line []byte, long bool) {
	line, err := b.lines.ReadSlice('\n')
	taken := len(line)
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		line, err = b.lines.ReadSlice('\n')
		taken += len(line)
	}
	b.offset += int64(taken)
	if err != nil && (err != io.EOF || taken == 0) {
		b.err = err
		return nil, false
	}
	b.line++
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if long || len(line) > MaxLine {
		return nil, true
	}
	return bytes.Trim(bytes.TrimPrefix(line, []byte(byteOrderMark)), " \t\r"), false
}

// parseLine reads what AppendLine wrote.
func parseLine(line []byte) (op crdt.SignedOp, err error) {
	var fields struct { // nil: not there
		ID        *string `json:"id"`
		Payload   *string `json:"payload"`
		Signature *string `json:"signature"`
	}
	if err := json.Unmarshal(line, &fields); err != nil {
		return op, notALine(err)
	}
	switch {
	case fields.ID == nil:
		return op, errors.New(`"id" is missing`)
	case fields.Payload == nil:
		return op, errors.New(`"payload" is missing`)
	case fields.Signature == nil:
		return op, errors.New(`"signature" is missing`)
	}
	if op.ID, err = crdt.ParseOpID(*fields.ID); err != nil {
		return op, fmt.Errorf(`"id" is wrong: %w`, err)
	}
	if op.Payload, err = base64.StdEncoding.DecodeString(*fields.Payload); err != nil {
		return op, errors.New(`"payload" is not base64 with padding`)
	}
	if n := len(op.Payload); n > crdt.MaxPayload {
		return op, fmt.Errorf(`"payload" has %d bytes, want at most %d`, n, crdt.MaxPayload)
	}
	signature, err := base64.StdEncoding.DecodeString(*fields.Signature)
	if err != nil {
		return op, errors.New(`"signature" is not base64 with padding`)
	}
	if n := len(signature); n != len(op.Signature) {
		return op, fmt.Errorf(`"signature" has %d bytes, want %d`, n, len(op.Signature))
	}
	copy(op.Signature[:], signature)
	if sha256.Sum256(op.Payload) != op.ID {
		return op, errors.New(`"id" is not the SHA-256 of "payload": one of them was damaged or changed`)
	}
	return op, nil
}

// notALine says in plain words why JSON does not have the shape of a line.
func notALine(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong):
		return fmt.Errorf("not JSON: %w", err)
	case wrong.Field == "":
		return fmt.Errorf("got a JSON %s, want an object", wrong.Value)
	}
	return fmt.Errorf("%q is a JSON %s, want a string", wrong.Field, wrong.Value)
}
