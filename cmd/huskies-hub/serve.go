package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/relay"
)

func serveCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "serve DIR",
		Short: "Run the hub, until SIGTERM",
		Args:  oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			return serve(cmd.Context(), folder(args[0]), address, cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&address, "addr", ":4222", "HOST:PORT to listen at; port 0 takes a free one")
	return cmd
}

const (
	startTimeout = 30 * time.Second // a big store is read first
	stopTimeout  = 4 * time.Second
)

// serve runs the hub until ctx ends.
func serve(ctx context.Context, d folder, address string, logs io.Writer) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	release, err := d.alone()
	if err != nil {
		return err
	}
	defer release()
	if err := d.checkStore(config, logger); err != nil {
		return err
	}
	g := &gate{folder: d, pipeline: config.Pipeline, logger: logger, admin: rand.Text(), connected: make(map[uint64]string)}
	options, err := d.options(config, address, g)
	if err != nil {
		return err
	}
	srv, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("start the hub: %w", err)
	}
	srv.SetLoggerV2(&serverLog{logger}, false, false, false)
	srv.Start()
	defer stop(srv)
	if !srv.ReadyForConnections(startTimeout) {
		return fmt.Errorf("the hub does not listen at %s after %v: the log above says why", address, startTimeout)
	}
	conn, err := nats.Connect("", nats.InProcessServer(srv), nats.UserInfo(adminUser, g.admin))
	if err != nil {
		return fmt.Errorf("connect to the hub in this process: %w", err)
	}
	defer conn.Close()
	if err := makeStreams(ctx, conn, config); err != nil {
		return err
	}
	if err := g.serveJoins(conn); err != nil {
		return err
	}
	go g.follow(srv, ctx.Done())
	listens := srv.Addr().String()
	if err := d.write("address", []byte(listens+"\n")); err != nil {
		return err
	}
	defer os.Remove(d.path("address"))
	logger.Info("the hub serves", "address", listens, "pipeline", config.Pipeline)
	<-ctx.Done()
	logger.Info("the hub ends")
	return nil
}

// stop ends the server. What it acknowledged is on disk.
func stop(srv *server.Server) {
	done := make(chan struct{})
	go func() {
		srv.Shutdown()
		srv.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(stopTimeout):
	}
}

// alone makes this process the one that serves the folder: two would both write its store.
func (d folder) alone() (release func(), err error) {
	lock := flock.New(d.path("serve.lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("another huskies-hub serves %s", d)
	}
	return func() { _ = lock.Close() }, nil
}

// checkStore refuses the store of another hub, and says when there is none where one was.
func (d folder) checkStore(config hubConfig, logger *slog.Logger) error {
	mark := d.path("store/pipeline")
	b, err := os.ReadFile(mark)
	switch {
	case err == nil && string(trimNewline(b)) != config.Pipeline:
		return fmt.Errorf("%s is the store of another hub (%.20q, this one is %s): put the right one in its place, or move it away to begin with an empty one, which the machines fill again",
			d.path("store"), trimNewline(b), config.Pipeline)
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(d.path("store"), 0o700); err != nil {
		return err
	}
	logger.Info("a new store is made: the machines fill it with what they have", "store", d.path("store"))
	return d.write("store/pipeline", []byte(config.Pipeline+"\n"))
}

// options are the server's. SyncAlways makes what is acknowledged durable.
func (d folder) options(config hubConfig, address string, g *gate) (*server.Options, error) {
	host, portText, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("--addr %q is not HOST:PORT", address)
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port > 65535 {
		return nil, fmt.Errorf("--addr %q has no port", address)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	tls, err := d.serverTLS()
	if err != nil {
		return nil, err
	}
	return &server.Options{
		ServerName: "huskies-hub", Host: host, Port: port, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: d.path("store"), SyncAlways: true, JetStreamMaxStore: config.MaxBytes + 1<<30, JetStreamMaxMemory: 16 << 20,
		TLSConfig: tls, TLS: true, TLSHandshakeFirst: true, TLSTimeout: 5, AuthTimeout: 10,
		CustomClientAuthentication: g, AlwaysEnableNonce: true,
		MaxPayload: relay.MaxMessage + 4096, NoSystemAccount: true,
		MaxConn: maxConnections, PingInterval: 15 * time.Second, MaxPingsOut: 2,
	}, nil
}

// maxConnections bounds the connections: ten thousand machines, and some that come back.
const maxConnections = 16 << 10

// maxReservation bounds a reservation, in bytes: two names and two times.
const maxReservation = 1024

// makeStreams makes the streams, or brings them to this build's settings.
func makeStreams(ctx context.Context, conn *nats.Conn, config hubConfig) error {
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:     relay.StreamName(config.Pipeline),
		Subjects: []string{relay.OpSubjects(config.Pipeline)},
		Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Replicas: 1,
		MaxBytes: config.MaxBytes, Discard: jetstream.DiscardNew, MaxMsgSize: relay.MaxMessage,
		Duplicates: relay.DuplicateWindow, DenyDelete: true, DenyPurge: true,
	})
	if err == nil {
		_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name:     relay.ClaimStreamName(config.Pipeline),
			Subjects: []string{relay.ClaimSubjects(config.Pipeline), relay.StartSubject(config.Pipeline)},
			Storage:  jetstream.FileStorage, Retention: jetstream.LimitsPolicy, Replicas: 1,
			MaxMsgsPerSubject: 1, MaxMsgSize: maxReservation, MaxBytes: maxReservations, DenyDelete: true, DenyPurge: true,
		})
	}
	if err == nil {
		_, err = js.Publish(ctx, relay.StartSubject(config.Pipeline), nil)
	}
	if err != nil {
		return fmt.Errorf("make the streams: %w", err)
	}
	return nil
}

// maxReservations bounds the stream of reservations on disk, one message a story that was ever claimed.
const maxReservations = 256 << 20

// serverLog passes the server's log on.
type serverLog struct{ to *slog.Logger }

// logLevels are the levels of lines that the server takes more seriously than they are here.
var logLevels = []struct {
	part  string
	level slog.Level
}{
	{"TLS Handshake First", slog.LevelDebug}, // all members use TLS in this way
	{"TLS handshake error", slog.LevelInfo},  // somebody who is no member tried the port
	{"authentication error", slog.LevelInfo}, // each join begins with one: the machine asks whether it is a member
}

func (l *serverLog) pass(level slog.Level, format string, v ...any) {
	line := fmt.Sprintf(format, v...)
	for _, known := range logLevels {
		if strings.Contains(line, known.part) {
			level = known.level
		}
	}
	l.to.Log(context.Background(), level, line)
}

func (l *serverLog) Noticef(format string, v ...any) { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Warnf(format string, v ...any)   { l.pass(slog.LevelWarn, format, v...) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.to.Error(fmt.Sprintf(format, v...)) }
func (l *serverLog) Errorf(format string, v ...any)  { l.pass(slog.LevelError, format, v...) }
func (l *serverLog) Debugf(format string, v ...any)  { l.to.Debug(fmt.Sprintf(format, v...)) }
func (l *serverLog) Tracef(format string, v ...any)  {}

// decodeSignature reads a signature as clients send it.
func decodeSignature(text string) ([]byte, error) {
	if b, err := base64.RawURLEncoding.DecodeString(text); err == nil {
		return b, nil
	}
	return base64.StdEncoding.DecodeString(text)
}
