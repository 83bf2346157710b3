package oplog

import (
	"context"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/db"
	"github.com/huskies/huskies-mcp/members"
)

// replayTrust reads whose ops count by the log alone.
func replayTrust(ctx context.Context, q *db.Queries) (*trust, error) {
	t, err := logTrust(ctx, q)
	if err != nil || t.members == nil {
		return t, err
	}
	t.left, err = leftOf(ctx, q, t.members.Cut())
	return t, err
}

// leftOf returns the ops of removed members that count: those that each removal names, and their ancestors.
func leftOf(ctx context.Context, q *db.Queries, cut []*members.Standing) (map[crdt.OpID]bool, error) {
	if len(cut) == 0 {
		return nil, nil
	}
	g, err := readGraph(ctx, q)
	if err != nil {
		return nil, err
	}
	left := make(map[crdt.OpID]bool)
	for _, s := range cut {
		for _, id := range g.Left(s) {
			left[id] = true
		}
	}
	return left, nil
}
