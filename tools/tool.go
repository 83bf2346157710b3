package tools

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
	"github.com/huskies/huskies-mcp/schemas"
)

// tool is the definition of one tool.
type tool struct {
	name        string
	title       string
	description string // for models; short, since every session pays for it
	readOnly    bool
	destructive bool
	idempotent  bool
	// in and out are zero values of the arguments and the answer, for the
	// schemas.
	in, out any
	// call reads the arguments, which fit the schema, and answers.
	call func(ctx context.Context, s *service, args json.RawMessage) (any, error)
}

// definition is what the author of a tool writes.
type definition[In, Out any] struct {
	name, title, description string
	// destructive: hosts should ask first, though a change is never lost: it is one
	// more op in a log that keeps all.
	readOnly, destructive, idempotent bool
	handle                            func(ctx context.Context, s *call, in In) (Out, error)
}

func define[In, Out any](d definition[In, Out]) tool {
	var in In
	var out Out
	return tool{
		name: d.name, title: d.title, description: d.description,
		readOnly: d.readOnly, destructive: d.destructive, idempotent: d.idempotent,
		in: in, out: out,
		call: func(ctx context.Context, s *service, args json.RawMessage) (any, error) {
			var in In
			if err := json.Unmarshal(args, &in); err != nil {
				return nil, fmt.Errorf("decode checked arguments: %w", err)
			}
			c := &call{service: s}
			out, err := d.handle(ctx, c, in)
			if at, ok := any(&out).(interface{ set(replica.Position) }); ok { // the answer embeds position
				at.set(c.reflects)
			}
			return &out, err
		},
	}
}

// all returns the tools in the order in which people read about them.
func all() []tool {
	return []tool{writeItem, readItem, listItems, claimItem, advanceItem, releaseItem, setBlocked, bumpRetry, deleteItem, waitForChange}
}

// mcpTool returns the tool as the protocol describes it.
func (t *tool) mcpTool() (mcp.Tool, error) {
	in, err := schemas.Input(t.name)
	if err != nil {
		return mcp.Tool{}, err
	}
	out, err := schemas.Output(t.name)
	if err != nil {
		return mcp.Tool{}, err
	}
	no := false
	return mcp.Tool{
		Name:            t.name,
		Title:           t.title,
		Description:     t.description,
		RawInputSchema:  in,
		RawOutputSchema: out,
		Annotations: mcp.ToolAnnotation{
			ReadOnlyHint:    &t.readOnly,
			DestructiveHint: &t.destructive,
			IdempotentHint:  &t.idempotent,
			OpenWorldHint:   &no,
		},
	}, nil
}

// handler wraps the tool for the server. The schema that arguments are checked
// against is compiled at the first call: to compile all takes a third of the time
// that a server needs to start.
func (t *tool) handler(s *service, schema json.RawMessage) server.ToolHandlerFunc {
	compiled := sync.OnceValues(func() (*checker, error) { return newChecker(t.name, schema) })
	return func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		raw := req.Params.RawArguments
		if raw == nil && req.Params.Arguments != nil { // a caller inside the process
			var err error
			if raw, err = json.Marshal(req.Params.Arguments); err != nil {
				return nil, err
			}
		}
		check, err := compiled()
		if err != nil {
			return nil, fmt.Errorf("input schema of %s: %w", t.name, err)
		}
		args, err := check.arguments(raw)
		if err != nil {
			return errorResult(cut(err.Error(), maxAdviceShown)), nil
		}
		s.began()
		s.nameOf(ctx, req.Params.Meta)
		s.told.begin(ctx, s)
		if err := s.resolve(ctx, args); err != nil {
			return s.failed(ctx, t.name, err)
		}
		checked, err := json.Marshal(args)
		if err != nil {
			return nil, fmt.Errorf("encode arguments of %s: %w", t.name, err)
		}
		answer, err := t.call(ctx, s, checked)
		if err != nil {
			return s.failed(ctx, t.name, err)
		}
		text, err := answerJSON(answer)
		if err != nil {
			return nil, fmt.Errorf("encode answer of %s: %w", t.name, err)
		}
		return &mcp.CallToolResult{
			Content:              []mcp.Content{mcp.NewTextContent(string(text))},
			RawStructuredContent: text,
		}, nil
	}
}

// resolve replaces the numbers that name stories by the IDs of these stories. IDs never change, so a
// call that names a story by its number means the story that has the number when the call begins. A
// name that can be no ID is refused with the stories that it may mean.
func (s *service) resolve(ctx context.Context, args map[string]any) error {
	for _, name := range storyArguments {
		given, _ := args[name].(string)
		if _, ok := pipeline.NumberNamed(given); given == "" || !ok && crdt.ValidStoryID(given) {
			continue // as nearly always
		}
		err := s.replica.ViewAfter(ctx, s.replica.LastWrite(), func(p *replica.View) error {
			id, err := p.Resolve(given)
			args[name] = id
			return err
		})
		var e *pipeline.Error
		if errors.As(err, &e) && name != "story_id" {
			e.Field = name
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// misuse is an error of arguments that fit the schema and not each other.
type misuse struct{ problem, next string }

func (e *misuse) Error() string { return e.problem + "; " + e.next }

// errorResult is an answer that says what is wrong.
func errorResult(what string) *mcp.CallToolResult { return mcp.NewToolResultError(clean(what)) }

// failed says err to the model: what is wrong and what to do next.
// Details that only help a person with access to the machine go to the log.
func (s *service) failed(ctx context.Context, tool string, err error) (*mcp.CallToolResult, error) {
	var wrong *misuse
	var domain *pipeline.Error
	var storage *oplog.Error
	switch {
	case errors.As(err, &wrong):
		return errorResult(wrong.Error()), nil
	case errors.As(err, &domain):
		text := cut(refused(domain), maxAdviceShown)
		if domain.Current != nil {
			item, err := answerJSON(newItem(*domain.Current))
			if err != nil {
				return nil, err
			}
			text += "\ncurrent item: " + string(item)
		}
		return errorResult(text), nil
	case errors.As(err, &storage):
		s.logger.Info("storage failed; the agent was told", "tool", tool, "error", err)
		return errorResult(fmt.Sprintf("the pipeline's database failed: %v. What to do: %s", storage, phrase.WhatToDo(storage))), nil
	case ctx.Err() != nil: // cancelled by the client, which hears no answer
		return nil, ctx.Err()
	}
	s.logger.Error("tool failed", "tool", tool, "error", err)
	return errorResult("huskies-mcp failed inside; its log has the details. Read the item to see whether the change was made, then repeat the call"), nil
}

// answerJSON encodes what agents are shown: on one line, without hidden characters.
func answerJSON(v any) ([]byte, error) {
	b, err := compactJSON(v)
	return cleanJSON(b), err
}

// compactJSON encodes v on one line, with <, > and & as they are.
func compactJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(1 << 10) // most answers are shorter
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}
