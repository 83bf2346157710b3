package floors

import (
	"os/exec"
	"strings"
	"testing"
)

// TestTheServerStaysWithTheHub: huskies-mcp is started for each session of each agent, and has nothing of
// nats-server in it.
func TestTheServerStaysWithTheHub(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"/cmd/huskies-mcp").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, out)
	}
	for _, dep := range strings.Fields(string(out)) {
		if strings.Contains(dep, "nats-server") {
			t.Errorf("cmd/huskies-mcp depends on %s", dep)
		}
	}
}
