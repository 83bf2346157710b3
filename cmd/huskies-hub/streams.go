package main

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/relay"
)

const (
	// maxReservation bounds a reservation, in bytes: two names and two times.
	maxReservation = 1024
	// maxReservations bounds the stream of reservations on disk, one message a story that was ever claimed.
	maxReservations = 256 << 20
)

// makeStreams makes the streams, or brings them to this build's settings, and says in the one of reservations that the
// hub begins.
func makeStreams(ctx context.Context, conn *nats.Conn, config hubConfig) error {
	return putStreams(ctx, conn, config.Pipeline, config.opStream(), config.claimStream())
}

func putStreams(ctx context.Context, conn *nats.Conn, pipeline string, streams ...jetstream.StreamConfig) error {
	js, err := jetstream.New(conn)
	for _, stream := range streams {
		if err == nil {
			_, err = js.CreateOrUpdateStream(ctx, stream)
		}
	}
	if err == nil {
		_, err = js.Publish(ctx, relay.StartSubject(pipeline), nil)
	}
	if err != nil {
		return fmt.Errorf("make the streams: %w", err)
	}
	return nil
}

// opStream is the stream of ops. It refuses what it has no room for: an op is forgotten by nobody.
func (c *hubConfig) opStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:     relay.StreamName(c.Pipeline),
		Subjects: []string{relay.OpSubjects(c.Pipeline), relay.MembersSubject(c.Pipeline)},
		Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Replicas: c.replicas(),
		MaxBytes: c.MaxBytes, Discard: jetstream.DiscardNew, MaxMsgSize: relay.MaxMessage,
		Duplicates: relay.DuplicateWindow, DenyDelete: true, DenyPurge: true,
	}
}

// claimStream is the stream of reservations, of which the last one of each story counts.
func (c *hubConfig) claimStream() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:     relay.ClaimStreamName(c.Pipeline),
		Subjects: []string{relay.ClaimSubjects(c.Pipeline), relay.StartSubject(c.Pipeline)},
		Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Replicas: c.replicas(),
		MaxMsgsPerSubject: 1, MaxMsgSize: maxReservation, MaxBytes: maxReservations, DenyDelete: true, DenyPurge: true,
	}
}
