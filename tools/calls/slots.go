package calls

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var (
	// ErrEnding is the cause of a waiting call's context that ended because the session ends. No
	// other call of the session can bring what the call waits for.
	ErrEnding = errors.New("the session is ending")
	// ErrTooManyWaiting says that there is no room for one more call that waits.
	ErrTooManyWaiting = fmt.Errorf("%d calls wait already", maxWaitingCalls)
	// ErrTooLongToWait says that the message of the call is too long to be kept for so long.
	ErrTooLongToWait = fmt.Errorf("a call that waits may have at most %d bytes", maxLastingBytes)
)

// slots bounds the calls that go on side by side, and the calls that wait.
type slots struct {
	running chan struct{}   // holds one element for each call that does not wait
	waiting chan struct{}   // holds one element for each call that waits
	busy    sync.WaitGroup  // counts the calls in running
	all     sync.WaitGroup  // counts the calls in running and in waiting
	last    chan struct{}   // closed when the call that was started last has handed over; only the loop reads or sets last
	ending  context.Context // ends with ErrEnding when no call is left in running
	end     context.CancelCauseFunc
}

func newSlots() *slots {
	s := &slots{
		running: make(chan struct{}, maxRunningCalls),
		waiting: make(chan struct{}, maxWaitingCalls),
		last:    make(chan struct{}),
	}
	close(s.last)
	s.ending, s.end = context.WithCancelCause(context.Background())
	return s
}

// slot is the place of one call.
type slot struct {
	slots    *slots
	handOver func()       // lets the next call start
	release  func()       // gives back the place in running
	wait     func() error // moves the call from running to waiting
	waiting  bool
}

// start runs fn on a goroutine of its own. mayWait says whether the call may move to waiting. The caller
// must have received from last and put an element into running.
func (s *slots) start(mayWait bool, fn func(*slot)) {
	s.busy.Add(1)
	handedOver := make(chan struct{})
	s.last = handedOver
	one := &slot{slots: s, handOver: sync.OnceFunc(func() { close(handedOver) })}
	one.release = sync.OnceFunc(func() { <-s.running; s.busy.Done() })
	one.wait = sync.OnceValue(func() error {
		if !mayWait {
			return ErrTooLongToWait
		}
		select {
		case s.waiting <- struct{}{}:
			one.waiting = true
			one.release()
			return nil
		default:
			return ErrTooManyWaiting
		}
	})
	s.all.Go(func() {
		defer func() {
			one.handOver()
			one.release()
			if one.waiting {
				<-s.waiting
			}
		}()
		fn(one)
	})
}

// wait waits for all calls. A call that waits is ended when no other call is left, since until then
// the call may see what the others do.
func (s *slots) wait() {
	s.busy.Wait()
	s.end(ErrEnding)
	s.all.Wait()
}

// slotKey is the key under which a call's context holds its slot.
type slotKey struct{}

// HandOver says that the call of ctx has its place in the order of calls. The next call may start while
// this call goes on. The next call of a handler that never hands over starts when the handler returns.
// HandOver does nothing if ctx is not a call's.
func HandOver(ctx context.Context) {
	if one, ok := ctx.Value(slotKey{}).(*slot); ok {
		one.handOver()
	}
}

// Wait says that the call of ctx waits from now on for something that other calls or other processes
// do. The call hands over, and another call may go on in its place. The context that Wait returns ends
// with ctx, and with the cause ErrEnding when the session ends and no other call is left. The call
// should then answer with what it has. The error is ErrTooManyWaiting or ErrTooLongToWait. Wait returns
// ctx as it is if ctx is not a call's. The caller must call done.
func Wait(ctx context.Context) (waiting context.Context, done func(), err error) {
	one, ok := ctx.Value(slotKey{}).(*slot)
	if !ok {
		return ctx, func() {}, nil
	}
	if err := one.wait(); err != nil {
		return nil, nil, err
	}
	one.handOver()
	waiting, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(one.slots.ending, func() { cancel(context.Cause(one.slots.ending)) })
	return waiting, func() { stop(); cancel(nil) }, nil
}
