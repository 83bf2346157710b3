// Command figures measures huskies-mcp on pipelines of several sizes and prints what it
// found as a table, with ratios within the run. It is for developers: make figures.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"time"
)

type size struct{ ops, stories int }

func main() {
	binary := flag.String("binary", "", "the huskies-mcp to measure")
	dir := flag.String("dir", filepath.Join(os.TempDir(), "huskies-figures"), "where the pipelines are made, and kept for the next run")
	large := flag.Bool("large", false, "also a pipeline of 1,000,000 ops")
	flag.Parse()
	sizes := []size{{10, 1}, {10_000, 1_000}, {100_000, 10_000}}
	if *large {
		sizes = append(sizes, size{1_000_000, 100_000})
	}
	if err := run(context.Background(), *binary, *dir, sizes); err != nil {
		log.Fatal(err)
	}
}

// run measures each size and prints a row a figure, a column a size.
func run(ctx context.Context, binary, dir string, sizes []size) error {
	var names []string
	columns := make([]map[string]string, len(sizes))
	for i, s := range sizes {
		path, imported, err := prepare(ctx, binary, dir, s)
		if err != nil {
			return err
		}
		m := &measurement{ctx: ctx, binary: binary, path: path, size: s, figures: make(map[string]string)}
		if imported != "" {
			m.put("import through Admit", imported)
		}
		if err := m.all(); err != nil {
			return err
		}
		columns[i] = m.figures
		for _, name := range m.order {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	fmt.Print("| figure |")
	for _, s := range sizes {
		fmt.Printf(" %d ops, %d stories |", s.ops, s.stories)
	}
	fmt.Print("\n|---|")
	for range sizes {
		fmt.Print("---|")
	}
	fmt.Println()
	for _, name := range names {
		fmt.Printf("| %s |", name)
		for _, c := range columns {
			fmt.Printf(" %s |", c[name])
		}
		fmt.Println()
	}
	return nil
}

// median runs fn several times and returns the median duration.
func median(times int, fn func() error) (time.Duration, error) {
	var all []time.Duration
	for range times {
		began := time.Now()
		if err := fn(); err != nil {
			return 0, err
		}
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d.Microseconds())/1000)
}
