package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/durable"
	"github.com/huskies/huskies-mcp/relay"
)

// A backup is JSON lines: what the hub is made of ([safeKeeping]), each message of the stream of ops ([keptMessage]),
// and the end ([keptEnd]), without which it is cut off. Reservations are not in it: by the time it is used they are
// old, and machines enter what they hold.

// keptMessage is a message of the stream.
type keptMessage struct {
	Subject string `json:"subject"`
	Data    []byte `json:"data"`
}

// keptEnd is the last line of a backup.
type keptEnd struct {
	// End counts the messages, plus one.
	End int `json:"end"`
	// Sum is the SHA-256 of all lines before.
	Sum []byte `json:"sha256"`
}

func backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup DIR FILE",
		Short: "Write all of the hub into FILE, while it runs or not",
		Long: `Write all of the hub into FILE: its keys, its members, its settings and all changes
that it has. With restore the same hub is made again, and its members need no new
invitations. Open invitations are not in it. Keep FILE as you keep a key.`,
		Args: folderAndFile,
		RunE: func(cmd *cobra.Command, args []string) error { return backup(cmd, folder(args[0]), args[1]) },
	}
}

// folderAndFile refuses all but two arguments.
func folderAndFile(cmd *cobra.Command, args []string) error {
	if len(args) != 2 || args[0] == "" || args[1] == "" {
		return fmt.Errorf("give the hub's folder and a file: %s", cmd.UseLine())
	}
	return nil
}

func backup(cmd *cobra.Command, d folder, file string) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: give another name. Nothing was written", file)
	}
	if err != nil {
		return err
	}
	var members, messages int
	err = d.withConn(config, cmd.ErrOrStderr(), func(conn *nats.Conn) (err error) {
		members, messages, err = d.writeBackup(cmd.Context(), config, conn, f)
		return err
	})
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = durable.SyncFolder(filepath.Dir(file))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(file)
		return fmt.Errorf("nothing was written: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote the keys, %d members and %d messages to %s\n", members, messages, file)
	return nil
}

// withConn calls fn with a connection to the hub: the one that runs, or else one that listens nowhere, for as long. One of
// several hubs must run: it has no stream alone.
func (d folder) withConn(config hubConfig, logs io.Writer, fn func(*nats.Conn) error) error {
	release, err := d.alone()
	if errors.Is(err, errServed) {
		conn, err := d.connect()
		if err != nil {
			return err
		}
		defer conn.Close()
		return fn(conn)
	}
	if err == nil && len(config.Nodes) > 0 {
		release()
		err = fmt.Errorf("this hub is one of %d, and does not run: start it with huskies-hub serve %s, or do it on another one that runs", len(config.Nodes), d)
	}
	if err != nil {
		return err
	}
	defer release()
	logger := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := d.checkStore(config, logger); err != nil {
		return err
	}
	e, err := d.startEngine(config, logger)
	if err != nil {
		return err
	}
	defer e.stop(stopTimeout)
	return fn(e.conn)
}

// writeBackup writes the messages that the stream has when it begins. They never change, so it may go on meanwhile.
func (d folder) writeBackup(ctx context.Context, config hubConfig, conn *nats.Conn, to io.Writer) (members, messages int, err error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return 0, 0, err
	}
	last, err := lastMessage(ctx, js, config.Pipeline)
	if err != nil {
		return 0, 0, err
	}
	keys, err := d.keys(config) // behind the last message: whoever wrote is among the members
	if err != nil {
		return 0, 0, err
	}
	sum := sha256.New()
	buffered := bufio.NewWriterSize(to, 1<<20)
	lines := json.NewEncoder(io.MultiWriter(buffered, sum))
	if err := lines.Encode(keys); err != nil {
		return 0, 0, err
	}
	err = eachMessage(ctx, js, config.Pipeline, last, func(msg jetstream.Msg) error {
		messages++
		return lines.Encode(keptMessage{msg.Subject(), msg.Data()})
	})
	if err == nil {
		err = json.NewEncoder(buffered).Encode(keptEnd{messages + 1, sum.Sum(nil)})
	}
	return len(keys.Members), messages, errors.Join(err, buffered.Flush())
}

// lastMessage returns the number of the last message in the stream of ops, 0 if there is none or the stream was never made.
func lastMessage(ctx context.Context, js jetstream.JetStream, pipeline string) (uint64, error) {
	stream, err := js.Stream(ctx, relay.StreamName(pipeline))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the hub's stream: %w", err)
	}
	return relay.LastMessage(ctx, stream, pipeline)
}

// eachMessage calls fn with each message of the stream of ops up to the last one, whose number is given.
func eachMessage(ctx context.Context, js jetstream.JetStream, pipeline string, last uint64, fn func(jetstream.Msg) error) error {
	if last == 0 {
		return nil
	}
	consumer, err := js.OrderedConsumer(ctx, relay.StreamName(pipeline), jetstream.OrderedConsumerConfig{MaxResetAttempts: 1}) // else it goes on for ever
	if err != nil {
		return fmt.Errorf("read the hub's stream: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4096))
	if err != nil {
		return fmt.Errorf("read the hub's stream: %w", err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return fmt.Errorf("read the hub's stream: %w", err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream <= last {
			if err := fn(msg); err != nil {
				return err
			}
		}
		if meta.Sequence.Stream >= last {
			return nil
		}
	}
}

// keys returns what the hub is made of.
func (d folder) keys(config hubConfig) (k safeKeeping, err error) {
	root, err := d.root()
	if err != nil {
		return k, err
	}
	k = safeKeeping{Version: folderVersion, Pipeline: config.Pipeline, Root: fmt.Sprintf("%x", root.Seed()), MaxBytes: config.MaxBytes, Nodes: config.Nodes}
	if k.CAKey, err = os.ReadFile(d.path("ca.key")); err != nil {
		return k, err
	}
	if k.CA, err = os.ReadFile(d.path("ca.pem")); err != nil {
		return k, err
	}
	l, err := d.lists()
	k.Members = l.members
	return k, err
}
