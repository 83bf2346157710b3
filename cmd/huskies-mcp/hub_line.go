package main

import (
	"context"
	"fmt"
	"time"

	"github.com/huskies/huskies-mcp/relay"
)

// hubLine says in a few words how this machine and its hub are doing, for the board and watch. It is empty if there is no
// hub. Away: they do not exchange now.
func (env *environment) hubLine(ctx context.Context) (line string, away bool) {
	hub, state, err := env.replica.Hub(ctx)
	if err != nil || hub == nil {
		return "", false
	}
	status, err := relay.ReadStatus(env.replica)
	_, refused := status.Refused(hub)
	switch {
	case err == nil && refused:
		line, away = "the hub does not let this machine in", true
	case err == nil && status.ConnectedSince > 0:
		line = "hub since " + clock(status.ConnectedSince, time.Now())
	case err == nil && status.AwaySince > 0:
		line, away = "hub away since "+clock(status.AwaySince, time.Now()), true
	default:
		line, away = "hub not connected", true
	}
	return fmt.Sprintf("%s, %d to send", line, state.Outbox), away
}

// clock shows a time in ms since 1970 UTC to a person here: with the day if that is another one.
func clock(ms int64, now time.Time) string {
	at := time.UnixMilli(ms)
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}
	return at.Format("Jan 2 15:04")
}
