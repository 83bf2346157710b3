package cmdline

import (
	"errors"
	"time"

	"github.com/huskies/huskies-mcp/pipeline"
)

// DurationForm says which form a duration has on the command line.
const DurationForm = "a duration such as 30s, 2h, 3d or 1w"

// durationType is the type of a flag that takes a duration, as help names it.
const durationType = "duration"

// Duration is the value of a flag that takes a duration in the form of [pipeline.ParseDuration].
type Duration time.Duration

// Set reads the duration from the command line.
func (d *Duration) Set(text string) error {
	parsed, ok := pipeline.ParseDuration(text)
	if !ok {
		return errors.New("want " + DurationForm)
	}
	*d = Duration(parsed)
	return nil
}

// String returns the duration without the units that are zero, as help shows a default.
func (d *Duration) String() string { return pipeline.SpellDuration(time.Duration(*d)) }

// Type returns how help calls the value.
func (d *Duration) Type() string { return durationType }
