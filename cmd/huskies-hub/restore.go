package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/relay"
)

func restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore DIR FILE",
		Short: "Make a hub again in the folder DIR, from a backup",
		Long: `Make the hub again that FILE is a backup of, in the folder DIR, which must be new or
empty. Its members come back by themselves once it serves at the same address, and
send what it lacks. No story is reserved in it until machines say what they hold.
See that the hub of the backup does not run any more.

Of three hubs that stand in for each other, make each again with init --peer FILE
first, and serve them. Then restore puts the changes of FILE into all, by way of the
one in DIR.`,
		Args: folderAndFile,
		RunE: func(cmd *cobra.Command, args []string) error { return restore(cmd, folder(args[0]), args[1]) },
	}
}

func restore(cmd *cobra.Command, d folder, file string) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file %s: give a file that huskies-hub backup wrote", file)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	kept, err := readBackup(f, file)
	if err != nil {
		return err
	}
	if len(kept.keys.Nodes) > 0 {
		return d.restoreInto(cmd, kept)
	}
	if err := d.makeEmpty(); err != nil {
		return err
	}
	messages, err := d.restoreFrom(cmd.Context(), kept, cmd.ErrOrStderr())
	if err != nil {
		return errors.Join(fmt.Errorf("no hub was made: %w", err), d.clear())
	}
	fmt.Fprintf(cmd.OutOrStdout(), `made the hub again in %s, with %d members and %d messages
Run it:              huskies-hub serve %s
`, d, len(kept.keys.Members), messages, d)
	return nil
}

// restoreInto puts the messages of a backup into hubs that stand in for each other, and run. What they have already
// is there twice, which machines pass over.
func (d folder) restoreInto(cmd *cobra.Command, kept *backupReader) error {
	config, err := d.open()
	if err != nil || config.Pipeline != kept.keys.Pipeline || len(config.Nodes) == 0 {
		return fmt.Errorf("%s is of %d hubs: make each again with huskies-hub init DIR --peer %s --node N, serve them, and repeat this with the folder of one",
			kept.file, len(kept.keys.Nodes), kept.file)
	}
	err = d.withConn(config, cmd.ErrOrStderr(), func(conn *nats.Conn) error { return fill(cmd.Context(), conn, config, kept) })
	if err != nil {
		return fmt.Errorf("not all was restored, and it can be repeated: %w", err)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "put %d messages into the hubs of %s\n", kept.read, d)
	return nil
}

// maxLine bounds a line of a backup, in bytes: the first one has the members.
const maxLine = 64 << 20

// backupReader reads a backup.
type backupReader struct {
	file  string
	lines *bufio.Scanner
	sum   hash.Hash // of the lines that were read
	read  int       // messages
	keys  safeKeeping
}

// readBackup reads the first line of a backup.
func readBackup(from io.Reader, file string) (*backupReader, error) {
	b := &backupReader{file: file, lines: bufio.NewScanner(from), sum: sha256.New()}
	b.lines.Buffer(nil, maxLine)
	line, err := b.line()
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(line, &b.keys); err != nil || !b.keys.isWhole() {
		if _, err := keysOf(file); err == nil {
			return nil, fmt.Errorf("%s has the keys of a hub, and no changes: make the hub again with huskies-hub init DIR --recover %s, and machines fill it", file, file)
		}
		return nil, fmt.Errorf("%s is not a file that huskies-hub backup wrote", file)
	}
	b.add(line)
	return b, b.keys.checkVersion(file)
}

func (b *backupReader) line() ([]byte, error) {
	if b.lines.Scan() {
		return b.lines.Bytes(), nil
	}
	if err := b.lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, err
	}
	if b.read == 0 && b.keys.Version == 0 {
		return nil, fmt.Errorf("%s is not a file that huskies-hub backup wrote", b.file)
	}
	return nil, fmt.Errorf("%s is cut off after %d messages: take another backup", b.file, b.read)
}

func (b *backupReader) add(line []byte) {
	b.sum.Write(line)
	b.sum.Write([]byte("\n"))
}

// next returns the next message, nil at the end.
func (b *backupReader) next() (*keptMessage, error) {
	line, err := b.line()
	if err != nil {
		return nil, err
	}
	var entry struct {
		keptMessage
		keptEnd
	}
	err = json.Unmarshal(line, &entry)
	switch {
	case err == nil && entry.Subject != "":
		b.add(line)
		b.read++
		return &entry.keptMessage, nil
	case err == nil && entry.End == b.read+1 && bytes.Equal(entry.Sum, b.sum.Sum(nil)):
		return nil, nil
	}
	return nil, fmt.Errorf("%s is damaged in or before its line %d: take another backup", b.file, b.read+2)
}

// opsOfMembers returns the ops about members of a backup, so that a hub that is made of its keys knows who was removed: its list
// does not say. A file without members is no backup.
func opsOfMembers(keys safeKeeping, file string) (ops []crdt.SignedOp, err error) {
	if len(keys.Members) == 0 {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	kept, err := readBackup(f, file)
	for err == nil {
		var msg *keptMessage
		if msg, err = kept.next(); msg == nil {
			break
		}
		if op, err := relay.ReadMessage(msg.Data); err == nil && msg.Subject == relay.MembersSubject(keys.Pipeline) {
			ops = append(ops, op)
		}
	}
	return ops, err
}

// restoreFrom makes the hub. Its store is filled by a server that listens nowhere. All of it is on the disk before
// hub.json makes it a hub.
func (d folder) restoreFrom(ctx context.Context, kept *backupReader, logs io.Writer) (messages int, err error) {
	if err := d.writeKeys(kept.keys); err != nil {
		return 0, err
	}
	config := newConfig(kept.keys, 0)
	logger := slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if err := d.checkStore(config, logger); err != nil {
		return 0, err
	}
	options, err := d.options(config, "")
	if err != nil {
		return 0, err
	}
	options.SyncAlways = false // it is synced as a whole
	options.SyncInterval = time.Hour
	e, err := d.startWith(options, config, logger)
	if err != nil {
		return 0, err
	}
	err = fill(ctx, e.conn, config, kept)
	e.stop(startTimeout)
	if err == nil {
		err = d.syncStore()
	}
	if err == nil {
		err = d.writeJSON("hub.json", config)
	}
	return kept.read, err
}

// fill puts the messages of a backup into the stream. If that is new, it is another one to machines than they knew, so they
// read all of it and send what it lacks.
func fill(ctx context.Context, conn *nats.Conn, config hubConfig, kept *backupReader) error {
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(fillAtOnce), jetstream.WithPublishAsyncTimeout(startTimeout))
	if err != nil {
		return err
	}
	if _, err := js.CreateOrUpdateStream(ctx, config.opStream()); err != nil {
		return err
	}
	for futures := []jetstream.PubAckFuture(nil); ; {
		msg, err := kept.next()
		if err != nil {
			return err
		}
		if msg == nil || len(futures) == fillAtOnce {
			if err := areStored(ctx, futures); err != nil || msg == nil {
				return err
			}
			futures = futures[:0]
		}
		future, err := js.PublishAsync(msg.Subject, msg.Data)
		if err != nil {
			return fmt.Errorf("store message %d: %w", kept.read, err)
		}
		futures = append(futures, future)
	}
}

// fillAtOnce is how many messages are on their way into the stream.
const fillAtOnce = 4096

// areStored returns an error unless all messages were acknowledged.
func areStored(ctx context.Context, futures []jetstream.PubAckFuture) error {
	for _, future := range futures {
		select {
		case <-future.Ok():
		case err := <-future.Err():
			return fmt.Errorf("the store does not take all messages: see that it has room for them, and that most of the hubs run: %w", err)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// syncStore makes the store durable.
func (d folder) syncStore() error {
	return filepath.WalkDir(d.path("store"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}

// clear removes what is in the folder, which was empty before.
func (d folder) clear() error {
	entries, err := os.ReadDir(string(d))
	for _, entry := range entries {
		err = errors.Join(err, os.RemoveAll(d.path(entry.Name())))
	}
	return err
}
