package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
)

const (
	// watchTick is how often ages and the size of the terminal are looked at. A frame is written only
	// if it differs from the one before.
	watchTick = time.Second / 2
	// watchPause is between two reads of a pipeline that changes all the time: faster, nobody can read.
	watchPause = 100 * time.Millisecond
	// watchRetry is between two tries to read a pipeline that cannot be read.
	watchRetry = 2 * time.Second
)

func watchCommand(opts *options) *cobra.Command {
	return &cobra.Command{
		Use:   "watch",
		Short: "Show the pipeline and keep showing it as it changes",
		Long: `Show the pipeline on the whole terminal, and draw it anew at each change: who
works on what and for how long, what needs a person, the open stories by stage,
and what happened last. q ends it.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, ok := terminalOf(cmd.OutOrStdout())
			if !ok || opts.getenv("TERM") == "dumb" {
				return errors.New("watch needs a terminal that can move the cursor: huskies-mcp list prints the pipeline once, and list --json prints it for scripts")
			}
			stderr := cmd.ErrOrStderr()
			var said bytes.Buffer // what is logged while the screen is ours
			cmd.SetErr(&said)
			defer func() { _, _ = said.WriteTo(stderr) }()
			quiet := *opts
			if !cmd.Flags().Changed("log-level") {
				quiet.logLevel = "error"
			}
			return withReplica(cmd, quiet, func(env *environment) error {
				w := &watcher{cmd: cmd, opts: opts, env: env, out: out, changed: make(chan struct{}, 1), keys: make(chan byte)}
				return w.run()
			})
		},
	}
}

// watcher is a screen that shows the pipeline. Its fields belong to the goroutine
// that calls run. The others only send on the channels.
type watcher struct {
	cmd  *cobra.Command
	opts *options
	env  *environment
	out  *os.File

	scene   terminal.Scene
	columns int
	rows    int
	painter painter

	changed chan struct{} // there is something to read
	keys    chan byte
	endWait func()
}

// run shows the pipeline until a person ends it.
func (w *watcher) run() (err error) {
	if !w.env.exists() {
		return w.env.errNoPipeline()
	}
	ctx, end := context.WithCancel(w.cmd.Context())
	defer end()
	w.measure()
	at, err := w.read(ctx)
	if err != nil {
		return err
	}
	restore, err := w.takeScreen()
	if err != nil {
		return err
	}
	defer restore() // also when something panics
	resized := make(chan os.Signal, 1)
	notifyResize(resized)
	defer signal.Stop(resized)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	w.wait(ctx, at)
	for {
		if err := w.draw(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			return nil
		case key := <-w.keys:
			if key == 'q' || key == 'Q' || key == keyInterrupt || key == keyEnd {
				return nil
			}
		case <-resized:
			w.resize()
		case <-ticker.C:
			w.resize()
			w.scene.Hub, w.scene.HubAway = w.env.hubLine(ctx)
		case <-w.changed:
			at, err := w.read(ctx)
			if err == nil {
				w.wait(ctx, at)
			} else {
				w.fail(ctx, err)
			}
		}
	}
}

// The keys, beside q, that end watch: Control and C or D, which a raw terminal gives as they are.
const (
	keyInterrupt = 3
	keyEnd       = 4
)

// read reads the scene, for as many rows as the terminal has.
func (w *watcher) read(ctx context.Context) (at replica.Position, err error) {
	var scene terminal.Scene
	err = w.env.replica.View(ctx, func(v *replica.View) (err error) {
		scene, err = terminal.ReadScene(v, w.rows)
		at = v.Position()
		return err
	})
	if err != nil {
		return at, err
	}
	scene.Name = filepath.Base(w.env.where.Path)
	if dir := filepath.Dir(w.env.where.Path); filepath.Base(dir) == locate.Folder {
		scene.Name = filepath.Base(filepath.Dir(dir))
	}
	w.scene = scene
	w.scene.Hub, w.scene.HubAway = w.env.hubLine(ctx)
	return at, nil
}

// wait tells of the next change after the position, on a goroutine of its own. Only the last call counts.
func (w *watcher) wait(ctx context.Context, at replica.Position) {
	if w.endWait != nil {
		w.endWait()
	}
	ctx, w.endWait = context.WithCancel(ctx)
	go func() {
		pause := time.NewTimer(watchPause)
		defer pause.Stop()
		_ = w.env.replica.Wait(ctx, at) // of an error the next read hears, too
		select {
		case <-pause.C:
			w.tell()
		case <-ctx.Done():
		}
	}()
}

// tell has the pipeline read again.
func (w *watcher) tell() {
	select {
	case w.changed <- struct{}{}:
	default: // it will be read anyway
	}
}

// fail shows why the pipeline cannot be read, beside what was read last, and has it tried again.
func (w *watcher) fail(ctx context.Context, err error) {
	w.scene.Trouble = fmt.Sprintf("as of %s, since it cannot be read: %v", time.Now().Format("15:04:05"), err)
	go func() {
		select {
		case <-time.After(watchRetry):
			w.tell()
		case <-ctx.Done():
		}
	}()
}

// measure reads the size of the terminal, and reports whether it has changed.
func (w *watcher) measure() (changed bool) {
	columns, rows, err := term.GetSize(int(w.out.Fd()))
	if err != nil || columns < 1 || rows < 1 {
		columns, rows = 80, 24
	}
	changed = columns != w.columns || rows != w.rows
	w.columns, w.rows = columns, rows
	return changed
}

// resize draws all anew if the terminal has another size.
func (w *watcher) resize() {
	if w.measure() {
		w.painter.forget()
		w.tell()
	}
}

// draw writes what has changed on the screen.
func (w *watcher) draw() error {
	screen := newScreen(w.cmd, w.opts.getenv)
	screen.Width = w.columns
	lines := w.scene.Frame(screen, w.rows)
	for i := range lines {
		lines[i] = terminal.KeepColumns(lines[i])
	}
	_, err := w.out.Write(w.painter.paint(lines))
	return err
}
