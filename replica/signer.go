package replica

import (
	"context"
	"crypto/ed25519"
	"runtime"
	"sync"
)

// signer signs the ops of a group on all processors, since that takes longer than
// all else that is done for an op; meanwhile the next changes are decided and
// the first ops are appended. Who waits for a signature signs, too.
type signer struct {
	key  ed25519.PrivateKey
	ops  []*Write    // of the group
	work chan *Write // those that nobody signs yet, but for the first

	// helpers stay until the replica is closed: to start one for a group and to wait
	// for its end takes as long as a few signatures.
	start   sync.Once
	helpers sync.WaitGroup
}

func newSigner() *signer {
	return &signer{work: make(chan *Write, maxGroup)}
}

// begin begins a group of ops of the key's author. The last one was ended.
func (s *signer) begin(key ed25519.PrivateKey) {
	clear(s.ops)
	s.key, s.ops = key, s.ops[:0]
}

// add takes one more of at most maxGroup ops. The first is left to who waits for
// it: it may stay the only one. The helpers live as long as life does.
func (s *signer) add(life context.Context, w *Write) {
	w.hasSignature.Store(false)
	s.ops = append(s.ops, w)
	if len(s.ops) == 1 {
		return
	}
	s.start.Do(func() {
		for range runtime.GOMAXPROCS(0) - 1 {
			s.helpers.Go(func() { s.help(life) })
		}
	})
	s.work <- w
}

func (s *signer) help(life context.Context) {
	for {
		select {
		case w := <-s.work:
			s.sign(w)
		case <-life.Done():
			return
		}
	}
}

// wait waits until the op is signed, and signs others meanwhile.
func (s *signer) wait(w *Write) {
	if w == s.ops[0] && !w.hasSignature.Load() {
		s.sign(w)
	}
	for !w.hasSignature.Load() {
		select {
		case next := <-s.work:
			s.sign(next)
		default:
			runtime.Gosched() // a helper is at it: soon done, and sleeping takes longer
		}
	}
}

func (s *signer) sign(w *Write) {
	w.signed.Sign(s.key)
	w.hasSignature.Store(true)
}

// end sees to it that nobody signs ops of the group any more.
func (s *signer) end() {
	for _, w := range s.ops {
		s.wait(w)
	}
}
