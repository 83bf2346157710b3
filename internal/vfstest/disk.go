//go:build linux

package vfstest

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
)

// Disk is a disk with a volatile cache. It promises what POSIX does: what was
// synced stays, whatever came after may be there or not, in any order, even a
// part of one write, though never half a sector and nothing outside what was
// written (SQLite relies on that: https://sqlite.org/psow.html). Names are one
// journal, as in the file systems of Linux: the earlier of two changes is never
// missing when the later is there.
type Disk struct {
	names   map[string]int  // on disk, as data is
	data    map[int][]byte  // by number of file
	renames []Event         // linked, unlinked and renamed since the folder was synced
	pending map[int][]Event // written and truncated since the file was synced
}

// NewDisk returns a disk on which the given files are, by name.
func NewDisk(files map[string][]byte) *Disk {
	d := &Disk{names: map[string]int{}, data: map[int][]byte{}, pending: map[int][]Event{}}
	for name, data := range files {
		number := -1 - len(d.names) // until it is found
		d.names[name], d.data[number] = number, bytes.Clone(data)
	}
	return d
}

const sector = 512

// Do brings an event of a recording to the disk.
func (d *Disk) Do(e Event) {
	switch e.Kind {
	case Found:
		number, ok := d.names[e.Name]
		if !ok { // who made it may not have synced the folder
			d.renames = append(d.renames, Event{Kind: Linked, File: e.File, Name: e.Name})
			break
		}
		d.data[e.File], d.names[e.Name] = d.data[number], e.File
	case Linked, Unlinked, Renamed:
		d.renames = append(d.renames, e)
	case Written, Truncated:
		d.pending[e.File] = append(d.pending[e.File], e)
	case Synced:
		for _, p := range d.pending[e.File] {
			d.data[e.File] = change(d.data[e.File], p, nil)
		}
		delete(d.pending, e.File)
	case Lost:
		delete(d.pending, e.File)
	}
	if e.Folder {
		rename(d.names, d.renames)
		d.renames = nil
	}
}

// Survivors returns the files after a power cut, by name. A write that was not synced is
// there by the given chance, and every fourth of these with only some of its
// sectors.
func (d *Disk) Survivors(random *rand.Rand, chance float64) map[string][]byte {
	names := maps.Clone(d.names)
	if chance > 0 {
		rename(names, d.renames[:random.IntN(len(d.renames)+1)])
	}
	files := map[string][]byte{}
	for _, name := range slices.Sorted(maps.Keys(names)) { // sorted, so that random gives the same again
		data := bytes.Clone(d.data[names[name]])
		for _, p := range d.pending[names[name]] {
			if random.Float64() >= chance {
				continue
			}
			var torn *rand.Rand
			if random.IntN(4) == 0 {
				torn = random
			}
			data = change(data, p, torn)
		}
		files[name] = data
	}
	return files
}

func rename(names map[string]int, changes []Event) {
	for _, e := range changes {
		switch e.Kind {
		case Linked:
			names[e.Name] = e.File
		case Renamed:
			delete(names, e.From)
			names[e.Name] = e.File
		default:
			delete(names, e.Name)
		}
	}
}

// change returns the file's data after the event; if torn is given, after half
// of its sectors.
func change(data []byte, e Event, torn *rand.Rand) []byte {
	if e.Kind == Truncated {
		return append(data, make([]byte, max(0, e.Offset-int64(len(data))))...)[:e.Offset]
	}
	for from, end := e.Offset, e.Offset+int64(len(e.Data)); from < end; {
		to := min(end, (from/sector+1)*sector)
		if torn == nil || torn.IntN(2) == 0 {
			data = append(data, make([]byte, max(0, to-int64(len(data))))...) // a gap reads as zeros
			copy(data[from:to], e.Data[from-e.Offset:to-e.Offset])
		}
		from = to
	}
	return data
}
