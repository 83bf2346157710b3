package replica_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/huskies/huskies-mcp/pipeline"
)

// BenchmarkClaimNext claims the next of 10,000 stories, durably. As many stories as the name says
// are done and stand first in the list.
func BenchmarkClaimNext(b *testing.B) {
	for _, done := range []int{0, 9000, 9990} {
		b.Run(fmt.Sprintf("done=%d", done), func(b *testing.B) {
			r := newReplica(b, filepath.Join(b.TempDir(), "p.db"))
			session := r.OpenSession("session")
			for i := range 10000 {
				st := pipeline.Backlog
				if i < done {
					st = pipeline.Done
				}
				_, err := r.Update(context.Background(), "t", func(tx *pipeline.Tx) error {
					_, _, err := tx.Write(fmt.Sprintf("%d_s", i+1), pipeline.Changes{Stage: &st})
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				story, err := r.Update(context.Background(), "t", func(tx *pipeline.Tx) error {
					_, err := tx.ClaimNext(nil, session.ClaimOptions("t", 60))
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if _, err := r.Update(context.Background(), "t", func(tx *pipeline.Tx) error {
					_, err := tx.Release(story.ID)
					return err
				}); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}
