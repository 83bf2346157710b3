package oplog

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/pipeline"
)

// textSizes are the sizes of the pipelines that BenchmarkSearch compares.
var textSizes = []int{1_000, 10_000, 100_000}

// benchSearches are the searches of BenchmarkSearch. Rate is one in how many stories has
// both words; 0: 1,000 stories have them.
var benchSearches = []struct {
	name, words string
	rate        int
}{
	{"one in 1000", "harbour beacon", 1000},
	{"1000 stories", "granite meadow", 0},
	{"one in 10", "copper lantern", 10},
	{"all", "river story", 1},
	{"one in 1000 and all", "harbour story", 1000},
}

// BenchmarkSearch measures the first page of searches, with its counts, in pipelines of
// several sizes. Metric ms/fastest is the fastest one, on a machine that does other work, too,
// and x/1000 is its ratio to that in the smallest pipeline of the same run.
func BenchmarkSearch(b *testing.B) {
	least := make(map[string]float64)
	for _, size := range textSizes {
		h := newTextLog(b)
		rng := rand.New(rand.NewPCG(uint64(size), 1))
		const once = 10_000
		for from := 0; from < size; from += once {
			h.write(min(once, size-from), func(i int) (string, []crdt.Edit) { return benchStory(rng, from+i, size) })
		}
		h.write(maxQueued/2, func(i int) (string, []crdt.Edit) { // so that the queue is half full
			return fmt.Sprint(1+i*7919%size, "_story_bench"), []crdt.Edit{crdt.Note("a note that waits to be indexed")}
		})
		for _, search := range benchSearches {
			b.Run(fmt.Sprintf("%s/%d", search.name, size), func(b *testing.B) {
				f := pipeline.Filter{Stages: pipeline.Stages(), Words: strings.Fields(search.words)}
				hits, fastest := 0, time.Duration(math.MaxInt64)
				for b.Loop() {
					began := time.Now()
					hits = h.page(f)
					fastest = min(fastest, time.Since(began))
				}
				took := fastest.Seconds() * 1000
				if size == textSizes[0] {
					least[search.name] = took
				}
				b.ReportMetric(float64(hits), "hits")
				b.ReportMetric(took, "ms/fastest")
				b.ReportMetric(took/least[search.name], "x/1000")
			})
		}
	}
}

// page reads the first page of a search and returns how many hits are counted.
func (h *textLog) page(f pipeline.Filter) (hits int) {
	h.t.Helper()
	h.view(func(s *Snapshot) {
		src := s.Source()
		counts, _, err := src.Counts(f)
		if err == nil {
			_, _, _, err = src.List(f, nil, 50)
		}
		if err != nil {
			h.t.Fatal(err)
		}
		hits = countOf(counts)
	})
	return hits
}

// BenchmarkIndexTexts measures a commit that indexes as many texts as wait at most.
func BenchmarkIndexTexts(b *testing.B) {
	for _, size := range textSizes[:2] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			h := newTextLog(b)
			rng := rand.New(rand.NewPCG(uint64(size), 2))
			h.write(size, func(i int) (string, []crdt.Edit) { return benchStory(rng, i, size) })
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				h.write(maxQueued-1, func(int) (string, []crdt.Edit) { i++; return benchStory(rng, i*7919%size, size) })
				b.StartTimer()
				h.write(1, func(int) (string, []crdt.Edit) { return benchStory(rng, (i+1)*7919%size, size) })
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*maxQueued), "µs/text")
		})
	}
}

// benchStory makes a story with a name of 5 words and a description of 60. Nine of ten
// are archived, as in an old pipeline.
func benchStory(rng *rand.Rand, i, size int) (string, []crdt.Edit) {
	var extra strings.Builder
	for _, search := range benchSearches {
		rate := search.rate
		if rate == 0 {
			rate = max(1, size/1000)
		}
		if rate > 0 && i%rate == 0 {
			extra.WriteString(" " + search.words)
		}
	}
	stage := pipeline.Archived
	if i%10 == 0 {
		stage = pipeline.Stages()[i/10%5]
	}
	return fmt.Sprint(i+1, "_story_bench"), []crdt.Edit{
		setText("stage", string(stage)), setText("name", benchWords(rng, 5)), setText("description", benchWords(rng, 60)+extra.String()),
	}
}

// benchWords returns n words of some 20,000, of which the first ones are the most frequent.
func benchWords(rng *rand.Rand, n int) string {
	words := make([]string, n)
	for i := range words {
		r := rng.Float64()
		word := []byte("wa")
		for k := int(20_000 * r * r * r); k > 0; k /= 20 {
			word = append(word, "bcdfghklmnpqrstvwxyz"[k%20])
		}
		word[0] = "aeioukmrst"[len(word)%10]
		words[i] = string(word)
	}
	return strings.Join(words, " ")
}
