package hosts

import "testing"

func TestExpand(t *testing.T) {
	env := map[string]string{"SET": "value", "EMPTY": "", "HOME": "/home/h"}
	at := Place{Project: "/work/p", Home: "/home/h", LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }}
	for _, c := range []struct{ host, text, want string }{
		{"codex", "${SET} $SET ~ %SET% ${workspaceFolder}", "${SET} $SET ~ %SET% ${workspaceFolder}"},
		{"zed", "${SET}", "${SET}"},
		{"claude", "a${SET}b$SET", "avalueb$SET"},
		{"claude", "${SET:-x}${NOSUCH:-x}${NOSUCH:-}", "valuex"},
		{"claude", "${EMPTY:-x}", ""},
		{"claude", "${NOSUCH}${env:SET}${workspaceFolder}", "${NOSUCH}${env:SET}${workspaceFolder}"},
		{"claude", "${NOSUCH:-${SET}}", "${SET}"}, // the inner variable is not expanded again
		{"cursor", "${env:SET}${SET}${workspaceFolder}${/}${userHome}${env:NOSUCH}", "value${SET}/work/p//home/h${env:NOSUCH}"},
		{"vscode", "${env:SET}${env:NOSUCH}${workspaceFolderBasename}${input:x}", "valuep${input:x}"},
		{"gemini", "$SET ${SET} $NOSUCH ${NOSUCH:-x}", "value value $NOSUCH x"},
		{"opencode", "{env:SET}{env:NOSUCH}${SET}$SET", "value${SET}$SET"},
		{"amp", "${SET}${NOSUCH:-x}$SET", "value${NOSUCH:-x}$SET"},
		{"kiro", "${SET}", "${SET}"},
		{"copilot", "${SET}", "${SET}"},
	} {
		host, ok := ByID(c.host)
		if !ok {
			t.Fatalf("no host %s", c.host)
		}
		if got := host.Expansion.Expand(InCommand, c.text, at); got != c.want {
			t.Errorf("%s makes %q of %q, want %q", c.host, got, c.text, c.want)
		}
	}
	for id, want := range map[string]string{"kiro": "value$SET", "copilot": "valuevalue", "claude": "value$SET", "codex": "${SET}$SET"} {
		host, _ := ByID(id)
		if got := host.Expansion.Expand(InEnv, "${SET}$SET", at); got != want {
			t.Errorf("%s makes %q in the environment, want %q", id, got, want)
		}
	}
}

func TestLeftover(t *testing.T) {
	for path, want := range map[string]string{
		"/bin/huskies-mcp":  "",
		"huskies-mcp":       "",
		"a~b/PROGRA~1":      "",
		"50%/a$/b%c":        "",
		"~":                 "~",
		"~/bin/x":           "~/",
		"~user/bin":         "~user/",
		"${A}/x":            "${A}",
		"x/${A":             "${A",
		"x/$A/y":            "$A",
		"%APPDATA%\\x":      "%APPDATA%",
		"{env:A}/x":         "{env:A}",
		"${NO:-default}/bi": "${NO:-default}",
	} {
		if got := Leftover(path); got != want {
			t.Errorf("Leftover(%q) = %q, want %q", path, got, want)
		}
	}
}
