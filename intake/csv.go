package intake

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// readCSV reads rows under a header. A row that has other columns than the header is broken.
func readCSV(l *List, src Source) error {
	data, skipped := skipSeparatorLine(src.Data)
	header, _, _ := strings.Cut(string(data), "\n")
	r := csv.NewReader(bytes.NewReader(data))
	r.Comma = separator(header)
	r.FieldsPerRecord = -1
	columns, err := r.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s is empty; write a line with the names of the columns first", src.Name)
	}
	if err != nil {
		return fmt.Errorf("%s line 1: %w; put the names of the columns there", src.Name, err)
	}
	columns, err = readHeader(l, src.Name, columns)
	if err != nil {
		return err
	}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			l.breaks(Place{File: src.Name, Line: bad.StartLine + skipped}, "the quotes do not match (%v); put the cell in quotes and double the quotes in it", bad.Err)
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", src.Name, err)
		}
		line, _ := r.FieldPos(0)
		readRow(l, Place{File: src.Name, Line: line + skipped}, columns, cells)
	}
}

// skipSeparatorLine drops the line "sep=;" that some spreadsheets write, and returns how many lines
// it dropped.
func skipSeparatorLine(data []byte) (rest []byte, lines int) {
	line, after, ok := bytes.Cut(data, []byte("\n"))
	if ok && bytes.HasPrefix(bytes.ToLower(line), []byte("sep=")) {
		return after, 1
	}
	return data, 0
}

// separator returns what separates the names of the header: the one of comma, semicolon and tab that
// occurs most outside quotes.
func separator(header string) rune {
	counts := map[rune]int{}
	quoted := false
	for _, r := range header {
		if r == '"' {
			quoted = !quoted
		} else if !quoted {
			counts[r]++
		}
	}
	best := ','
	for _, r := range []rune{';', '\t'} {
		if counts[r] > counts[best] {
			best = r
		}
	}
	return best
}

// splitHeader returns the names in a line that may be the header of CSV.
func splitHeader(line string) []string {
	names := strings.FieldsFunc(line, func(r rune) bool { return r == separator(line) })
	for i, n := range names {
		names[i] = key(strings.Trim(strings.TrimSpace(n), `"`))
	}
	return names
}

// nameColumn returns the index of the column that holds names, or -1.
func nameColumn(columns []string) int {
	return slices.IndexFunc(columns, func(c string) bool { return slices.Contains(nameKeys, c) })
}

// readHeader returns the columns as records have them.
func readHeader(l *List, file string, columns []string) ([]string, error) {
	at := Place{File: file, Line: 1}
	if len(columns) > maxColumns {
		return nil, fmt.Errorf("%s: the header names %d columns, at most %d are read; leave out those that are not brought in", at, len(columns), maxColumns)
	}
	var ignored []string
	for i, c := range columns {
		columns[i] = key(c)
		if columns[i] != "" && slices.Contains(columns[:i], columns[i]) {
			return nil, fmt.Errorf("%s: the column %q is there twice; rename or remove one", at, columns[i])
		}
		if columns[i] != "" && !slices.Contains(knownKeys, columns[i]) {
			ignored = append(ignored, columns[i])
		}
	}
	if nameColumn(columns) < 0 {
		return nil, fmt.Errorf("%s: no column is called name, title or summary (there are: %.200s); rename the one with the names", at, strings.Join(columns, ", "))
	}
	if len(ignored) > 0 {
		l.warn(at, "these columns are not brought in: %s", strings.Join(ignored, ", "))
	}
	return columns, nil
}

// noFormula matches a cell with the apostrophe that package export puts before what a spreadsheet would take for a
// formula.
var noFormula = regexp.MustCompile(`^'+[=+\-@\t\r\n]`)

// readRow adds the item of one row. A row whose cells are all empty is no item.
func readRow(l *List, at Place, columns, cells []string) {
	if !slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) != "" }) {
		return
	}
	if len(cells) != len(columns) {
		l.breaks(at, "the row has %d cells, and the header names %d columns; put cells that hold the separator in quotes", len(cells), len(columns))
		return
	}
	r := record{}
	exported := slices.Contains(columns, "story_id")
	for i, c := range columns {
		if exported && noFormula.MatchString(cells[i]) {
			cells[i] = cells[i][1:]
		}
		r[c] = cells[i]
	}
	it, err := r.item(CSV, at)
	if err != nil {
		l.breaks(at, "%v", err)
		return
	}
	l.add(it)
}
