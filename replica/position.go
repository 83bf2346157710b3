package replica

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// Position says which rows of the log an answer reflects: all up to one. It is
// this replica's own: the same ops stand elsewhere in another's log.
type Position struct {
	// Arrival is the number of the last row, 0 in an empty log.
	Arrival int64
	// Op is the beginning of that row's op ID, so that a log which was replaced, or
	// went back to an earlier state, is told from this one.
	Op [4]byte
	// Epoch is the log's: with another one the document is built anew.
	Epoch int64
}

// String returns the position as text without white space, such as
// "1234.9f3a01bc", or "1234.9f3a01bc.1523456" in epoch 1523456.
func (p Position) String() string {
	text := strconv.FormatInt(p.Arrival, 10)
	if p.Arrival > 0 {
		text += "." + hex.EncodeToString(p.Op[:])
	}
	if p.Epoch != 0 {
		text += "." + strconv.FormatInt(p.Epoch, 10)
	}
	return text
}

var errPosition = errors.New("not a position in the log")

// ParsePosition reads what String returns.
func ParsePosition(text string) (p Position, err error) {
	parts := strings.Split(text, ".")
	if p.Arrival, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
		return p, errPosition
	}
	parts = parts[1:]
	if p.Arrival > 0 && len(parts) > 0 {
		op, err := hex.DecodeString(parts[0])
		if err != nil || copy(p.Op[:], op) != len(op) {
			return p, errPosition
		}
		parts = parts[1:]
	}
	if len(parts) > 0 {
		if p.Epoch, err = strconv.ParseInt(parts[0], 10, 64); err != nil {
			return p, errPosition
		}
	}
	if p.Arrival < 0 || p.Epoch < 0 || p.String() != text { // also what is missing or too much
		return p, fmt.Errorf("%w: %q", errPosition, text)
	}
	return p, nil
}

func (c cursor) position(epoch int64) Position {
	p := Position{Arrival: c.arrival, Epoch: epoch}
	if c.arrival > 0 {
		p.Op = opStart(c.id)
	}
	return p
}

// opStart returns the part of an op ID that a position bears.
func opStart(id crdt.OpID) [4]byte { return [4]byte(id[:4]) }

// PositionLocked returns the position that the document reflects. Only the
// functions that View, ViewAfter and Watch call may call it.
func (r *Replica) PositionLocked() Position { return r.cursor.position(r.epoch) }

// Position returns the position that the answer of a change reflects: that of its
// own op, or, if there was nothing to write, of the ops before it. It may be called
// when Wait has returned without an error.
func (w *Write) Position() Position {
	if w.behind != nil {
		return w.behind.position
	}
	return w.position
}
