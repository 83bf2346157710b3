// Command huskies-mcp is an MCP server over stdio that gives the LLM coding
// agents of a project one shared pipeline of stories.
//
// Without a subcommand it serves the Model Context Protocol on standard input
// and output. The subcommands are for scripts, hooks and people.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/backups"
	"github.com/huskies/huskies-mcp/internal/cmdline"
	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/internal/locate"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/relay"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, takeStdout(), os.Stderr))
}

// takeStdout returns standard output for the command alone: what else prints in
// this process goes to standard error from now on, be it a library of ours or a
// line left from debugging. So it cannot get between the messages of the
// protocol.
func takeStdout() *os.File {
	stdout := moveStdout(os.Stdout)
	os.Stdout = os.Stderr
	return stdout
}

// run is the whole command; its result is the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	cmd := rootCommand(&options{getenv: os.Getenv, getwd: os.Getwd})
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	askForShell(cmd)
	refuseUnknownHelp(cmd)
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "huskies-mcp: %s\n", printable(errorText(err)))
		return 1
	}
	return 0
}

// errorText returns an error as a person reads it.
func errorText(err error) string {
	var storage *oplog.Error
	var refusal *pipeline.Error
	switch {
	case errors.As(err, &storage):
		return err.Error() + ". What to do: " + phrase.WhatToDo(storage)
	case errors.As(err, &refusal):
		return phrase.Refused(refusal)
	}
	return cmdline.FlagsApart(err).Error()
}

// options are what flags and environment say.
type options struct {
	getenv func(string) string    // doctor asks what a host gives, not what we have
	getwd  func() (string, error) // absolute

	db          string
	agent       string
	maxRetries  string
	lockTimeout string
	leaseGrace  string
	logLevel    string
	readOnly    bool
	tools       string
	noBackup    bool

	offlineClaims bool

	seed       []byte               // of the key that a new database gets; nil for a fresh one
	rebuilding func(rows, of int64) // hears how far a rebuild is; may be nil
}

// rootCommand returns the command, which reads its flags into opts.
func rootCommand(opts *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "huskies-mcp",
		Short: "A shared pipeline of stories for coding agents, over MCP",
		Long: `huskies-mcp serves a project's pipeline of stories to LLM coding agents over the
Model Context Protocol on standard input and output. Hosts such as Claude Code,
Codex, Cursor and VS Code start it; all processes of a project share one file.

The file is the one named by --db or HUSKIES_DB, else the nearest
.huskies/pipeline.db from CLAUDE_PROJECT_DIR or the working directory (in a
linked git worktree: from the main worktree) upwards to the root of the
repository, else a new one at that root.`,
		Version:       version + revision(),
		Args:          noSubcommand,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd, *opts)
		},
	}
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetVersionTemplate("{{.Name}} {{.Version}}\n")
	flags := cmd.PersistentFlags()
	flags.StringVar(&opts.db, "db", "", "database file (HUSKIES_DB)")
	flags.StringVar(&opts.agent, "agent", "", "name of the agent that asks, for its claims and the history (HUSKIES_AGENT)")
	_ = cmd.RegisterFlagCompletionFunc("agent", completeAgents(opts))
	flags.StringVar(&opts.maxRetries, "max-retries", "", "retry count at which bump_retry blocks a story, 0 for never (HUSKIES_MAX_RETRIES, default: as huskies-mcp settings says)")
	flags.StringVar(&opts.lockTimeout, "lock-timeout", "", fmt.Sprintf("how long a write waits for other processes before it is refused, such as 30s or 500ms (HUSKIES_LOCK_TIMEOUT, default %v)", replica.DefaultLockTimeout))
	flags.StringVar(&opts.leaseGrace, "lease-grace", "", "how long a claim outlives the session that made it, such as 90s or 5m (HUSKIES_LEASE_GRACE, default: as huskies-mcp settings says)")
	flags.StringVar(&opts.logLevel, "log-level", "info", "what to log on standard error: debug, info, warn or error; default for all but serve: warn")
	flags.BoolVar(&opts.offlineClaims, "offline-claims", false, "claim stories also while the hub cannot be asked whether another machine has them (HUSKIES_OFFLINE_CLAIMS=1)")
	flags.BoolVar(&opts.noBackup, "no-auto-backup", false, "make no backups by itself in the user's folder for state (HUSKIES_NO_AUTO_BACKUP=1)")
	cmd.SetUsageTemplate(usageTemplate(cmd))
	addOfferFlags(cmd, opts)
	cmd.AddCommand(settingsCommand(opts), serveCommand(opts), initCommand(opts), contextCommand(opts), callCommand(opts),
		boardCommand(opts), listCommand(opts), showCommand(opts), nextCommand(opts), statsCommand(opts), watchCommand(opts), logCommand(opts), addCommand(opts),
		claimCommand(opts), moveCommand(opts), releaseCommand(opts), noteCommand(opts), editCommand(opts), blockCommand(opts), unblockCommand(opts), rmCommand(opts), undeleteCommand(opts), exportCommand(opts), importCommand(opts),
		mirrorCommand(opts), syncCommand(opts), headsCommand(opts), backupCommand(opts), restoreCommand(opts), identityCommand(opts), trustCommand(opts), joinCommand(opts), leaveCommand(opts), membersCommand(opts), hubCommand(opts), relayCommand(opts), doctorCommand(opts), verifyCommand(opts), rebuildCommand(opts), demoCommand(opts), versionCommand())
	return cmd
}

// environment is what all commands work with.
type environment struct {
	where      locate.Location
	replica    *replica.Replica
	session    *replica.Session
	agent      string        // may be empty
	host       string        // the ID of the host's session; may be empty
	maxRetries *int64        // nil: the pipeline's setting counts
	leaseGrace time.Duration // 0: the pipeline's setting counts
	offer      offer
	logger     *slog.Logger
	backups    *backups.Folder // nil: nobody knows where this user's state is
	keeper     *keeper         // nil: it makes no backups by itself
	hub        *claimsHub
}

// newEnvironment reads the options. It opens nothing.
func newEnvironment(cmd *cobra.Command, opts options) (*environment, error) {
	env := &environment{agent: opts.agent}
	var level slog.Level
	if err := level.UnmarshalText([]byte(opts.logLevel)); err != nil {
		return nil, fmt.Errorf("--log-level must be debug, info, warn or error; got %q", opts.logLevel)
	}
	env.logger = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
	if env.agent == "" {
		env.agent = opts.getenv("HUSKIES_AGENT")
	}
	if len(env.agent) > crdt.MaxAgent || !utf8.ValidString(env.agent) {
		return nil, fmt.Errorf("the agent's name (--agent, HUSKIES_AGENT) must be UTF-8 text of at most %d bytes", crdt.MaxAgent)
	}
	if err := pipeline.CheckAgent(env.agent); err != nil {
		return nil, fmt.Errorf("--agent or HUSKIES_AGENT: agent %q is not a name; give the agent's real name", env.agent)
	}
	env.host, _ = hosts.Session(opts.getenv)
	var err error
	if env.maxRetries, err = maxRetries(opts.maxRetries, opts.getenv("HUSKIES_MAX_RETRIES")); err != nil {
		return nil, err
	}
	timeout, err := duration("--lock-timeout", opts.lockTimeout, "HUSKIES_LOCK_TIMEOUT", opts.getenv("HUSKIES_LOCK_TIMEOUT"), replica.DefaultLockTimeout)
	if err != nil {
		return nil, err
	}
	env.leaseGrace, err = duration("--lease-grace", opts.leaseGrace, "HUSKIES_LEASE_GRACE", opts.getenv("HUSKIES_LEASE_GRACE"), 0)
	if err != nil {
		return nil, err
	}
	if env.offer, err = newOffer(cmd, opts); err != nil {
		return nil, err
	}
	if cmd.Flags().Changed("db") && opts.db == "" {
		return nil, errors.New("--db is empty: give the path of a database file, or leave --db out")
	}
	wd, err := opts.getwd()
	if err != nil {
		return nil, err
	}
	place := placeOf(opts.getenv, wd)
	if env.where, err = place.Find(opts.db); err != nil {
		return nil, withName(err)
	}
	if broken := place.BrokenWorktree(env.where); broken != "" {
		env.logger.Warn("a link of git is broken, so another pipeline than the main worktree's may be in use", "problem", broken, "how", locate.RepairLink)
	}
	env.backups = backupFolder(opts.getenv, env.where.Path)
	if env.keeper, err = newKeeper(cmd, opts, env.backups); err != nil {
		return nil, err
	}
	cfg := replica.Config{
		Path:        env.where.Path,
		Now:         time.Now,
		Rand:        rand.Reader,
		Seed:        opts.seed,
		Machine:     machine(),
		LockTimeout: timeout,
		LeaseGrace:  env.leaseGrace,
		Logger:      env.logger,
		KeyHelp:     phrase.ChangeKey,
		Progress:    opts.rebuilding,
		ReadOnly:    env.offer.readOnly,
	}
	if env.offer.readOnly {
		env.keeper = nil
	}
	if env.keeper != nil {
		env.keeper.cfg, env.keeper.position = env.databaseConfig(), env.reached
		cfg.Wrote, cfg.Before = env.keeper.noteWrite, env.keeper.before
	}
	env.replica = replica.New(cfg)
	env.session = env.replica.OpenSession(rand.Text())
	env.hub = &claimsHub{Claims: relay.NewClaims(env.relayConfig()), logger: env.logger}
	env.hub.offline, err = offlineClaims(cmd, opts)
	return env, err
}

// maxRetries returns the retry count that a flag or a variable gives, nil if neither does.
func maxRetries(flag, variable string) (*int64, error) {
	name, value := setting("--max-retries", flag, "HUSKIES_MAX_RETRIES", variable)
	if value == "" {
		return nil, nil
	}
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%s must be a number, 0 or more; got %q", name, value)
	}
	return &n, nil
}

// duration reads a setting that is one.
func duration(flagName, flag, variableName, variable string, otherwise time.Duration) (time.Duration, error) {
	name, value := setting(flagName, flag, variableName, variable)
	if value == "" {
		return otherwise, nil
	}
	d, ok := pipeline.ParseDuration(value)
	if !ok || d <= 0 {
		return 0, fmt.Errorf("%s must be a duration above 0, such as 10s or 500ms; got %q", name, value)
	}
	return d, nil
}

// setting returns what counts of a flag and an environment variable, and its name.
func setting(flagName, flag, variableName, variable string) (name, value string) {
	if flag != "" {
		return flagName, flag
	}
	return variableName, variable
}

// toolsConfig is the environment as package tools wants it.
func (env *environment) toolsConfig() tools.Config {
	return tools.Config{
		Replica:     env.replica,
		Session:     env.session,
		Agent:       env.agent,
		HostSession: env.host,
		MaxRetries:  env.maxRetries,
		Above:       env.where.Above,
		ReadOnly:    env.offer.readOnly,
		Tools:       env.offer.tools,
		Version:     version,
		Logger:      env.logger,
		Lost:        env.lostPipeline,
		Began:       env.warnOfLoss,
		Hub:         env.hub,
	}
}

// withReplica calls fn with the environment of a command for people and scripts,
// who want to hear of the server's warnings only.
func withReplica(cmd *cobra.Command, opts options, fn func(*environment) error) error {
	return withReplicaLogging(cmd, opts, "warn", fn)
}

// withReplicaLogging is withReplica for a command that has another level of its log by default.
func withReplicaLogging(cmd *cobra.Command, opts options, level string, fn func(*environment) error) error {
	if !cmd.Flags().Changed("log-level") {
		opts.logLevel = level
	}
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return err
	}
	defer env.close()
	if env.agent == "" {
		env.agent = commandName(opts.getenv)
	}
	return fn(env)
}

// commandName returns the name under which a command writes: that of the agent's session in whose
// shell it runs, or that of the person who is logged in. It is empty if neither is known.
func commandName(getenv func(string) string) string {
	if id, client := hosts.Session(getenv); id != "" {
		return tools.SessionName(client, id)
	}
	for _, variable := range []string{"USER", "LOGNAME", "USERNAME"} {
		if name := getenv(variable); name != "" && len(name) <= crdt.MaxAgent && pipeline.CheckAgent(name) == nil {
			return name
		}
	}
	if who, err := user.Current(); err == nil && pipeline.CheckAgent(who.Username) == nil {
		return who.Username
	}
	return ""
}

// mayWrite returns an error if the command, which writes to the pipeline, was told not to, or where the
// pipeline is to be there is no folder.
func (env *environment) mayWrite(cmd *cobra.Command) error {
	if !env.offer.readOnly {
		return env.checkFolder()
	}
	return fmt.Errorf("%s writes to the pipeline, and HUSKIES_READ_ONLY forbids that: nothing was written. To allow it this once, set HUSKIES_READ_ONLY=0 for the command", cmd.CommandPath())
}

// checkFolder returns an error if the folder that the database needs does not exist. Only a folder
// .huskies is made with the database: any other may be a typing error.
func (env *environment) checkFolder() error {
	folder, missing := locate.MissingFolder(env.where.Path)
	if !missing {
		return nil
	}
	return fmt.Errorf("the folder %s does not exist, and the database %s (%s) needs it: make it if the name is right (mkdir -p %s), or give another --db", folder, env.where.Path, env.where.Why, phrase.Quoted(folder))
}

// filled reports whether there is a database that is no empty file.
func (env *environment) filled() bool {
	info, err := os.Stat(env.where.Path)
	return err == nil && info.Size() > 0
}

// exists reports whether there is a database.
func (env *environment) exists() bool {
	_, err := os.Stat(env.where.Path)
	return err == nil
}

// noteBeginning returns a function that says so on standard error if a new pipeline was begun since. The
// folder may be another than the person meant, so the note names the pipeline above or the backup.
func (env *environment) noteBeginning(cmd *cobra.Command) (say func()) {
	if env.filled() {
		return func() {}
	}
	text := "this begins a new pipeline at " + env.where.Path
	if lost := env.lostPipeline(); lost != "" {
		text += ", but " + lost
	} else if above := env.above(); above != "" {
		text += "; " + above
	}
	return func() {
		if env.filled() {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", printable(text))
		}
	}
}

// above says that there is a pipeline above the project, which is not used. It is empty if there is none.
func (env *environment) above() string {
	if env.where.Above == "" {
		return ""
	}
	return "there is another pipeline above, and to use that give --db " + phrase.Quoted(env.where.Above)
}

// errNoPipeline says that there is nothing to show yet.
func (env *environment) errNoPipeline() error {
	what := "the first story that is written creates it"
	folder := filepath.Dir(env.where.Path)
	if info, err := os.Stat(folder); err == nil && !info.IsDir() {
		return fmt.Errorf("there is no pipeline at %s (%s), since %s is not a folder: look where it comes from and move it away, or give another --db", env.where.Path, env.where.Why, folder)
	}
	if folder, missing := locate.MissingFolder(env.where.Path); missing {
		what = "nor is there a folder " + folder
	}
	if above := env.above(); above != "" {
		what += "; " + above
	}
	if lost := env.lostPipeline(); lost != "" {
		what = lost
	}
	return errors.New("there is no pipeline at " + env.where.Path + " (" + env.where.Why + "): " + what)
}
