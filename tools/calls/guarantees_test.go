package calls_test

import (
	"testing"

	"github.com/huskies/huskies-mcp/tools/calls/callstest"
)

func TestGuaranteesInProcess(t *testing.T) { callstest.Guarantees(t, callstest.InProcess) }
