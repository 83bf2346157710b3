package demo

import (
	"crypto/ed25519"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// apartName and apartAgent are the name that another machine gave to a story whose ID is that of the
	// last one here, and the agent there.
	apartName  = "Numbers of the year for the board"
	apartAgent = "claude-3"
)

// addApart takes in an op of another replica, which created the last story, too, when it knew
// nothing of this one.
func (w *week) addApart() error {
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(w.cfg.Rand, seed); err != nil {
		return err
	}
	last := w.tasks[len(w.tasks)-1]
	op := &crdt.Op{
		Seq: 1, At: w.at(last.day).UnixMilli(), Agent: apartAgent, Creates: true, Story: last.id,
		Edits: []crdt.Edit{
			crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Backlog))),
			crdt.Set(pipeline.NameName, crdt.String(apartName)),
		},
	}
	signed, err := crdt.Sign(op, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		return err
	}
	report, err := w.replica.Admit(w.ctx, []crdt.SignedOp{signed})
	if err == nil && report.Refused > 0 {
		err = fmt.Errorf("take in the op of another replica: %w", report.Refusals[0].Err)
	}
	return err
}
