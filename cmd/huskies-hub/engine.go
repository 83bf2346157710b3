package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/huskies/huskies-mcp/relay"
)

// engine is a NATS server over the folder's store in this process, with the hub's own connection to it. The caller
// holds the lock of the folder.
type engine struct {
	srv  *server.Server
	conn *nats.Conn
	gate *gate
}

const (
	startTimeout = 30 * time.Second // a big store is read first
	stopTimeout  = 4 * time.Second
)

// startEngine starts a server that listens nowhere.
func (d folder) startEngine(config hubConfig, logger *slog.Logger) (*engine, error) {
	options, err := d.options(config, "")
	if err != nil {
		return nil, err
	}
	return d.startWith(options, config, logger)
}

// startWith starts a server. Members that connect wait until the gate is ready.
func (d folder) startWith(options *server.Options, config hubConfig, logger *slog.Logger) (*engine, error) {
	g, err := newGate(d, config, logger)
	if err != nil {
		return nil, err
	}
	options.CustomClientAuthentication = g
	srv, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("start the hub: %w", err)
	}
	e := &engine{srv: srv, gate: g}
	srv.SetLoggerV2(&serverLog{logger}, false, false, false)
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		e.stop(stopTimeout)
		return nil, fmt.Errorf("the hub does not begin within %v: the log above says why", startTimeout)
	}
	owner, _, err := d.ownerNkey()
	if err == nil {
		e.conn, err = nats.Connect("", nats.InProcessServer(srv), owner)
	}
	if err != nil {
		e.stop(stopTimeout)
		return nil, fmt.Errorf("connect to the hub in this process: %w", err)
	}
	return e, nil
}

// stop ends the server, and waits so long for it. What it acknowledged is on disk before.
func (e *engine) stop(within time.Duration) {
	if e.conn != nil {
		e.conn.Close()
	}
	done := make(chan struct{})
	go func() {
		e.srv.Shutdown()
		e.srv.WaitForShutdown()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(within):
	}
}

// memoryInterval is how soon memory goes back to the system.
const memoryInterval = 30 * time.Second

// returnMemory gives back, until ctx ends, what the server needs no more: it remembers each message for
// [relay.DuplicateWindow], and a million of them take 300 MB. The runtime by itself keeps that for long.
func returnMemory(ctx context.Context) {
	ticker := time.NewTicker(memoryInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			debug.FreeOSMemory()
		case <-ctx.Done():
			return
		}
	}
}

// options are those of a server that listens at the address, or nowhere if there is none. SyncAlways makes what is acknowledged durable.
func (d folder) options(config hubConfig, address string) (*server.Options, error) {
	tls, err := d.serverTLS()
	if err != nil {
		return nil, err
	}
	options := &server.Options{
		ServerName: serverName, NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: d.path("store"), SyncAlways: true, JetStreamMaxStore: config.MaxBytes + 1<<30, JetStreamMaxMemory: 16 << 20,
		TLSConfig: tls, TLS: true, TLSHandshakeFirst: true, TLSTimeout: 5, AuthTimeout: 10,
		AlwaysEnableNonce: true,
		MaxPayload:        relay.MaxMessage + 4096, NoSystemAccount: true,
		MaxConn: maxConnections, PingInterval: 15 * time.Second, MaxPingsOut: 2,
	}
	if address == "" {
		options.DontListen = true
		return options, nil
	}
	host, port, err := hostAndPort(address)
	if err != nil {
		return nil, fmt.Errorf("--addr %w", err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	options.Host, options.Port = host, port
	if len(config.Nodes) > 0 {
		return options, d.joinNodes(options, config)
	}
	options.Cluster.NoAdvertise = true // how machines reach it stands in invitations
	return options, nil
}

// maxConnections bounds the connections: ten thousand machines, and some that come back.
const maxConnections = 16 << 10

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

// hostAndPort parses HOST:PORT.
func hostAndPort(text string) (host string, port int, err error) {
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not HOST:PORT", text)
	}
	n, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: the port is not a number from 0 to 65535", text)
	}
	return host, int(n), nil
}
