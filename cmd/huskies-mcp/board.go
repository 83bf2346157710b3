package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
)

// boardFlags are the flags of board.
type boardFlags struct {
	addr      string
	open      bool
	tokenFile string
	tlsCert   string
	tlsKey    string
	hosts     []string
}

// defaultAddr is this machine alone. The port 0 is the one that the project's board had last.
const defaultAddr = "127.0.0.1:0"

func boardCommand(opts *options) *cobra.Command {
	var flags boardFlags
	cmd := &cobra.Command{
		Use:   "board",
		Short: "Show the pipeline in a browser, live",
		Long: `Show the pipeline in a browser: what each agent does, what waits for you, and
every story, live. You can add, move, block, edit and take stories there.

board prints an address and runs until it is ended. The address lets one browser
in, once; from then on that browser stays in. When the project's board runs
already, board prints a new address for it.

Only this machine can reach the board. To reach it from another one, forward its
port: ssh -L 4711:127.0.0.1:PORT HOST. Another --addr demands --token-file,
since everybody who reaches the port and has that token can read and change all
stories.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			door, err := flags.door(cmd)
			if err != nil {
				return err
			}
			return withReplica(cmd, *opts, func(env *environment) error {
				return runBoard(cmd, opts, env, &flags, door)
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.addr, "addr", defaultAddr, "address to listen on; with port 0, the port that this project's board had last")
	f.BoolVar(&flags.open, "open", false, "open the address in the browser (BROWSER, else the system's)")
	f.StringVar(&flags.tokenFile, "token-file", "", "FILE with a token of 20 characters or more that lets browsers in; needed beyond this machine")
	f.StringVar(&flags.tlsCert, "tls-cert", "", "FILE with the certificate, for TLS")
	f.StringVar(&flags.tlsKey, "tls-key", "", "FILE with the key of the certificate")
	f.StringArrayVar(&flags.hosts, "host", nil, "another name by which browsers may call the board, such as that of a proxy; can be repeated")
	f.BoolVar(&opts.readOnly, "read-only", false, "change nothing (HUSKIES_READ_ONLY=1)")
	return cmd
}

// runBoard serves the board until the command is told to end, or prints the address of the one that runs.
func runBoard(cmd *cobra.Command, opts *options, env *environment, flags *boardFlags, door boardDoor) error {
	if !env.offer.readOnly {
		if err := env.checkFolder(); err != nil {
			return err
		}
	}
	state, err := openBoardState(opts.getenv, env.where.Path)
	if err != nil {
		return err
	}
	defer state.close()
	if state.runs {
		return announce(cmd, opts, state, flags.open, "The board of this project runs already. ")
	}
	listener, err := listen(cmd.Context(), flags.addr, state.Port)
	if err != nil {
		return err
	}
	defer listener.Close()
	if err := state.serves(listener.Addr().(*net.TCPAddr), door); err != nil {
		return err
	}
	if door.password != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: everybody who reaches %s and has the token of %s can read%s all stories of %s\n",
			listener.Addr(), printable(flags.tokenFile), map[bool]string{false: " and change", true: ""}[env.offer.readOnly], printable(env.where.Path))
		if !door.tls() && !door.loopback {
			fmt.Fprintln(cmd.ErrOrStderr(), "note: without --tls-cert the token and the stories pass the network in the clear: put a proxy with TLS before it")
		}
	}
	config := board.Config{
		Replica: env.replica, Session: env.session, Agent: env.agent, Project: projectName(env.where.Path), Cookie: state.cookie(),
		Secret: state.Secret, Spend: state.spend, Password: door.password, Hosts: append(door.hosts, flags.hosts...), Secure: door.tls(),
		ReadOnly: env.offer.readOnly, MaxRetries: env.maxRetries, Zone: time.Local, Rand: rand.Reader, Logger: env.logger,
		Number: env.hub.Number,
		Hub:    func(ctx context.Context) string { line, _ := env.hubLine(ctx); return line },
	}
	return serveBoard(cmd, env, board.New(config), listener, &door, func() error { return announce(cmd, opts, state, flags.open, "") })
}

// slowest is how long a browser may take to send a request, or to read an answer: whoever is slower would keep a
// connection for ever. Streams have deadlines of their own.
const slowest = 30 * time.Second

// boardServer returns the server of a board.
func boardServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: slowest, WriteTimeout: slowest, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10,
	}
}

// goodbye is how long requests may take that run when the board is told to end.
const goodbye = time.Second

// serveBoard answers requests until the command is told to end.
func serveBoard(cmd *cobra.Command, env *environment, b *board.Board, listener net.Listener, door *boardDoor, ready func() error) error {
	ctx, stop := context.WithCancel(cmd.Context())
	defer stop()
	server := boardServer(b.Handler())
	server.BaseContext = func(net.Listener) context.Context { return ctx }
	server.ErrorLog = slog.NewLogLogger(env.logger.Handler(), slog.LevelDebug) // strangers cause what is logged there
	reader := make(chan struct{})
	go func() {
		defer close(reader)
		b.Run(ctx)
	}()
	served := make(chan error, 1)
	go func() {
		if door.tls() {
			server.TLSConfig = &tls.Config{Certificates: door.certificates}
			served <- server.ServeTLS(listener, "", "")
			return
		}
		served <- server.Serve(listener)
	}()
	err := ready()
	if err == nil {
		select {
		case err = <-served:
		case <-ctx.Done():
		}
	}
	stop()
	<-reader // ends all streams
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if server.Shutdown(last) != nil {
		_ = server.Close()
	}
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	env.logger.Info("the board has ended")
	return err
}

// announce prints an address that lets one browser in, and opens it if that is wanted.
func announce(cmd *cobra.Command, opts *options, state *boardState, open bool, before string) error {
	address, err := state.address()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%sOpen %s\n", before, address); err != nil || !open {
		return err
	}
	if err := openBrowser(opts.getenv, address); err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: no browser could be opened (%s): open the address yourself\n", printable(err.Error()))
	}
	return nil
}

// projectName returns what people call the project of a database.
func projectName(path string) string {
	dir := filepath.Dir(path)
	if filepath.Base(dir) == locate.Folder {
		dir = filepath.Dir(dir)
	}
	if name := phrase.Line(filepath.Base(dir)); strings.Trim(name, `./\`) != "" {
		return name
	}
	return "huskies"
}
