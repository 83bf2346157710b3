package stdio

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var (
	// ErrEnding is the cause of a waiting call's context that ended because the
	// session does: nothing it could wait for will come through it.
	ErrEnding = errors.New("the session is ending")
	// ErrTooManyWaiting: there is no room for one more call that waits.
	ErrTooManyWaiting = fmt.Errorf("%d calls wait already", maxWaitingCalls)
)

// calls bounds the calls that go on side by side, and those that wait.
type calls struct {
	running chan struct{}  // holds one element for each call that does not wait
	waiting chan struct{}  // and for each that does
	busy    sync.WaitGroup // of those in running
	all     sync.WaitGroup
	last    chan struct{}   // closed when the call that was started last has handed over
	ending  context.Context // ends with ErrEnding when no call is left that does not wait
	end     context.CancelCauseFunc
}

func newCalls() *calls {
	c := &calls{
		running: make(chan struct{}, maxRunningCalls),
		waiting: make(chan struct{}, maxWaitingCalls),
		last:    make(chan struct{}),
	}
	close(c.last)
	c.ending, c.end = context.WithCancelCause(context.Background())
	return c
}

// call is one of calls on its way.
type call struct {
	calls    *calls
	handOver func() // lets the next call start
	release  func() // counts the call no more as one that goes on
	waits    func() error
	waiting  bool
}

// start runs fn on a goroutine of its own. The caller has waited for last and put
// an element into running. That a call hands over is asked when there is a next
// one: to wake who waits for it costs a call that is alone more than all else of
// handing over.
func (c *calls) start(fn func(*call)) {
	c.busy.Add(1)
	handedOver := make(chan struct{})
	c.last = handedOver
	one := &call{calls: c, handOver: sync.OnceFunc(func() { close(handedOver) })}
	one.release = sync.OnceFunc(func() { <-c.running; c.busy.Done() })
	one.waits = sync.OnceValue(func() error {
		select {
		case c.waiting <- struct{}{}:
			one.waiting = true
			one.release()
			return nil
		default:
			return ErrTooManyWaiting
		}
	})
	c.all.Go(func() {
		defer func() {
			one.handOver()
			one.release()
			if one.waiting {
				<-c.waiting
			}
		}()
		fn(one)
	})
}

// wait waits for all calls, and ends those that wait when no other is left: until
// then they may see what those do.
func (c *calls) wait() {
	c.busy.Wait()
	c.end(ErrEnding)
	c.all.Wait()
}

// callKey is the key of a call's context under which HandOver and Wait find it.
type callKey struct{}

// HandOver says that the call of ctx has its place in the order of calls: the
// next one may start while it goes on. A handler that never says so keeps the
// next call waiting until it is done. With a context of anything else it does
// nothing.
func HandOver(ctx context.Context) {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.handOver()
	}
}

// Wait says that the call of ctx waits from now on, for something that other calls
// or other processes do: it hands over, and other calls may go on in its place.
// The context it returns ends with ctx, and with the cause ErrEnding when the
// session ends and no other calls are left; then the call answers with what it
// has. The error is ErrTooManyWaiting. With a context of anything else Wait returns
// it as it is.
func Wait(ctx context.Context) (waiting context.Context, done func(), err error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return ctx, func() {}, nil
	}
	if err := c.waits(); err != nil {
		return nil, nil, err
	}
	c.handOver()
	waiting, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.calls.ending, func() { cancel(context.Cause(c.calls.ending)) })
	return waiting, func() { stop(); cancel(nil) }, nil
}
