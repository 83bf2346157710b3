package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/doctor"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/terminal"
)

func doctorCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is in use, whom it trusts, and what is wrong with it",
		Long: `Look at the pipeline's file, who may read and write it, its lock, key, trust
list and ops, and at the configuration of the hosts, and print a finding a line:
"ok", "note" for what one may want to know, "wrong" for what a person should
mend, with what to do. The exit code is 1 if anything is wrong. Nothing is
changed and no server is started. With --json, an array of objects with level,
subject, message and remedy.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg := doctorConfig(cmd, *opts)
			if screen := newScreen(cmd, opts.getenv); !asJSON {
				cfg.Found = func(f doctor.Finding) { printFinding(cmd.OutOrStdout(), screen, f) }
			}
			findings := doctor.Examine(cmd.Context(), cfg)
			if asJSON {
				if err := printFindings(cmd.OutOrStdout(), findings); err != nil {
					return err
				}
			}
			wrong := 0
			for _, f := range findings {
				if f.Level == doctor.Wrong {
					wrong++
				}
			}
			if wrong > 0 {
				return errors.New(phrase.Count(wrong, "thing is wrong", "things are wrong"))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON array")
	return cmd
}

// levelWidth is how many columns the level of a finding takes.
const levelWidth = 7

func printFinding(w io.Writer, s terminal.Screen, f doctor.Finding) {
	line := fmt.Sprintf("%-*s%s: %s", levelWidth, f.Level, f.Subject, f.Message)
	text := s.Hang(printable(line), levelWidth) + "\n"
	if f.Remedy != "" {
		text += s.Hang(printable(strings.Repeat(" ", levelWidth)+"what to do: "+f.Remedy), levelWidth) + "\n"
	}
	_, _ = io.WriteString(w, text) // the exit code says the rest
}

func printFindings(w io.Writer, findings []doctor.Finding) error {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(findings); err != nil {
		return err
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
}

// doctorConfig returns what an examination needs to know of this process.
func doctorConfig(cmd *cobra.Command, opts options) doctor.Config {
	cfg := doctor.Config{
		DB:            opts.db,
		LookupEnv:     os.LookupEnv,
		Now:           time.Now,
		Machine:       machine(),
		Program:       ownPath(),
		Version:       version + revision(),
		VersionAll:    versionText(),
		LookPath:      exec.LookPath,
		AskVersion:    askVersion,
		ReadArguments: readServerArguments,
		StateDir:      stateFolder(opts.getenv),
	}
	cfg.Home, _ = os.UserHomeDir()
	cfg.ConfigDir, _ = os.UserConfigDir()
	if cfg.Dir, cfg.DirErr = opts.getwd(); cfg.DirErr == nil {
		cfg.Options = checkOptions(cmd, opts)
	}
	return cfg
}

// checkOptions returns the error with which a server would refuse the options and variables.
func checkOptions(cmd *cobra.Command, opts options) error {
	if !cmd.Flags().Changed("log-level") {
		opts.logLevel = "error+4" // the findings say it in other words
	}
	getenv := opts.getenv
	opts.getenv = func(name string) string {
		if name == "HUSKIES_READ_ONLY" { // doctor never writes, and checks the variable with the hosts
			return ""
		}
		return getenv(name)
	}
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return err
	}
	_ = env.replica.Close()
	return nil
}

// readServerArguments reads the arguments with which a host starts this program.
func readServerArguments(args []string, start doctor.Start) (doctor.Arguments, error) {
	opts := options{
		getenv: start.Getenv,
		getwd:  func() (string, error) { return start.Dir, nil },
	}
	sub, err := serverCommand(rootCommand(&opts), args)
	if err != nil {
		return doctor.Arguments{}, err
	}
	return doctor.Arguments{DB: opts.db, Agent: opts.agent, Serve: func() (doctor.Served, error) {
		env, err := serverEnvironment(sub, opts)
		if err != nil {
			return doctor.Served{}, err
		}
		return doctor.Served{Where: env.where, Agent: env.agent}, nil
	}}, nil
}

// serverCommand returns the command that the arguments choose, with its flags read.
// A command that does not serve is an error.
func serverCommand(root *cobra.Command, args []string) (*cobra.Command, error) {
	sub, rest, err := root.Find(args)
	if err != nil {
		return nil, err
	}
	sub.InitDefaultHelpFlag()
	sub.InitDefaultVersionFlag()
	if err := sub.ParseFlags(rest); err != nil {
		return nil, err
	}
	for _, name := range []string{"help", "version"} {
		if sub.Flags().Changed(name) {
			return nil, fmt.Errorf("with --%s it is no server", name)
		}
	}
	if err := sub.ValidateArgs(sub.Flags().Args()); err != nil {
		return nil, err
	}
	if sub != root && sub.Name() != "serve" {
		return nil, fmt.Errorf("%s %s is no server", programName, sub.Name())
	}
	return sub, nil
}

// serverEnvironment reads the options as the server does when it starts. It opens no
// file, and the caller must not use the replica in the result.
func serverEnvironment(cmd *cobra.Command, opts options) (*environment, error) {
	env, err := newEnvironment(cmd, opts)
	if err != nil {
		return nil, err
	}
	defer env.replica.Close()
	_, err = env.toolsConfig().Offered()
	return env, err
}

// ownPath returns the path of the running program.
func ownPath() string {
	path, err := os.Executable()
	if err != nil {
		return programName
	}
	return path
}

// versionTimeout bounds how long a program may take to say its version.
const versionTimeout = 3 * time.Second

// askVersion runs "PROGRAM version" and returns the version.
func askVersion(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "version")
	cmd.WaitDelay = versionTimeout
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("no answer within %v", versionTimeout)
	}
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(out), "\n")
	if said, ok := strings.CutPrefix(line, programName+" "); ok {
		return said, nil
	}
	return "", fmt.Errorf("it says %.80q", line)
}
