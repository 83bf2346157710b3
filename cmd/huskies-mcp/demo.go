package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/demo"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
)

func demoCommand(opts *options) *cobra.Command {
	var seed uint64
	cmd := &cobra.Command{
		Use:   "demo DIR",
		Short: "Make a folder with a pipeline to try things on",
		Long: `Fill a new pipeline in the folder DIR with a made-up week: five agents and a
person build a planner of shifts. There are some 60 stories in all stages, and
what they lead to: claims that last and one that has lapsed, stories that wait,
that failed, that are blocked. The week ends now. DIR is made if it is missing.
A folder that has a pipeline is left alone.`,
		Example: "  huskies-mcp demo /tmp/rota",
		Args:    oneFolder,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("db") {
				return errors.New("demo makes its database in DIR: leave --db out")
			}
			offer, err := newOffer(cmd, *opts)
			if err != nil {
				return err
			}
			if offer.readOnly {
				return (&environment{offer: offer}).mayWrite(cmd)
			}
			return makeDemo(cmd, opts, args[0], seed)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "another number makes another week")
	return cmd
}

// oneFolder refuses arguments other than one folder.
func oneFolder(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] != "" {
		return nil
	}
	return fmt.Errorf("which folder? Give one that has no pipeline, such as %s /tmp/rota", cmd.CommandPath())
}

// makeDemo fills a pipeline in the folder and says what to try on it.
func makeDemo(cmd *cobra.Command, opts *options, dir string, seed uint64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the demo: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, filepath.FromSlash(locate.File))
	switch _, err := os.Lstat(path); {
	case err == nil:
		return fmt.Errorf("%s has a pipeline, and a demo would mix with it: nothing was written. Give another folder", dir)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look for a pipeline in %s: %w", dir, err)
	}
	if err := oplog.CreateFolder(path); err != nil {
		return err
	}
	err = demo.Fill(cmd.Context(), demo.Config{
		Path: path, Now: time.Now(), Draw: mathrand.New(mathrand.NewPCG(seed, 0)).IntN,
		Rand: rand.Reader, Machine: machine(), Logger: slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return fmt.Errorf("the demo is not whole, remove %s: %w", filepath.Dir(path), err)
	}
	return printText(cmd, printable(whatToTry(opts, dir, path)))
}

// whatToTry returns what the command says at its end.
func whatToTry(opts *options, dir, path string) string {
	where := "huskies-mcp --db " + phrase.Quoted(path)
	text := "made a pipeline of a week in " + path + "\n\nTry:\n"
	if found, err := placeOf(opts.getenv, dir).Find(""); err == nil && locate.SameFile(found.Path, path) {
		where = "huskies-mcp"
		text += "  cd " + phrase.Quoted(dir) + "\n"
	}
	for _, try := range []string{"board --open", "watch", "list", "show 36", "stats", "log -n 20"} {
		text += "  " + where + " " + try + "\n"
	}
	return text
}
