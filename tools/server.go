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

// service is what all calls work with.
type service struct {
	replica    *replica.Replica
	agent      string
	maxRetries int64
	logger     *slog.Logger
}

// call is what the handler of one call sees.
type call struct {
	*service
	// reflects is the position in the log that the answer reflects.
	reflects replica.Position
}

// position is the part of every answer that says where in the log it stands.
type position struct {
	Cursor string `json:"cursor"`
}

func (p *position) set(at replica.Position) { p.Cursor = at.String() }

// update makes one change to a story, if the story still is as the caller saw
// it, should the caller say how that was, and returns it as the change left it.
func (s *call) update(ctx context.Context, id string, ifRev *string, edit func(*pipeline.Tx) error) (item, error) {
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
func (s *call) changeAs(ctx context.Context, agent string, edit func(*pipeline.Tx) error) (pipeline.Story, error) {
	change := s.replica.Submit(agent, edit)
	stdio.HandOver(ctx) // the next call may come into the same commit
	story, err := change.Wait(ctx)
	s.reflects = change.Position()
	return story, err
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

// view is the service's, and notes the position.
func (s *call) view(ctx context.Context, fn func(*pipeline.State) error) error {
	return s.service.view(ctx, func(p *pipeline.State) error {
		s.reflects = s.replica.PositionLocked()
		return fn(p)
	})
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
	var hooks server.Hooks
	srv := server.NewMCPServer(Name, cfg.Version,
		server.WithTitle("Huskies pipeline"),
		server.WithInstructions(instructionsFor(cfg.Agent)),
		server.WithToolCapabilities(false),
		server.WithResourceCapabilities(true, false),
		server.WithPromptCapabilities(false),
		server.WithCompletions(),
		server.WithResourceCompletionProvider(s),
		server.WithPromptCompletionProvider(s),
		server.WithHooks(&hooks),
	)
	s.addResources(srv, &hooks)
	addPrompts(srv)
	for _, t := range all() {
		def, check, err := t.mcpTool()
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", t.name, err)
		}
		srv.AddTool(def, t.handler(s, check))
	}
	return srv, nil
}
