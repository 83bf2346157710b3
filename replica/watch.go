package replica

import (
	"context"
	"errors"
)

// Wait returns when any process has committed something after the position, or the
// state is another one, or ctx ends, whose cause is the error then.
func (r *Replica) Wait(ctx context.Context, after Position) error {
	return r.Watch(ctx, func(v *View) (bool, error) { return v.Position() != after, nil })
}

// Watch calls fn with the pipeline as View does, and again each time it has
// changed, by this process or another. It ends when fn returns true or an error,
// or when ctx ends, whose cause is the error then. Changes that come close
// together may be one call.
//
// A pipeline that has no database yet is empty until it has one. Otherwise a
// database that cannot be read ends Watch with the error that View would return.
// While nobody watches nothing runs.
func (r *Replica) Watch(ctx context.Context, fn func(*View) (done bool, err error)) error {
	if err := r.LastWrite().waitForRead(ctx); err != nil {
		return err
	}
	listener := r.bell.Subscribe()
	defer listener.Close()
	var seen *version
	for {
		done, told := false, false // told: another call has heard of another pipeline
		err := r.view(ctx, func(v *View) (err error) {
			now := version{v.Position(), v.pipelines}
			if seen != nil && *seen == now {
				return nil
			}
			if told = seen != nil && seen.pipelines != now.pipelines; told {
				return r.anotherPipeline()
			}
			done, err = fn(v)
			seen = &now
			return err
		})
		if err != nil || done {
			if seen != nil && errors.Is(err, errOtherPipeline) && !told {
				r.untold.Store(true)
			}
			return err
		}
		select {
		case <-listener.C():
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-r.life.Done():
			return r.life.Err()
		}
	}
}

// version tells one state of one pipeline from another.
type version struct {
	position  Position
	pipelines int
}
