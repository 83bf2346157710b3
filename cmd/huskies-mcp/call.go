package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/terminal"
	"github.com/huskies/huskies-mcp/tools"
	"github.com/huskies/huskies-mcp/tools/calls"
)

func callCommand(opts *options) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "call TOOL [JSON | -]",
		Short: "Make one tool call and print the structured answer",
		Long: `Make one tool call through the same server that hosts talk to, and print the
structured answer: as JSON in a pipe or with --json, and on a terminal as text.
The arguments are a JSON object, or - to read it from standard input. When the
tool answers with an error, its message is on standard error and the exit code
is 1.`,
		Example: `  huskies-mcp call write_item '{"name":"Add login","stage":"1_backlog"}'
  huskies-mcp call list_items '{"ready":true}'
  jq -n '{story_id:"10"}' | huskies-mcp call read_item -`,
		Args:      callArgs,
		ValidArgs: tools.Names(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return call(cmd, *opts, args, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON on a terminal, too")
	addOfferFlags(cmd, opts)
	cmd.SetHelpFunc(callHelp)
	return cmd
}

// callHelp prints the help of the command or, after the name of a tool, that of the tool.
func callHelp(cmd *cobra.Command, _ []string) {
	text, err := tools.Help(cmd.Flags().Arg(0))
	if err != nil { // no tool is named
		text = cmd.Long + "\n\n" + cmd.UsageString() + "\n  huskies-mcp call TOOL --help    shows the arguments of a tool\n"
	} else {
		text += fmt.Sprintf("\nFor example:\n  huskies-mcp call %s '%s'\n", cmd.Flags().Arg(0), exampleArguments[cmd.Flags().Arg(0)])
	}
	fmt.Fprint(cmd.OutOrStdout(), text)
}

func callArgs(_ *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return fmt.Errorf("which tool? They are %s", strings.Join(tools.Names(), ", "))
	case !slices.Contains(tools.Names(), args[0]):
		return fmt.Errorf("there is no tool %q: the tools are %s", args[0], strings.Join(tools.Names(), ", "))
	case len(args) > 2:
		return fmt.Errorf("the arguments must be one JSON object in single quotes, e.g. huskies-mcp call %s '%s'", args[0], exampleArguments[args[0]])
	}
	return nil
}

// exampleArguments are arguments that each tool takes, for errors.
var exampleArguments = map[string]string{
	"write_item":      `{"story_id":"10_story_add","stage":"1_backlog"}`,
	"read_item":       `{"story_id":"10"}`,
	"list_items":      `{"ready":true}`,
	"claim_item":      `{"agent":"coder-1"}`,
	"advance_item":    `{"story_id":"10","agent":"coder-1"}`,
	"release_item":    `{"story_id":"10","agent":"coder-1"}`,
	"set_blocked":     `{"story_id":"10","blocked":true,"reason":"why"}`,
	"bump_retry":      `{"story_id":"10"}`,
	"delete_item":     `{"story_id":"10"}`,
	"wait_for_change": `{"since":"0","timeout_seconds":1}`,
}

// byteOrderMark is what some programs, above all on Windows, put before a text that they write.
var byteOrderMark = []byte("\ufeff")

func call(cmd *cobra.Command, opts options, args []string, asJSON bool) error {
	tool, arguments := args[0], []byte("{}")
	if len(args) == 2 {
		arguments = []byte(args[1])
	}
	if string(arguments) == "-" {
		var err error
		arguments, err = untilToldToEnd(cmd, "read arguments", func() ([]byte, error) { return io.ReadAll(io.LimitReader(cmd.InOrStdin(), calls.MaxMessageBytes)) })
		if err != nil {
			return fmt.Errorf("read arguments: %w", err)
		}
		arguments = bytes.TrimPrefix(arguments, byteOrderMark)
	}
	if err := json.Unmarshal(arguments, new(json.RawMessage)); err != nil {
		return fmt.Errorf("the arguments are not JSON: %w in %.80q (a JSON object in single quotes is wanted, e.g. '%s')", err, arguments, exampleArguments[tool])
	}
	return withReplica(cmd, opts, func(env *environment) error {
		answer, err := callTool(cmd, env, tool, arguments)
		if err != nil {
			return err
		}
		if _, ok := terminalOf(cmd.OutOrStdout()); ok && !asJSON {
			text, err := terminal.Answer(newScreen(cmd, opts.getenv), answer)
			if err != nil {
				return err
			}
			return printText(cmd, text)
		}
		out := bytes.NewBuffer(nil)
		err = json.Compact(out, answer)
		return printJSON(cmd, out.String()+"\n", err)
	})
}

// callTool makes the call and returns the structured answer.
func callTool(cmd *cobra.Command, env *environment, tool string, arguments json.RawMessage) (answer []byte, err error) {
	env.logger.Debug("pipeline in use", "path", env.where.Path, "why", env.where.Why)
	offered, err := env.toolsConfig().Offered()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(offered, tool) {
		return nil, fmt.Errorf("%s is not offered here, by --tools or --read-only: the tools are %s", tool, strings.Join(offered, ", "))
	}
	srv, err := tools.NewServer(env.toolsConfig())
	if err != nil {
		return nil, err
	}
	if reads(tool) {
		env.noteNothing(cmd.ErrOrStderr())
	} else if err := env.checkFolder(); err != nil {
		return nil, err
	} else {
		defer env.noteBeginning(cmd)()
	}
	request, err := json.Marshal(map[string]any{
		"jsonrpc": mcp.JSONRPC_VERSION, "id": 1, "method": mcp.MethodToolsCall,
		"params": map[string]any{"name": tool, "arguments": arguments},
	})
	if err != nil {
		return nil, err
	}
	message, err := calls.Once(cmd.Context(), srv, request, env.logger)
	if err != nil {
		return nil, err
	}
	return answerIn(message)
}

// reads reports whether the tool only reads.
func reads(tool string) bool {
	reading, err := tools.Config{ReadOnly: true}.Offered()
	return err == nil && slices.Contains(reading, tool)
}

// noteNothing says so on w if there is no pipeline to read. That is an empty one until
// the first write; or the path is mistyped.
func (env *environment) noteNothing(w io.Writer) {
	if _, err := os.Lstat(env.where.Path); errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(w, "note: %s\n", printable(env.errNoPipeline().Error()))
	}
}

// answerIn returns the structured answer in a message as JSON, or the tool's or the protocol's error.
func answerIn(message []byte) ([]byte, error) {
	var answer struct {
		Error  *struct{ Message string }
		Result struct {
			IsError bool
			Content []struct{ Text string }
		}
	}
	if err := json.Unmarshal(message, &answer); err != nil {
		return nil, err
	}
	if answer.Error != nil {
		return nil, errors.New(answer.Error.Message)
	}
	var text []byte
	for _, c := range answer.Result.Content {
		text = append(text, c.Text...)
	}
	if answer.Result.IsError {
		return nil, errors.New(string(text))
	}
	// The text is the structured answer without the escapes that the protocol's encoder adds.
	return text, nil
}

// printable returns text in which nothing drives a terminal or turns the
// direction of writing: such characters stand as \u escapes, which in JSON mean
// the same. The JSON encoder itself escapes only those below U+0020.
func printable(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r != '\n' && unicode.In(r, unicode.Cc, unicode.Bidi_Control, unicode.Zl, unicode.Zp) {
			fmt.Fprintf(&b, `\u%04x`, r) // all of them are below U+10000
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
