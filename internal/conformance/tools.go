package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

const (
	// redPixel is a PNG of one pixel.
	redPixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="
	// silence is a WAV without a sample.
	silence = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="
)

// features2020 is the input schema that the suite expects to see as it is.
const features2020 = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"street": {"type": "string"}, "city": {"type": "string"}}}},
	"properties": {
		"name": {"type": "string"},
		"address": {"$ref": "#/$defs/address"},
		"contactMethod": {"type": "string", "enum": ["phone", "email"]},
		"phone": {"type": "string"},
		"email": {"type": "string"}
	},
	"allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
	"if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
	"then": {"required": ["phone"]},
	"else": {"required": ["email"]},
	"additionalProperties": false
}`

// fixture is a tool without arguments.
func fixture(name, description string, handler server.ToolHandlerFunc) server.ServerTool {
	return server.ServerTool{
		Tool: mcp.Tool{
			Name: name, Description: description,
			RawInputSchema: json.RawMessage(`{"type":"object","properties":{}}`),
		},
		Handler: handler,
	}
}

// contentTools answer with each kind of content.
func contentTools() []server.ServerTool {
	answer := func(content ...mcp.Content) server.ToolHandlerFunc {
		return func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return &mcp.CallToolResult{Content: content}, nil
		}
	}
	schema := fixture("json_schema_2020_12_tool", "Has an input schema with much of JSON Schema 2020-12", answer(mcp.NewTextContent("called")))
	schema.Tool.RawInputSchema = json.RawMessage(features2020)
	return []server.ServerTool{
		schema,
		fixture("test_simple_text", "Answers with text", answer(mcp.NewTextContent("This is a simple text response for testing."))),
		fixture("test_image_content", "Answers with an image", answer(mcp.NewImageContent(redPixel, "image/png"))),
		fixture("test_audio_content", "Answers with audio", answer(mcp.NewAudioContent(silence, "audio/wav"))),
		fixture("test_embedded_resource", "Answers with a resource",
			answer(embedded("test://embedded-resource", "text/plain", "This is an embedded resource content."))),
		fixture("test_multiple_content_types", "Answers with text, an image and a resource", answer(
			mcp.NewTextContent("Multiple content types test:"),
			mcp.NewImageContent(redPixel, "image/png"),
			embedded("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`))),
		fixture("test_error_handling", "Fails", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return mcp.NewToolResultError("This tool intentionally returns an error for testing"), nil
		}),
	}
}

func embedded(uri, mimeType, text string) mcp.EmbeddedResource {
	return mcp.NewEmbeddedResource(mcp.TextResourceContents{URI: uri, MIMEType: mimeType, Text: text})
}

// messageTools do more than to answer: they send notifications, change lists or
// look at what the client can do.
func messageTools(srv *server.MCPServer) []server.ServerTool {
	done := mcp.NewToolResultText("done")
	return []server.ServerTool{
		fixture("test_tool_with_progress", "Reports progress", func(ctx context.Context, req mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if req.Params.Meta == nil || req.Params.Meta.ProgressToken == nil {
				return done, nil
			}
			for _, progress := range []int{0, 50, 100} {
				params := map[string]any{"progressToken": req.Params.Meta.ProgressToken, "progress": progress, "total": 100}
				if err := srv.SendNotificationToClient(ctx, "notifications/progress", params); err != nil {
					return nil, err
				}
			}
			return done, nil
		}),
		fixture("test_logging_tool", "Would log, if the client had asked for it", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			return done, nil // the server does not offer logging to clients
		}),
		fixture("test_trigger_tool_change", "Changes the list of tools", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			srv.AddTools(fixture("test_new_tool", "Was not there before", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
				return done, nil
			}))
			return done, nil
		}),
		fixture("test_trigger_prompt_change", "Changes the list of prompts", func(context.Context, mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			srv.AddPrompts(prompt("test_new_prompt", "Was not there before", nil, user(mcp.NewTextContent("new"))))
			return done, nil
		}),
		fixture("test_missing_capability", "Needs a client that offers sampling", func(ctx context.Context, _ mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			if capabilities(ctx).Sampling == nil {
				return nil, mcp.MissingRequiredClientCapabilityError{Capability: "sampling"}
			}
			return done, nil
		}),
	}
}

// capabilities returns what the client of this request can do.
func capabilities(ctx context.Context) mcp.ClientCapabilities {
	if info := server.RequestProtocolInfoFromContext(ctx); info != nil && info.ClientCapabilities != nil {
		return *info.ClientCapabilities
	}
	return mcp.ClientCapabilities{}
}

var errTampered = errors.New("requestState is not one that this server gave")
