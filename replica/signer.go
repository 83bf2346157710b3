package replica

import (
	"crypto/ed25519"
	"runtime"
	"sync"
)

// signer signs the ops of a group on all processors, since that takes longer than
// all else that is done for an op; meanwhile the next changes are decided and
// the first ops are appended. Who waits for a signature signs, too.
type signer struct {
	key     ed25519.PrivateKey
	ops     []signing
	work    chan signing
	workers sync.WaitGroup
}

// signing is an op on its way through the signer.
type signing struct {
	write *Write
	done  chan struct{} // closed when it is signed
}

func newSigner(key ed25519.PrivateKey) *signer {
	return &signer{key: key, work: make(chan signing, maxGroup)}
}

// add takes one more of at most maxGroup ops. A single one is left to who waits
// for it.
func (s *signer) add(w *Write) {
	op := signing{w, make(chan struct{})}
	s.ops = append(s.ops, op)
	s.work <- op
	if len(s.ops) == 2 {
		for range max(1, runtime.GOMAXPROCS(0)-1) {
			s.workers.Go(func() {
				for next := range s.work {
					s.sign(next)
				}
			})
		}
	}
}

// wait waits until the op is signed, and signs others meanwhile.
func (s *signer) wait(op signing) {
	for {
		select {
		case <-op.done:
			return
		default:
		}
		select {
		case next := <-s.work:
			s.sign(next)
		default: // somebody else is at it
			<-op.done
			return
		}
	}
}

func (s *signer) sign(op signing) {
	op.write.signed.Sign(s.key)
	close(op.done)
}

// close ends the workers.
func (s *signer) close() {
	close(s.work)
	s.workers.Wait()
}
