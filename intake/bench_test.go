package intake

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkPlan reads and plans 1,000 items, each of which depends on the one behind it.
func BenchmarkPlan(b *testing.B) {
	var csv bytes.Buffer
	csv.WriteString("id,name,description,depends_on\n")
	for i := range 1000 {
		fmt.Fprintf(&csv, "%d,Item %d,\"text of\nthe item\",%d\n", i, i, i+1)
	}
	for b.Loop() {
		l, err := Read(csvOf(csv.String()), Options{})
		if err != nil {
			b.Fatal(err)
		}
		if p := NewPlan(l, &Index{}, PlanOptions{Slug: slug}); len(p.Create) != 1000 {
			b.Fatal(p.Err())
		}
	}
}
