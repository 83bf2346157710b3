package hosts

import (
	"regexp"
	"time"
)

// wordName matches names that become part of a tool's name without being changed.
var wordName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// startedSession is where Claude Code, Codex and Gemini CLI read the hooks of a
// starting session.
var startedSession = []string{"hooks", "SessionStart"}

// The commands that tell a starting session of the pipeline, by the form of answer
// that a host reads.
const (
	contextForClaude = Program + " context --format claude"
	contextForCursor = Program + " context --format cursor"
)

// All are the hosts, in the order of their value to a project that is set up: one
// .mcp.json serves three of them.
var All = []Host{
	{
		ID: "claude", Name: "Claude Code", Programs: []string{"claude"}, Folders: []string{".claude"},
		Project: []string{".mcp.json"}, New: ".mcp.json",
		User:   []UserFile{{Variable: "CLAUDE_CONFIG_DIR", Name: ".claude.json"}},
		Format: JSON, Key: "mcpServers", PerProject: "projects",
		// The type is optional to Claude Code, and VS Code and Copilot CLI read the file too.
		Shape:     Shape{Type: "stdio", Args: true, Timeout: "timeout", TimeoutUnit: time.Millisecond},
		Expansion: Expansion{Syntax: Braced, Default: true, Fields: InCommand | InArgs | InEnv},
		Names:     wordName, StartTimeout: 30 * time.Second,
		Inherits: true, ProjectVariable: true, SessionVariable: "CLAUDE_CODE_SESSION_ID", Client: "claude-code",
		Instructions: "CLAUDE.md", Plugin: &Plugin{Folder: ".claude-plugin", Variable: "CLAUDE_PLUGIN_ROOT"},
		Hook:        &Hook{File: ".claude/settings.json", Path: startedSession, Grouped: true, Command: contextForClaude},
		Trust:       "Claude Code asks whether to use the servers of .mcp.json. `claude mcp list` shows them as pending until then.",
		UserCommand: "claude mcp add --scope user huskies -- huskies-mcp",
	},
	{
		ID: "codex", Name: "Codex", Programs: []string{"codex"}, Folders: []string{".codex"},
		Project: []string{".codex/config.toml"}, New: ".codex/config.toml",
		User:   []UserFile{{Variable: "CODEX_HOME", Folder: ".codex", Name: "config.toml"}},
		Format: TOML, EmptyFile: true, Key: "mcp_servers",
		Shape: Shape{Cwd: "cwd", On: "enabled", PassedOn: "env_vars", Timeout: "tool_timeout_sec", TimeoutUnit: time.Second},
		Names: wordName, StartTimeout: 30 * time.Second, CallTimeout: 300 * time.Second,
		// Its shells have the variable (openai/codex#10096), its servers do not (#19937): they get the
		// same ID with each call (#18093).
		SessionVariable: "CODEX_THREAD_ID", SessionMeta: "threadId", Client: "codex-mcp-client",
		Hook: &Hook{
			File: ".codex/hooks.json", Path: startedSession, Grouped: true, Command: contextForClaude,
			Trust: "Codex runs a hook only when you have reviewed it: see /hooks there.",
		},
		Trust:       "Codex reads .codex/config.toml only in a project that you trust. It asks when it starts there.",
		UserCommand: "codex mcp add huskies -- huskies-mcp",
	},
	{
		ID: "cursor", Name: "Cursor", Programs: []string{"cursor", "cursor-agent"}, Folders: []string{".cursor"},
		Project: []string{".cursor/mcp.json"}, New: ".cursor/mcp.json",
		User:   []UserFile{{Folder: ".cursor", Name: "mcp.json"}},
		Format: JSON, Key: "mcpServers",
		// What Cursor does with an unset variable is not confirmed.
		Expansion: Expansion{Syntax: Editor, Fields: InCommand | InArgs | InEnv},
		Inherits:  true,
		Hook:      &Hook{File: ".cursor/hooks.json", Path: []string{"hooks", "sessionStart"}, Version: true, Command: contextForCursor},
		Trust:     "Cursor asks whether to enable the server: see Settings, MCP.",
	},
	{
		ID: "vscode", Name: "VS Code", Programs: []string{"code", "code-insiders"}, Folders: []string{".vscode"},
		Project: []string{".vscode/mcp.json"}, New: ".vscode/mcp.json",
		User:   []UserFile{{InConfig: true, Folder: "Code/User", Name: "mcp.json"}},
		Reads:  []string{".mcp.json"}, // in sessions of the Copilot harness
		Format: JSONC, EmptyFile: true, Key: "servers",
		Shape:       Shape{Type: "stdio", Cwd: "cwd"},
		Expansion:   Expansion{Syntax: Editor, UnsetIsEmpty: true, Asked: []string{"input:", "command:", "config:"}, Fields: Everywhere},
		Inherits:    true,
		Trust:       "VS Code asks whether you trust the server when it first starts.",
		UserCommand: `code --add-mcp '{"name":"huskies","command":"huskies-mcp"}'`,
	},
	{
		ID: "gemini", Name: "Gemini CLI", Programs: []string{"gemini"}, Folders: []string{".gemini"},
		Project: []string{".gemini/settings.json"}, New: ".gemini/settings.json",
		User:   []UserFile{{Folder: ".gemini", Name: "settings.json"}},
		Format: JSONComments, Key: "mcpServers",
		Shape: Shape{Cwd: "cwd", Timeout: "timeout", TimeoutUnit: time.Millisecond},
		// gemini-cli packages/cli/src/utils/envVarResolver.ts; the default in braces is of later versions.
		Expansion: Expansion{Syntax: Braced, Bare: true, Default: true, Fields: Everywhere},
		// A tool's full name is parted at the first underscore after "mcp_".
		Names: regexp.MustCompile(`^[A-Za-z0-9.-]+$`), CallTimeout: 10 * time.Minute,
		Allowed: []string{"mcp.allowed", "allowMCPServers"}, Excluded: []string{"mcp.excluded", "excludeMCPServers"},
		Inherits:    true, // but for variables whose names look like secrets
		Hook:        &Hook{File: ".gemini/settings.json", Path: startedSession, Grouped: true, Command: contextForClaude},
		Trust:       "Gemini CLI starts servers only in a folder that you trust. It asks when it starts there.",
		UserCommand: "gemini mcp add -s user huskies huskies-mcp",
	},
	{
		ID: "zed", Name: "Zed", Programs: []string{"zed", "zeditor"}, Folders: []string{".zed"},
		Project: []string{".zed/settings.json"}, New: ".zed/settings.json",
		User:   []UserFile{{Folder: ".config/zed", Name: "settings.json"}},
		Format: JSONC, EmptyFile: true, Key: "context_servers",
		Shape:     Shape{Args: true, On: "enabled"},
		Inherits:  true,
		Expansion: Expansion{}, // the documentation names no variables
		Trust:     "Zed asks whether you trust the project before it starts the project's servers.",
	},
	{
		ID: "opencode", Name: "opencode", Programs: []string{"opencode"}, Folders: []string{".opencode"},
		Project: []string{"opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc"}, New: "opencode.json",
		User:   []UserFile{{Folder: ".config/opencode", Name: "opencode.json"}, {Folder: ".config/opencode", Name: "opencode.jsonc"}},
		Format: JSONC, Key: "mcp",
		Shape: Shape{
			Type: "local", OneList: true, Env: "environment", On: "enabled",
			Only: []string{"type", "command", "environment", "enabled", "timeout", "cwd"}, Cwd: "cwd",
		},
		Expansion:    Expansion{Syntax: Curly, UnsetIsEmpty: true, Fields: Everywhere},
		StartTimeout: 5 * time.Second, Inherits: true,
		Trust: "opencode may ask whether you trust the project: its documentation does not say.",
	},
	{
		ID: "copilot", Name: "Copilot CLI", Programs: []string{"copilot"},
		Project: []string{".github/mcp.json"},
		User:    []UserFile{{Variable: "COPILOT_HOME", Folder: ".copilot", Name: "mcp-config.json"}},
		Reads:   []string{".mcp.json"},
		Format:  JSON, Key: "mcpServers",
		// Only the environment is expanded (github/copilot-cli#903, #1232).
		Expansion: Expansion{Syntax: Braced, Bare: true, Default: true, Fields: InEnv},
		// Its shells and its servers have the variable. The name is from github/copilot-cli#1268.
		SessionVariable: "COPILOT_AGENT_SESSION_ID", Client: "github-copilot-developer",
		Names:       regexp.MustCompile(`^[^.]+$`),
		Trust:       "Copilot CLI starts the servers of .mcp.json only in a folder that you trust. It asks when it starts there.",
		UserCommand: "copilot mcp add huskies -- huskies-mcp",
	},
	{
		ID: "kiro", Name: "Kiro", Programs: []string{"kiro", "kiro-cli"}, Folders: []string{".kiro"},
		Project: []string{".kiro/settings/mcp.json"}, New: ".kiro/settings/mcp.json",
		User:   []UserFile{{Folder: ".kiro/settings", Name: "mcp.json"}},
		Format: JSON, Key: "mcpServers",
		Shape: Shape{Args: true, Off: "disabled"},
		// The documentation shows variables in the environment alone (kirodotdev/Kiro#6635).
		Expansion:   Expansion{Syntax: Braced, Fields: InEnv},
		Inherits:    true,
		Trust:       "Kiro asks before it calls a tool of the server for the first time.",
		UserCommand: "kiro-cli mcp add --scope global --name huskies --command huskies-mcp",
	},
	{
		ID: "amp", Name: "Amp", Programs: []string{"amp"}, Folders: []string{".amp"},
		// The file with the longer name wins where both exist.
		Project: []string{".amp/settings.jsonc", ".amp/settings.json"}, New: ".amp/settings.json",
		User:   []UserFile{{Folder: ".config/amp", Name: "settings.jsonc"}, {Folder: ".config/amp", Name: "settings.json"}},
		Format: JSONC, Key: "amp.mcpServers",
		Shape:       Shape{Args: true},
		Expansion:   Expansion{Syntax: Braced, Fields: InCommand | InArgs | InEnv},
		Inherits:    true,
		Trust:       "Amp asks you to approve the servers of a workspace: `amp mcp approve huskies`.",
		UserCommand: "amp mcp add huskies -- huskies-mcp",
	},
	{
		ID: "windsurf", Name: "Windsurf", Programs: []string{"windsurf"},
		User:   []UserFile{{Folder: ".codeium/windsurf", Name: "mcp_config.json"}},
		Format: JSON, Key: "mcpServers", Shape: Shape{Args: true}, Inherits: true,
	},
	{
		ID: "antigravity", Name: "Antigravity", Programs: []string{"antigravity"},
		User:   []UserFile{{Folder: ".gemini/antigravity", Name: "mcp_config.json"}},
		Format: JSON, Key: "mcpServers", Shape: Shape{Args: true}, Inherits: true,
	},
	{
		ID: "goose", Name: "Goose", Programs: []string{"goose"},
		User:   []UserFile{{Folder: ".config/goose", Name: "config.yaml"}},
		Format: YAML, Key: "extensions", Inherits: true,
		UserCommand: "open 'goose://extension?cmd=huskies-mcp&id=huskies&name=huskies'",
	},
}
