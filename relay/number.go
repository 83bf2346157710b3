package relay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// numberKey is in the place of a story's ID where the hub keeps the number that it gave out last, among the
// reservations. No story can have it: see pipeline.ReservedPrefix.
const numberKey = "huskies.number"

// given is the message under numberKey, as JSON.
type given struct {
	Number uint32 `json:"number"`
}

// number takes the number after known and after the last one that the hub gave out. A hub that began a moment ago
// may have lost the latter, but IDs that are made apart differ all the same.
func (d *desk) number(ctx context.Context, known uint32) (uint32, error) {
	subject := ClaimSubject(d.hub.Pipeline, numberKey)
	for {
		var last given
		var seq uint64
		var now, began time.Time
		err := all(
			func() (err error) { now, began, err = d.times(ctx); return err },
			func() (err error) { last, seq, err = d.lastNumber(ctx, subject); return err },
		)
		if err == nil && now.Sub(began) < settleTime {
			err = errSettling
		}
		if err != nil {
			return 0, err
		}
		greatest := max(last.Number, known)
		if greatest == math.MaxUint32 {
			return 0, errors.New("the hub has given out the greatest number")
		}
		if _, err = d.putNext(ctx, subject, seq, given{greatest + 1}); err == nil {
			return greatest + 1, nil
		}
		if !isOvertaken(err) {
			return 0, fmt.Errorf("take a number: %w", err)
		}
	}
}

// lastNumber returns the number that the hub gave out last, and that of the message, 0 if there is none.
func (d *desk) lastNumber(ctx context.Context, subject string) (last given, seq uint64, err error) {
	msg, err := d.stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return last, 0, nil
	}
	if err != nil {
		return last, 0, fmt.Errorf("read the last number: %w", err)
	}
	_ = json.Unmarshal(msg.Data, &last) // what no build of ours wrote is no number
	return last, msg.Sequence, nil
}
