package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/spf13/cobra"
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
	cmd.Flags().StringVar(&address, "addr", "", "HOST:PORT to listen at; port 0 takes a free one (default: port 4222, or the one of this hub's address)")
	return cmd
}

// serve runs the hub until ctx ends.
func serve(ctx context.Context, d folder, address string, logs io.Writer) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	if address == "" {
		address = config.listens()
	}
	options, err := d.options(config, address)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(newBoundedLog(logs), nil))
	release, err := d.alone()
	if err != nil {
		return err
	}
	defer release()
	if err := checkAddresses(options); err != nil {
		return err
	}
	if err := d.checkStore(config, logger); err != nil {
		return err
	}
	e, err := d.startWith(options, config, logger)
	if err != nil {
		return err
	}
	defer e.stop(stopTimeout)
	if err := e.begin(ctx, config); err != nil {
		return err
	}
	go returnMemory(ctx)
	listens := e.srv.Addr().String()
	if err := d.write("address", []byte(listens+"\n")); err != nil {
		return err
	}
	defer os.Remove(d.path("address"))
	logger.Info("the hub serves", "address", listens, "pipeline", config.Pipeline)
	<-ctx.Done()
	logger.Info("the hub ends")
	return nil
}

var errServed = errors.New("another huskies-hub serves")

// begin lets members in when the streams are made. Nodes make them when most of them run, and let members in before: else
// nobody would hear why nothing is exchanged.
func (e *engine) begin(ctx context.Context, config hubConfig) error {
	if err := e.gate.serveJoins(e.conn); err != nil {
		return err
	}
	if err := e.passWants(ctx, config.Pipeline); err != nil {
		return err
	}
	go e.gate.follow(e.srv, ctx.Done())
	if len(config.Nodes) == 0 {
		defer close(e.gate.ready)
		return e.makeStreams(ctx, config)
	}
	if err := e.gate.shareLists(ctx, e.conn, config.Node); err != nil {
		return err
	}
	go e.makeTogether(ctx, config)
	return nil
}

// makeStreams makes the streams and reads who is a member.
func (e *engine) makeStreams(ctx context.Context, config hubConfig) error {
	if err := makeStreams(ctx, e.conn, config); err != nil {
		return err
	}
	return e.gate.meetMembers(ctx, e.srv)
}

// makeTogether makes the streams once most nodes run.
func (e *engine) makeTogether(ctx context.Context, config hubConfig) {
	open := sync.OnceFunc(func() { close(e.gate.ready) })
	timer := time.AfterFunc(nodesTimeout, func() {
		e.gate.logger.Warn("most of the hubs that stand in for each other do not run, or are not reached: nothing is exchanged until they are")
		open()
	})
	defer timer.Stop()
	for ctx.Err() == nil {
		if err := e.makeStreams(ctx, config); err == nil {
			e.gate.logger.Info("most of the hubs run: ops are exchanged")
			open()
			return
		} else {
			e.gate.logger.Debug("the streams cannot be made yet", "error", err)
		}
		select {
		case <-time.After(nodesInterval):
		case <-ctx.Done():
		}
	}
}

const (
	// nodesTimeout is how long members that connect wait for the other nodes.
	nodesTimeout = 5 * time.Second
	// nodesInterval is how often it is tried whether most nodes run.
	nodesInterval = 200 * time.Millisecond
)

// alone makes this process the one that serves the folder: two would both write its store.
func (d folder) alone() (release func(), err error) {
	lock := flock.New(d.path("serve.lock"), flock.SetPermissions(0o600))
	ok, err := lock.TryLock()
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%w %s", errServed, d)
	}
	return func() { _ = lock.Close() }, nil
}

// checkAddresses returns an error if the server cannot listen where it is to. The server itself would only log that, and
// not end.
func checkAddresses(options *server.Options) error {
	if err := checkAddress(options.Host, options.Port); err != nil {
		return fmt.Errorf("%w: end the program that listens there, or give another address with --addr HOST:PORT", err)
	}
	if err := checkAddress(options.Cluster.Host, options.Cluster.Port); err != nil {
		return fmt.Errorf("%w: end the program that listens there, since the other hubs reach this one at that port", err)
	}
	return nil
}

// checkAddress returns an error if nothing can listen at the address. Any free port can be listened at.
func checkAddress(host string, port int) error {
	if port <= 0 {
		return nil
	}
	address := net.JoinHostPort(cmp.Or(host, server.DEFAULT_HOST), strconv.Itoa(port))
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l.Close()
	}
	var failed *net.OpError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("the hub cannot listen at %s (%w)", address, err)
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
