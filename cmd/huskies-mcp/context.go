package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/internal/hosts"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/terminal"
	"github.com/huskies/huskies-mcp/tools"
)

func contextCommand(opts *options) *cobra.Command {
	var form string
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Print what an agent should know when its session starts",
		Long: `Print a short overview of the pipeline: the stories that the agent has, up to
five that are ready, and those that wait for a person. The hooks that init
--hooks writes run it when a session of an agent starts. --format claude is what
Claude Code, Codex and Gemini CLI read, and --format cursor what Cursor reads.

The agent is the one named by --agent or HUSKIES_AGENT, else the one whose
session has the ID that the host gives on standard input or in its variable.
Where there is no pipeline context prints nothing, unless there is a backup of
one. It never creates anything.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains(terminal.Forms, form) {
				return fmt.Errorf("--format must be one of %s; got %q", strings.Join(terminal.Forms, ", "), form)
			}
			looking := *opts
			looking.readOnly = true
			return withReplica(cmd, looking, func(env *environment) error {
				if !env.exists() {
					return printLoss(cmd, env, form)
				}
				return printContext(cmd, env, opts, form)
			})
		},
	}
	cmd.Flags().StringVar(&form, "format", "text", "text, claude or cursor")
	_ = cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(terminal.Forms, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// printLoss says that the pipeline is gone, if there is a backup of it.
func printLoss(cmd *cobra.Command, env *environment, form string) error {
	overview := terminal.Overview{Lost: env.lostPipeline()}
	text, err := overview.Hook(form, terminal.Screen{})
	if err == nil {
		_, err = io.WriteString(cmd.OutOrStdout(), text)
	}
	return err
}

func printContext(cmd *cobra.Command, env *environment, opts *options, form string) error {
	named, session := cmp.Or(opts.agent, opts.getenv("HUSKIES_AGENT")), ""
	if named == "" {
		session = hostSession(cmd.Context(), opts.getenv, cmd.InOrStdin())
	}
	var overview terminal.Overview
	err := env.replica.View(cmd.Context(), func(v *replica.View) (err error) {
		agent := named
		if session != "" {
			agent = agentOfSession(v.Agents(), session)
		}
		overview, err = terminal.ReadOverview(v, agent)
		return err
	})
	if err != nil {
		return err
	}
	screen := terminal.Screen{Now: time.Now()}
	if form == "text" {
		screen = newScreen(cmd, opts.getenv)
	}
	text, err := overview.Hook(form, screen)
	if err != nil {
		return err
	}
	_, err = io.WriteString(cmd.OutOrStdout(), text)
	return err
}

// hookPatience bounds the wait for a hook's input: a person may run the command with an input that
// stays open.
const hookPatience = 200 * time.Millisecond

// maxHookInput bounds the input of a hook, in bytes.
const maxHookInput = 1 << 20

// hostSession returns the ID of the host's session, "" if it is not known.
func hostSession(ctx context.Context, getenv func(string) string, stdin io.Reader) string {
	if id, _ := hosts.Session(getenv); id != "" {
		return id
	}
	if _, ok := terminalOf(stdin); ok {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, hookPatience)
	defer cancel()
	found := make(chan string, 1)
	go func() { // ends with the process if the input stays open
		var input struct {
			Session      string `json:"session_id"`
			Conversation string `json:"conversation_id"` // Cursor's
		}
		if json.NewDecoder(io.LimitReader(stdin, maxHookInput)).Decode(&input) != nil {
			found <- ""
			return
		}
		found <- cmp.Or(input.Session, input.Conversation)
	}()
	select {
	case id := <-found:
		return id
	case <-ctx.Done():
		return ""
	}
}

// agentOfSession returns the agent that has its name from the host's session with the ID, "" if there
// is not exactly one. Such a name begins with the host's own and ends in a hash of the ID.
func agentOfSession(agents []string, id string) (found string) {
	end := strings.TrimPrefix(tools.SessionName("agent", id), "agent")
	for _, agent := range agents {
		if !strings.HasSuffix(agent, end) {
			continue
		}
		if found != "" {
			return ""
		}
		found = agent
	}
	return found
}
