package relay

import (
	"crypto/sha256"
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/crdt"
)

// A message of the stream is the signature, 64 bytes, and the payload as it was signed. The message's ID is the
// op's.

// errShort: a message is too short for a signature.
var errShort = errors.New("the message is shorter than a signature")

// NewMessage returns the message of an op.
func NewMessage(subject, stream string, op *crdt.SignedOp) *nats.Msg {
	msg := nats.NewMsg(subject)
	msg.Data = append(append(make([]byte, 0, len(op.Signature)+len(op.Payload)), op.Signature[:]...), op.Payload...)
	msg.Header.Set(nats.MsgIdHdr, op.ID.String())
	msg.Header.Set(nats.ExpectedStreamHdr, stream)
	return msg
}

// ReadMessage returns what a message says is an op. Nothing of it is verified.
func ReadMessage(data []byte) (op crdt.SignedOp, err error) {
	if len(data) < len(op.Signature) {
		return op, errShort
	}
	copy(op.Signature[:], data)
	op.Payload = data[len(op.Signature):]
	op.ID = sha256.Sum256(op.Payload)
	return op, nil
}
