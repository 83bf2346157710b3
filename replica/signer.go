package replica

import (
	"crypto/ed25519"
	"runtime"
	"sync"
)

// signer signs the ops of a group on all processors, since that takes longer than
// all else that is done for an op; meanwhile the next changes are decided and
// the first ops are appended. A single op is signed by who waits for it.
type signer struct {
	key     ed25519.PrivateKey
	ops     []signing
	work    chan signing // nil as long as there is one op
	workers sync.WaitGroup
}

// signing is an op on its way through the signer.
type signing struct {
	write *Write
	done  chan struct{} // closed when it is signed
}

// add takes one more of at most maxGroup ops.
func (s *signer) add(w *Write) {
	s.ops = append(s.ops, signing{w, make(chan struct{})})
	switch len(s.ops) {
	case 1:
		return
	case 2:
		s.work = make(chan signing, maxGroup)
		for range runtime.GOMAXPROCS(0) {
			s.workers.Go(func() {
				for next := range s.work {
					s.sign(next)
				}
			})
		}
		s.work <- s.ops[0]
	}
	s.work <- s.ops[len(s.ops)-1]
}

// wait waits until the op is signed.
func (s *signer) wait(op signing) {
	if s.work == nil {
		s.sign(op)
	}
	<-op.done
}

func (s *signer) sign(op signing) {
	op.write.signed.Sign(s.key)
	close(op.done)
}

// close ends the workers.
func (s *signer) close() {
	if s.work != nil {
		close(s.work)
		s.workers.Wait()
	}
}
