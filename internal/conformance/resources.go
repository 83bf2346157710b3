package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

func resources() []server.ServerResource {
	fixed := func(uri, description, mimeType string, contents mcp.ResourceContents) server.ServerResource {
		return server.ServerResource{
			Resource: mcp.Resource{URI: uri, Name: strings.TrimPrefix(uri, "test://"), Description: description, MIMEType: mimeType},
			Handler: func(context.Context, mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
				return []mcp.ResourceContents{contents}, nil
			},
		}
	}
	text := func(uri, text string) mcp.ResourceContents {
		return mcp.TextResourceContents{URI: uri, MIMEType: "text/plain", Text: text}
	}
	return []server.ServerResource{
		fixed("test://static-text", "Text", "text/plain", text("test://static-text", "This is the content of the static text resource.")),
		fixed("test://static-binary", "An image", "image/png", mcp.BlobResourceContents{URI: "test://static-binary", MIMEType: "image/png", Blob: redPixel}),
		fixed("test://watched-resource", "To subscribe to", "text/plain", text("test://watched-resource", "Never changes.")),
	}
}

func template() (mcp.ResourceTemplate, server.ResourceTemplateHandlerFunc) {
	t := mcp.NewResourceTemplate("test://template/{id}/data", "template", mcp.WithTemplateDescription("Data by ID"), mcp.WithTemplateMIMEType("application/json"))
	return t, func(_ context.Context, req mcp.ReadResourceRequest) ([]mcp.ResourceContents, error) {
		id := strings.TrimSuffix(strings.TrimPrefix(req.Params.URI, "test://template/"), "/data")
		return []mcp.ResourceContents{mcp.TextResourceContents{
			URI: req.Params.URI, MIMEType: "application/json",
			Text: fmt.Sprintf(`{"id":%q,"templateTest":true,"data":"Data for ID: %s"}`, id, id),
		}}, nil
	}
}

func user(content mcp.Content) mcp.PromptMessage { return mcp.NewPromptMessage(mcp.RoleUser, content) }

// prompt gives fixed messages.
func prompt(name, description string, arguments []mcp.PromptArgument, messages ...mcp.PromptMessage) server.ServerPrompt {
	return server.ServerPrompt{
		Prompt: mcp.Prompt{Name: name, Description: description, Arguments: arguments},
		Handler: func(context.Context, mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
			return mcp.NewGetPromptResult(description, messages), nil
		},
	}
}

func prompts() []server.ServerPrompt {
	required := func(name, description string) mcp.PromptArgument {
		return mcp.PromptArgument{Name: name, Description: description, Required: true}
	}
	withArguments := prompt("test_prompt_with_arguments", "Shows its arguments",
		[]mcp.PromptArgument{required("arg1", "First test argument"), required("arg2", "Second test argument")})
	withArguments.Handler = func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		text := fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", req.Params.Arguments["arg1"], req.Params.Arguments["arg2"])
		return mcp.NewGetPromptResult("Shows its arguments", []mcp.PromptMessage{user(mcp.NewTextContent(text))}), nil
	}
	withResource := prompt("test_prompt_with_embedded_resource", "Has a resource", []mcp.PromptArgument{required("resourceUri", "URI of the resource to embed")})
	withResource.Handler = func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		return mcp.NewGetPromptResult("Has a resource", []mcp.PromptMessage{
			user(embedded(req.Params.Arguments["resourceUri"], "text/plain", "Embedded resource content for testing.")),
			user(mcp.NewTextContent("Please process the embedded resource above.")),
		}), nil
	}
	withInput := prompt("test_input_required_result_prompt", "Asks the user for context", nil)
	withInput.Handler = func(_ context.Context, req mcp.GetPromptRequest) (*mcp.GetPromptResult, error) {
		said, ok := answered(req.Params.InputResponses, "user_context", "context")
		if !ok {
			return ask("").Elicit("user_context", question("What context should the prompt use?", "context", "string")).PromptResult(), nil
		}
		return mcp.NewGetPromptResult("With context", []mcp.PromptMessage{user(mcp.NewTextContent(fmt.Sprintf("Use the context %v.", said)))}), nil
	}
	return []server.ServerPrompt{
		withArguments, withResource, withInput,
		prompt("test_simple_prompt", "Text", nil, user(mcp.NewTextContent("This is a simple prompt for testing."))),
		prompt("test_prompt_with_image", "Has an image", nil,
			user(mcp.NewImageContent(redPixel, "image/png")), user(mcp.NewTextContent("Please analyze the image above."))),
	}
}
