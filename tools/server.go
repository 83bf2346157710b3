package tools

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/stdio"
)

// Name is the server's name in the protocol.
const Name = "huskies-mcp"

// DefaultMaxRetries is the retry count at which bump_retry blocks a story.
const DefaultMaxRetries = 3

// Config is what the tools work with.
type Config struct {
	Replica *replica.Replica
	// Agent is the name under which ops are written; may be empty.
	Agent string
	// MaxRetries is the retry count at which bump_retry blocks a story; 0 means
	// never.
	MaxRetries int64
	// Version of the build.
	Version string
	Logger  *slog.Logger
}

// service is what handlers see.
type service struct {
	replica    *replica.Replica
	agent      string
	maxRetries int64
	logger     *slog.Logger
}

// update makes one change to a story, if the story still is as the caller saw
// it, should the caller say how that was, and returns it as the change left it.
func (s *service) update(ctx context.Context, id string, ifRev *string, edit func(*pipeline.Tx) error) (item, error) {
	story, err := s.changeAs(ctx, s.agent, func(tx *pipeline.Tx) error {
		if ifRev != nil {
			if err := tx.Expect(id, *ifRev); err != nil {
				return err
			}
		}
		return edit(tx)
	})
	return newItem(story), err
}

// changeAs makes one change to a story in the name of an agent, and returns the
// story as the change left it.
func (s *service) changeAs(ctx context.Context, agent string, edit func(*pipeline.Tx) error) (pipeline.Story, error) {
	change := s.replica.Submit(agent, edit)
	stdio.HandOver(ctx) // the next call may come into the same commit
	return change.Wait(ctx)
}

// who returns the agent that calls: the one it names, or the one that the server
// was started for.
func (s *service) who(agent *string) string {
	if agent != nil && *agent != "" {
		return *agent
	}
	return s.agent
}

func (s *service) now() time.Time { return s.replica.Now() }

// view reads the pipeline as the calls before this one leave it.
func (s *service) view(ctx context.Context, fn func(*pipeline.State) error) error {
	last := s.replica.LastWrite()
	stdio.HandOver(ctx)
	return s.replica.ViewAfter(ctx, last, fn)
}

// instructions are given to the model once a session (hosts cut at 2 KB).
const instructions = `A shared pipeline of stories for several agents on one project. A story moves through the stages 1_backlog, 2_current, 3_qa, 4_merge, 5_done, 6_archived.
Find work: list_items with ready=true (unblocked, no agent, in 1_backlog, all dependencies done). Take a story: write_item with your agent name, stage 2_current and if_rev set to the rev you saw, so that no two agents take it; if that is refused because another agent has it, find another. After a restart, find your stories: list_items with agent set to your name.
Add a story: write_item with a name; it gets the next number.
Move it on: write_item with the next stage; to hand it over, clear agent ("") in the same call. After a failed attempt: bump_retry, then try again or give it back (agent "", stage 1_backlog). When you cannot go on: set_blocked with a reason; unblocking does not change stage or agent.
Fields that are empty, zero or false are left out of items. An omitted argument leaves the field as it is; "" and [] clear it. Errors say what to do next.`

// instructionsFor adds the name that the host gave this agent.
func instructionsFor(agent string) string {
	if agent == "" {
		return instructions
	}
	return instructions + fmt.Sprintf("\nYour agent name is %q.", agent)
}

// Names returns the names of the tools.
func Names() []string {
	var names []string
	for _, t := range all() {
		names = append(names, t.name)
	}
	return names
}

// NewServer returns an MCP server with the pipeline's tools. Nothing is opened
// before the first call of a tool.
func NewServer(cfg Config) (*server.MCPServer, error) {
	s := &service{replica: cfg.Replica, agent: cfg.Agent, maxRetries: cfg.MaxRetries, logger: cfg.Logger}
	srv := server.NewMCPServer(Name, cfg.Version,
		server.WithTitle("Huskies pipeline"),
		server.WithInstructions(instructionsFor(cfg.Agent)),
		server.WithToolCapabilities(false),
	)
	for _, t := range all() {
		def, check, err := t.mcpTool()
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", t.name, err)
		}
		srv.AddTool(def, t.handler(s, check))
	}
	return srv, nil
}
