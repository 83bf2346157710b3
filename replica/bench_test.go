package replica_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
	"github.com/huskies/huskies-mcp/oplog"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// fill writes n ops over stories many stories, in one transaction.
func fill(b testing.TB, path string, n, stories int) {
	b.Helper()
	create(b, newReplica(b, path), "0_s") // makes the file and the key
	log, err := oplog.Open(context.Background(), oplog.Config{Path: path, Now: fixedNow, Logger: discard})
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	lock := oplog.NewLock(path)
	defer lock.Close()
	release, err := lock.Acquire(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	err = log.Write(context.Background(), func(tx *oplog.Tx) error {
		var last crdt.OpID
		for i := range n - 1 {
			if last, err = fillOne(tx, log, i, stories, last); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// fillOne writes the op with the number i. The op last placed the story before.
func fillOne(tx *oplog.Tx, log *oplog.Log, i, stories int, last crdt.OpID) (crdt.OpID, error) {
	parents, seq, err := tx.Next()
	if err != nil {
		return last, err
	}
	op := &crdt.Op{Seq: seq, Parents: parents, Story: strconv.Itoa(1+i%stories) + "_story_bench", Agent: "coder-1", At: 1_700_000_000_000}
	if i < stories {
		op.Edits = []crdt.Edit{crdt.Set("stage", crdt.String("1_backlog")), crdt.Set("name", crdt.String("A story for the benchmark"))}
		if i > 0 {
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{Op: last}))
		} else {
			op.Edits = append(op.Edits, crdt.Place(crdt.Anchor{Story: "0_s"}))
		}
	} else {
		op.Edits = []crdt.Edit{crdt.Set("name", crdt.String(fmt.Sprint("A story for the benchmark, take ", i)))}
	}
	signed, err := crdt.Sign(op, log.Key())
	if err == nil {
		_, _, err = tx.Append(op, signed)
	}
	return op.ID, err
}

// BenchmarkUpdate is one durable write, in pipelines of several sizes.
func BenchmarkUpdate(b *testing.B) {
	for _, stories := range []int{10, 1_000, 100_000} {
		b.Run(fmt.Sprint(stories, "stories"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			fill(b, path, stories+1, stories)
			r := newReplica(b, path)
			if _, err := read(b, r, "1_story_bench"); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				write(b, r, strconv.Itoa(1+i%stories)+"_story_bench", pipeline.Changes{Name: ptr(fmt.Sprint(i))})
			}
		})
	}
}

// BenchmarkContended is one durable write while several replicas write in a loop, each with a lock
// descriptor of its own, as processes have.
func BenchmarkContended(b *testing.B) {
	for _, writers := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(writers, "writers"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			create(b, newReplica(b, path), "1_s")
			replicas := make([]*replica.Replica, writers)
			for i := range replicas {
				replicas[i] = newReplica(b, path)
				if _, err := read(b, replicas[i], "1_s"); err != nil {
					b.Fatal(err)
				}
			}
			b.ResetTimer()
			var wg sync.WaitGroup
			for i, r := range replicas {
				wg.Go(func() {
					for n := i; n < b.N; n += writers {
						if _, err := r.Update(context.Background(), "", bumping("1_s")); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// BenchmarkCreate is one durable write that adds a story.
func BenchmarkCreate(b *testing.B) {
	for _, stories := range []int{10, 100_000} {
		b.Run(fmt.Sprint("beside", stories, "stories"), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "p.db")
			fill(b, path, stories+1, stories)
			r := newReplica(b, path)
			if _, err := read(b, r, "1_story_bench"); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				create(b, r, strconv.Itoa(stories+1+i)+"_story_new")
			}
		})
	}
}

// BenchmarkView is one read of one story, and of a page of the list.
func BenchmarkView(b *testing.B) {
	for _, stories := range []int{10, 1_000, 10_000, 100_000} {
		path := filepath.Join(b.TempDir(), "p.db")
		fill(b, path, stories+1, stories)
		r := newReplica(b, path)
		if _, err := read(b, r, "1_story_bench"); err != nil { // opening the file is not meant
			b.Fatal(err)
		}
		b.Run(fmt.Sprint("story/of", stories), func(b *testing.B) {
			for i := 0; b.Loop(); i++ { // all in turn, far from each other
				if _, err := read(b, r, strconv.Itoa(1+i*7919%stories)+"_story_bench"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprint("list50/of", stories), func(b *testing.B) {
			for b.Loop() {
				err := r.View(context.Background(), func(v *replica.View) error {
					if page, err := v.List(pipeline.Filter{Ready: ptr(true)}, nil, 50); err != nil || page.Total == 0 {
						b.Fatal("an empty list")
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
