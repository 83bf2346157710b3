package oplog

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Position says which rows of the log an answer reflects, and of which state: all up
// to one row. It is this replica's own: the same ops stand elsewhere in another's log.
type Position struct {
	// Arrival is the number of the last row, 0 in an empty log.
	Arrival int64
	// Op is the beginning of that row's op ID, so that a log which was replaced, or
	// went back to an earlier state, is told from this one.
	Op [4]byte
	// State is the state's ID: it is another one after the state has changed by
	// anything but an op.
	State uint32
}

func positionOf(arrival int64, id []byte, stateID int64) Position {
	p := Position{Arrival: arrival, State: uint32(stateID)}
	copy(p.Op[:], id)
	return p
}

// String returns the position as text without white space, such as
// "1234.9f3a01bc.5d0a7c11", or "0" for the start of a log.
func (p Position) String() string {
	if p.Arrival == 0 {
		return "0"
	}
	return fmt.Sprintf("%d.%x.%08x", p.Arrival, p.Op, p.State)
}

var errPosition = errors.New("not a position in the log")

// ParsePosition reads what String returns.
func ParsePosition(text string) (p Position, err error) {
	if text == "0" {
		return p, nil
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return p, fmt.Errorf("%w: %q", errPosition, text)
	}
	p.Arrival, err = strconv.ParseInt(parts[0], 10, 64)
	op, opErr := hex.DecodeString(parts[1])
	state, stateErr := strconv.ParseUint(parts[2], 16, 32)
	copy(p.Op[:], op)
	p.State = uint32(state)
	if err = errors.Join(err, opErr, stateErr); err != nil || p.Arrival < 1 || p.String() != text {
		return p, fmt.Errorf("%w: %q", errPosition, text)
	}
	return p, nil
}
