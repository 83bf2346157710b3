package main

import (
	"os"
	"os/exec"
	"testing"
)

// TestCallOnATerminal shows that call prints text for a person on a terminal, and JSON if it is told to.
func TestCallOnATerminal(t *testing.T) {
	y, dir := newTTY(t, 100, 40), demoFolder(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, "total: 60\r\n"},
		{[]string{"--json"}, `{"stages":[{"stage":"2_current",`},
	} {
		cmd := exec.Command("huskies-mcp", append([]string{"call", "list_items", `{"limit":1}`}, c.args...)...)
		cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, y.slave, y.slave, y.slave
		cmd.Env = append(os.Environ(), "NO_COLOR=1")
		at := len(y.text())
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		y.await(at, c.want)
	}
}
