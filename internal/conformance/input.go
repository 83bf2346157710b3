package main

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// sealer protects the state that clients carry for the server (RFC 2104).
type sealer struct{ key []byte }

func newSealer() sealer { return sealer{[]byte(rand.Text())} }

func (s sealer) seal(state string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(state))
	return state + "." + hex.EncodeToString(mac.Sum(nil))
}

// open returns the state that was sealed.
func (s sealer) open(sealed string) (string, error) {
	state, _, _ := strings.Cut(sealed, ".")
	if !hmac.Equal([]byte(s.seal(state)), []byte(sealed)) {
		return "", errTampered
	}
	return state, nil
}

// question asks the user for one value of the given type.
func question(message, name, kind string) mcp.ElicitationParams {
	return mcp.ElicitationParams{Message: message, RequestedSchema: map[string]any{
		"type": "object", "properties": map[string]any{name: map[string]any{"type": kind}}, "required": []string{name},
	}}
}

func sampling(text string, tokens int) mcp.CreateMessageParams {
	return mcp.CreateMessageParams{
		Messages:  []mcp.SamplingMessage{{Role: mcp.RoleUser, Content: mcp.NewTextContent(text)}},
		MaxTokens: tokens,
	}
}

// answered returns what the user said to a question, or false.
func answered(responses mcp.InputResponses, id, name string) (any, bool) {
	said := server.ElicitationResponse(responses, id)
	if said == nil {
		return nil, false
	}
	values, _ := said.Content.(map[string]any)
	v, ok := values[name]
	return v, ok
}

func ask(state string) *server.InputRequestBuilder { return server.NewInputRequestBuilder(state) }

// inputTools need something from the client before they can answer (SEP-2322).
func inputTools(s sealer) []server.ServerTool {
	return []server.ServerTool{
		inputTool("elicitation", "Asks the user for a name", func(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
			name, ok := answered(p.InputResponses, "user_name", "name")
			if !ok {
				return ask("").Elicit("user_name", question("What is your name?", "name", "string")).ToolResult(), nil
			}
			return mcp.NewToolResultText(fmt.Sprintf("Hello, %v!", name)), nil
		}),
		inputTool("sampling", "Asks the client's model", func(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
			said := server.SamplingResponse(p.InputResponses, "capital_question")
			if said == nil {
				return ask("").Sample("capital_question", sampling("What is the capital of France?", 100)).ToolResult(), nil
			}
			return mcp.NewToolResultText(fmt.Sprintf("The model said: %v", said.Content)), nil
		}),
		inputTool("list_roots", "Asks for the client's roots", func(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
			roots := server.RootsResponse(p.InputResponses, "client_roots")
			if roots == nil {
				return ask("").Roots("client_roots").ToolResult(), nil
			}
			return mcp.NewToolResultText(fmt.Sprintf("The roots are %v", roots.Roots)), nil
		}),
		inputTool("request_state", "Gives the client a state to carry", s.confirm("state-ok")),
		inputTool("tampered_state", "Refuses a state that was changed", s.confirm("untampered")),
		inputTool("multiple_inputs", "Asks for three things at once", s.multipleInputs),
		inputTool("multi_round", "Asks twice", s.multiRound),
		inputTool("capabilities", "Asks for what the client can give", func(ctx context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
			if len(p.InputResponses) > 0 {
				return mcp.NewToolResultText("done"), nil
			}
			b := ask("")
			if capabilities(ctx).Sampling != nil {
				b.Sample("greeting", sampling("Generate a greeting", 50))
			}
			if capabilities(ctx).Elicitation != nil {
				b.Elicit("user_name", question("What is your name?", "name", "string"))
			}
			return b.ToolResult(), nil
		}),
		fixture("test_streaming_elicitation", "Asks in its answer, not by a request of its own", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return ask("").Elicit("user_name", question("What is your name?", "name", "string")).ToolResult(), nil
		}),
	}
}

func inputTool(name, description string, handle func(context.Context, mcp.CallToolParams) (*mcp.CallToolResult, error)) server.ServerTool {
	return fixture("test_input_required_result_"+name, description, func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
		return handle(ctx, req.Params)
	})
}

// confirm asks once, and answers when the state comes back as it was given.
func (s sealer) confirm(answer string) func(context.Context, mcp.CallToolParams) (*mcp.CallToolResult, error) {
	return func(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
		if p.RequestState == "" {
			return ask(s.seal("confirm")).Elicit("confirm", question("Please confirm", "ok", "boolean")).ToolResult(), nil
		}
		if _, err := s.open(p.RequestState); err != nil {
			return nil, err
		}
		return mcp.NewToolResultText(answer), nil
	}
}

func (s sealer) multipleInputs(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
	if p.RequestState == "" {
		return ask(s.seal("all")).
			Elicit("user_name", question("What is your name?", "name", "string")).
			Sample("greeting", sampling("Generate a greeting", 50)).
			Roots("client_roots").ToolResult(), nil
	}
	if _, err := s.open(p.RequestState); err != nil {
		return nil, err
	}
	return mcp.NewToolResultText("done"), nil
}

func (s sealer) multiRound(_ context.Context, p mcp.CallToolParams) (*mcp.CallToolResult, error) {
	if p.RequestState == "" {
		return ask(s.seal("round 1")).Elicit("step1", question("Step 1: What is your name?", "name", "string")).ToolResult(), nil
	}
	state, err := s.open(p.RequestState)
	if err != nil {
		return nil, err
	}
	if state == "round 1" {
		return ask(s.seal("round 2")).Elicit("step2", question("Step 2: What is your favorite color?", "color", "string")).ToolResult(), nil
	}
	return mcp.NewToolResultText("done"), nil
}
