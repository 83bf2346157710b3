package main

import (
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

func serveCommand(opts *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve MCP on standard input and output (the default)",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, *opts)
		},
	}
	addOfferFlags(cmd, opts)
	return cmd
}

// serve speaks MCP on standard input and output until the input ends or a
// signal comes. What was accepted by then is answered.
func serve(cmd *cobra.Command, opts options) error {
	// A host that stops reading our log must not end us: without this, a write
	// to a closed standard error kills the process.
	signal.Ignore(syscall.SIGPIPE)
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return err
	}
	defer env.close()
	if err := env.checkFolder(); err != nil {
		return err
	}
	env.logger.Info("pipeline in use", "path", env.where.Path, "why", env.where.Why, "version", version)
	if env.where.Above != "" {
		env.logger.Warn("there is another pipeline above this project, which is not used here", "path", env.where.Above, "to_use_it", "--db "+phrase.Quoted(env.where.Above))
	}
	for _, one := range env.overridden() {
		env.logger.Info("this process was started with a value of its own, so the setting of the pipeline does not count here", "setting", one[0], "value", one[1])
	}
	srv, err := tools.NewServer(env.toolsConfig())
	if err != nil {
		return err
	}
	if env.keeper != nil {
		env.keeper.level = slog.LevelWarn
	}
	defer env.keeper.start()()
	defer env.startRelay(cmd.Context())()
	return stdio.Serve(cmd.Context(), srv, cmd.InOrStdin(), cmd.OutOrStdout(), env.logger)
}
