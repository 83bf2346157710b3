package replica

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Plan decides, on the fresh pipeline, on a change of several stories. Each function that it returns
// changes one story, as one that is given to [Replica.Update], and sees what those before it changed.
type Plan func(*pipeline.State) ([]func(*pipeline.Tx) error, error)

// UpdateAll writes a change of several stories in the name of agent: one op a story, all of them in one
// transaction. Either all ops are written or none. After an error nothing was written, unless the
// error is an [oplog.Error] that is uncertain, as for [Replica.Update].
//
// The plan may be called on another goroutine and more than once. What counts is what its last call
// returned. It must not change what it was given.
func (r *Replica) UpdateAll(ctx context.Context, agent string, plan Plan) error {
	w := &Write{r: r, agent: agent, plan: plan, done: make(chan struct{})}
	r.queue.push(w)
	_, err := w.Wait(ctx)
	return err
}

// errTakenBack ends a transaction in which a part of a change of several stories was refused. The
// changes beside it are then tried again, each by itself.
var errTakenBack = errors.New("a change of several stories was refused in part")

// editAll is edit for a change of several stories. Its last op stands for all of them in w, since one
// transaction holds them all.
func (r *Replica) editAll(log *oplog.Log, tx *oplog.Tx, w *Write) error {
	state, err := r.stateOf(tx)
	if err != nil {
		return err
	}
	changes, refused := askPlan(w.plan, state)
	if err := state.Err(); err != nil {
		return tx.Fail(err) // the plan did not see the pipeline as it is
	}
	w.position = tx.Position()
	if refused != nil {
		w.err = refused
		return nil
	}
	for _, fn := range changes {
		if err := r.editOne(log, tx, w, fn); err != nil {
			return err
		}
		if w.err != nil {
			return errTakenBack
		}
	}
	return nil
}

// askPlan calls the plan, whose panic is its own error: others write, too.
func askPlan(plan Plan, state *pipeline.State) (changes []func(*pipeline.Tx) error, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("update panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return plan(state)
}

// isWanted returns why the change is refused on a pipeline that does not exist yet, nil if it is not.
func (w *Write) isWanted(empty *pipeline.State) error {
	if w.plan == nil {
		return ask(w.fn, empty.NewTx())
	}
	changes, err := askPlan(w.plan, empty)
	if err == nil && len(changes) > 0 {
		err = ask(changes[0], empty.NewTx())
	}
	return err
}
