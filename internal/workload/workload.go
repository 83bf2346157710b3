// Package workload makes the ops of a project's work, for tests and measurements: the
// same ops for the same seed.
package workload

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// Config says how much work there is.
type Config struct {
	Seed uint64
	// Ops is the number of ops, Stories that of the stories that they are about.
	Ops, Stories int
	// Agents is how many agents work; 0 means 10.
	Agents int
}

// Ops yields the ops in the order in which their author signed them. Stories have names
// of 5 words and descriptions of 60, and about every third depends on others. Each moves
// through the stages, is claimed, gets notes and retries, and most end archived.
func Ops(cfg Config) iter.Seq2[*crdt.Op, crdt.SignedOp] {
	w := &worker{
		cfg: cfg, rng: random(cfg.Seed),
		key: ed25519.NewKeyFromSeed(bytes.Repeat([]byte{42}, ed25519.SeedSize)),
		at:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(),
	}
	w.cfg.Agents = max(1, cfg.Agents)
	if cfg.Agents == 0 {
		w.cfg.Agents = 10
	}
	return func(yield func(*crdt.Op, crdt.SignedOp) bool) {
		for i := range cfg.Ops {
			op := w.next(i)
			signed, err := crdt.Sign(op, w.key)
			if err != nil {
				panic(err) // the edits above are in their bounds
			}
			w.last = op.ID
			if len(op.Edits) > 0 && op.Edits[len(op.Edits)-1].Kind == crdt.KindPlace {
				w.placed = op.ID
			}
			if !yield(op, signed) {
				return
			}
		}
	}
}

type worker struct {
	cfg    Config
	rng    random
	key    ed25519.PrivateKey
	at     int64
	seq    uint64
	last   crdt.OpID
	placed crdt.OpID // the op that placed the last new story
	made   int
	step   []uint8 // of each story, how far its work has come
}

// next makes the op with the index i, unsigned. New stories come evenly among the others.
func (w *worker) next(i int) *crdt.Op {
	w.seq++
	w.at += int64(1 + w.rng.IntN(40_000)) // a million ops end before December
	op := &crdt.Op{Seq: w.seq, At: w.at, Agent: w.agent()}
	if w.seq > 1 {
		op.Parents = []crdt.OpID{w.last}
	}
	if w.made < w.cfg.Stories && w.made*w.cfg.Ops <= i*w.cfg.Stories {
		w.create(op)
		return op
	}
	w.work(op)
	return op
}

func (w *worker) agent() string { return fmt.Sprintf("agent-%d", 1+w.rng.IntN(w.cfg.Agents)) }

// StoryID returns the ID of the n-th story, from 1.
func StoryID(n int) string { return fmt.Sprintf("%d_story_%s", n, word(n)) }

func (w *worker) create(op *crdt.Op) {
	w.made++
	w.step = append(w.step, 0)
	op.Story = StoryID(w.made)
	op.Edits = []crdt.Edit{
		crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Backlog))),
		crdt.Set(pipeline.NameName, crdt.String(w.words(5))),
		crdt.Set(pipeline.NameDescription, crdt.String(w.words(60))),
	}
	if w.made > 3 && w.rng.IntN(3) == 0 {
		op.Edits = append(op.Edits, crdt.Dep(uint32(w.made-1-w.rng.IntN(3)), true))
	}
	op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{Op: w.placed}))
}

// work moves a story on: a recent one mostly.
func (w *worker) work(op *crdt.Op) {
	recent := max(50, w.made/20)
	n := w.made - w.rng.IntN(min(w.made, recent))
	if w.rng.IntN(10) == 0 {
		n = 1 + w.rng.IntN(w.made)
	}
	op.Story = StoryID(n)
	step := &w.step[n-1]
	stages := pipeline.Stages()
	switch *step % 9 {
	case 0:
		op.Edits = []crdt.Edit{
			crdt.Set(pipeline.NameAgent, crdt.String(op.Agent)),
			crdt.Set(pipeline.NameClaim, crdt.String(time.UnixMilli(op.At).UTC().Format(time.RFC3339)+"/..")),
			crdt.Set(pipeline.NameStage, crdt.String(string(pipeline.Current))),
		}
	case 1, 4:
		op.Edits = []crdt.Edit{crdt.Note(w.words(12))}
	case 2:
		op.Edits = []crdt.Edit{crdt.Inc(pipeline.NameRetryCount, 1, crdt.OpID{})}
	case 8:
		op.Edits = []crdt.Edit{crdt.Set(pipeline.NameName, crdt.String(w.words(5)))}
	default:
		op.Edits = []crdt.Edit{
			crdt.Set(pipeline.NameStage, crdt.String(string(stages[min(int(*step)/2+1, len(stages)-1)]))),
			crdt.Set(pipeline.NameAgent, crdt.String("")),
		}
	}
	*step++
}

func (w *worker) words(n int) string {
	var all []string
	for range n {
		all = append(all, word(int(float64(w.rng.IntN(3000))*w.rng.Float64()*w.rng.Float64())))
	}
	return strings.Join(all, " ")
}

// word returns the n-th word of a made-up language. Those with low numbers are common.
func word(n int) string {
	const consonants, vowels = "bdfgklmnprstvz", "aeiou"
	var b []byte
	for n += 11; n > 0; n /= 70 {
		b = append(b, consonants[n%14], vowels[n/14%5])
	}
	return string(b)
}

// random is a source of pseudo-random numbers: SplitMix64 (Steele, Lea and Flood 2014).
type random uint64

func (r *random) next() uint64 {
	*r += 0x9e3779b97f4a7c15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// IntN returns a number from 0 up to n.
func (r *random) IntN(n int) int { return int(r.next() % uint64(n)) }

// Float64 returns a number from 0 up to 1.
func (r *random) Float64() float64 { return float64(r.next()>>11) / (1 << 53) }
