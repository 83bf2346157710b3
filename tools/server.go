package tools

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/tools/calls"
)

// Name is the server's name in the protocol.
const Name = "huskies-mcp"

// Config is what the tools work with.
type Config struct {
	Replica *replica.Replica
	// Session is the connection's session. Claims without lease_seconds last as long as
	// the session and a grace.
	Session *replica.Session
	// Agent is the session's name. If Agent is empty, the first call makes one of the client's
	// name and of HostSession.
	Agent string
	// HostSession is the ID that the host gives its own session, which outlives this server.
	// HostSession may be empty.
	HostSession string
	// MaxRetries is the retry count at which bump_retry blocks a story; 0 means
	// never, and nil what the settings of the pipeline say.
	MaxRetries *int64
	// Above is the path of a pipeline above the project, which is not used. Above may be empty.
	Above string
	// ReadOnly offers no tool that writes; the replica should be read-only, too.
	ReadOnly bool
	// Tools are the names of those to offer; none: all.
	Tools []string
	// Version of the build.
	Version string
	Logger  *slog.Logger
	// Lost says that there is a backup of the pipeline, and how a person gets it back. It is called
	// when the pipeline is empty, and returns "" if there is no backup. It may be nil.
	Lost func() string
	// Hub is asked before a claim is made. It may be nil.
	Hub Hub
	// Began is called once, before the first call of a tool. It may be nil.
	Began func()
}

// Hub knows which stories other machines have.
type Hub interface {
	// Joined reports whether there are other machines to ask about.
	Joined(ctx context.Context) (bool, error)
	// Reserve keeps a story for this machine, on behalf of an agent. It returns what the claim may follow, or the
	// agent of another machine that has the story. The error says why nobody can tell. It is one of package pipeline if to ask
	// again does not help.
	Reserve(ctx context.Context, story, agent string) (r pipeline.Reservation, by string, err error)
	// Ended returns those of the stories, which other machines have claimed, that are kept for them no more.
	Ended(ctx context.Context, stories []string) ([]string, error)
	// Number keeps a number for a new story of this machine. It returns 0 without a hub, and if the hub does not answer.
	Number(ctx context.Context) (uint32, error)
}

// service is what all calls work with.
type service struct {
	replica     *replica.Replica
	session     *replica.Session
	agent       string // as configured; may be empty
	hostSession string
	maxRetries  *int64 // see Config
	above       string // see Config
	logger      *slog.Logger
	lost        func() string
	hub         Hub // may be nil
	began       func()
	made        made
	told        told

	naming sync.Once
	name   string // see nameOf
}

// call is what the handler of one call sees.
type call struct {
	*service
	// reflects is the position in the log that the answer reflects.
	reflects replica.Position
}

// position is the part of the answers of reads that says where in the log they stand. The answer of a
// write has none: what others did just before it is not in that answer, and a wait that went on from
// there would pass over it.
type position struct {
	Cursor string `json:"cursor"`
}

func (p *position) set(at replica.Position) { p.Cursor = at.String() }

// submit makes one change to a story in the name of an agent, and returns the
// story as the change left it.
func (s *call) submit(ctx context.Context, agent string, edit func(*pipeline.Tx) error) (pipeline.Story, error) {
	change := s.replica.Submit(agent, edit)
	calls.HandOver(ctx) // the next call may come into the same commit
	return change.Wait(ctx)
}

func (s *service) now() time.Time { return s.replica.Now() }

// view reads the pipeline as the calls before this one leave it. It may call fn twice, see
// [replica.Replica.View].
func (s *service) view(ctx context.Context, fn func(*replica.View) error) error {
	last := s.replica.LastWrite()
	calls.HandOver(ctx)
	return s.replica.ViewAfter(ctx, last, fn)
}

// view is the service's, for an answer that says where it stands.
func (s *call) view(ctx context.Context, fn func(*replica.View) error) error {
	return s.service.view(ctx, func(p *replica.View) error {
		s.reflects = p.Position()
		p.As(s.caller(asking{}))
		return fn(p)
	})
}

// ifLost returns what is said of a pipeline that is empty although there is a backup of it, "" of any
// other.
func (s *service) ifLost(p *replica.View) string {
	if s.lost == nil || p.Position().Arrival > 0 {
		return ""
	}
	if lost := s.lost(); lost != "" {
		return "the pipeline is empty, but " + lost + ". Tell the user before you begin a new one"
	}
	return ""
}

// Names returns the names of all tools.
func Names() []string { return namesOf(all()) }

func namesOf(tools []tool) []string {
	var names []string
	for _, t := range tools {
		names = append(names, t.name)
	}
	return names
}

// Offered returns the names of the tools that a server with the configuration
// offers, or an error if it picks one that does not exist, or none.
func (cfg Config) Offered() ([]string, error) {
	tools, err := cfg.offered()
	return namesOf(tools), err
}

func (cfg Config) offered() ([]tool, error) {
	var unknown []string
	for _, name := range cfg.Tools {
		if !slices.Contains(Names(), name) {
			unknown = append(unknown, strconv.Quote(name))
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("there is no tool %s: the tools are %s", strings.Join(unknown, ", "), strings.Join(Names(), ", "))
	}
	offered := slices.DeleteFunc(all(), func(t tool) bool {
		return cfg.ReadOnly && !t.readOnly || len(cfg.Tools) > 0 && !slices.Contains(cfg.Tools, t.name)
	})
	if len(offered) == 0 {
		readOnly := Config{ReadOnly: true}
		names, _ := readOnly.Offered()
		return nil, fmt.Errorf("no tool is left: those picked write, and this server only reads; those that read are %s", strings.Join(names, ", "))
	}
	return offered, nil
}

// NewServer returns an MCP server with the pipeline's tools. Nothing is opened
// before the first call of a tool.
func NewServer(cfg Config) (*server.MCPServer, error) {
	offered, err := cfg.offered()
	if err != nil {
		return nil, err
	}
	s := &service{
		replica: cfg.Replica, session: cfg.Session, agent: cfg.Agent, hostSession: cfg.HostSession, maxRetries: cfg.MaxRetries, above: cfg.Above, logger: cfg.Logger,
		lost: cfg.Lost, hub: cfg.Hub, began: func() {},
	}
	if cfg.Began != nil {
		s.began = sync.OnceFunc(cfg.Began)
	}
	var hooks server.Hooks
	srv := server.NewMCPServer(Name, cfg.Version,
		server.WithTitle("Huskies pipeline"),
		server.WithInstructions(instructions(namesOf(offered), cfg.Agent)),
		server.WithToolCapabilities(false),
		server.WithResourceCapabilities(true, false),
		server.WithPromptCapabilities(false),
		server.WithCompletions(),
		server.WithResourceCompletionProvider(s),
		server.WithPromptCompletionProvider(s),
		server.WithHooks(&hooks),
	)
	hooks.AddOnError(explain(namesOf(offered)))
	s.addResources(srv, &hooks)
	addPrompts(srv, namesOf(offered))
	for _, t := range offered {
		def, err := t.mcpTool()
		if err != nil {
			return nil, fmt.Errorf("tool %s: %w", t.name, err)
		}
		srv.AddTool(def, t.handler(s, def.RawInputSchema))
	}
	return srv, nil
}

// explain says of requests that reach no tool, prompt or resource what is wrong and
// what can be done.
func explain(offered []string) server.OnErrorHookFunc {
	return func(ctx context.Context, _ any, method mcp.MCPMethod, message any, err error) {
		var typ *json.UnmarshalTypeError
		req, isCall := message.(*mcp.CallToolRequest)
		switch {
		case isCall && errors.Is(err, server.ErrToolNotFound):
			name := req.Params.Name
			what := "there is no tool " + quote(name)
			if slices.Contains(Names(), name) {
				what = name + " is not offered by this server, which was started so"
			}
			text := fmt.Sprintf("%s: the tools are %s", what, strings.Join(offered, ", "))
			if near, ok := nearest(name, offered); ok {
				text += fmt.Sprintf("; did you mean %s?", near)
			}
			calls.FailSaying(ctx, text)
		case errors.Is(err, server.ErrPromptNotFound):
			if req, ok := message.(*mcp.GetPromptRequest); ok {
				calls.FailSaying(ctx, fmt.Sprintf("there is no prompt %s: prompts/list names them", quote(req.Params.Name)))
			}
		case errors.Is(err, server.ErrResourceNotFound):
			if req, ok := message.(*mcp.ReadResourceRequest); ok {
				calls.FailSaying(ctx, fmt.Sprintf("there is no resource %s: the resources are %s and %s", quote(req.Params.URI), pipelineURI, storyTemplate))
			}
		case errors.As(err, &typ):
			calls.FailSaying(ctx, fmt.Sprintf("%s: %s cannot be %s", method, cmp.Or(typ.Field, "params"), withArticle(typ.Value)))
		}
	}
}
