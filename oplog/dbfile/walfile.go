package dbfile

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
)

// What stands in the write-ahead log's file is read here as SQLite reads it after a crash
// (https://sqlite.org/fileformat2.html#the_write_ahead_log): a header, and frames of a page each.
// Each frame has the header's salts and a checksum over all before it. SQLite takes everything up
// to the last frame that holds and ends a transaction, and forgets the rest without a word.

const (
	walHeaderBytes   = 32
	frameHeaderBytes = 24
	// walMagic is the first number of the file. Its lowest bit says that checksums are of
	// big-endian numbers.
	walMagic = 0x377f0682
)

// WALTail is what a write-ahead log has that SQLite does not read.
type WALTail struct {
	// Frames are sound, of them Committed belong to whole transactions.
	Frames, Committed int64
	// Header says that the file's header is damaged, so that no frame is read.
	Header bool
	// Torn says that a frame of this log comes next and is not sound; Behind are those of this
	// log that come after it.
	Torn   bool
	Behind int64
}

// readWALTail reads the write-ahead log at path through. Without one, or with an empty one, the
// tail is zero.
func readWALTail(path string) (tail WALTail, err error) {
	f, err := OpenPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return tail, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	var header [walHeaderBytes]byte
	if n, err := io.ReadFull(in, header[:]); err != nil {
		tail.Header = n > 0
		return tail, nil
	}
	sum := walSum{order: binary.LittleEndian}
	magic, pageSize := binary.BigEndian.Uint32(header[0:]), binary.BigEndian.Uint32(header[8:])
	if magic&1 == 1 {
		sum.order = binary.BigEndian
	}
	sum.add(header[:24])
	if magic&^1 != walMagic || pageSize < 512 || pageSize > 65536 || pageSize&(pageSize-1) != 0 || !sum.is(header[24:]) {
		tail.Header = true
		return tail, nil
	}
	return tail, tail.readFrames(in, sum, [8]byte(header[16:24]), int(pageSize))
}

// maxWALTail bounds how much is read behind the last sound frame, in bytes.
const maxWALTail = 64 << 20

// readFrames reads the frames behind the header.
func (t *WALTail) readFrames(in io.Reader, sum walSum, salts [8]byte, pageSize int) error {
	frame := make([]byte, frameHeaderBytes+pageSize)
	ended := false
	for after := 0; after < maxWALTail; {
		n, err := io.ReadFull(in, frame)
		if err == io.EOF {
			return nil
		}
		if err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		ours := n >= 16 && [8]byte(frame[8:16]) == salts
		if !ended && ours && n == len(frame) {
			next := sum
			next.add(frame[:8])
			next.add(frame[frameHeaderBytes:])
			if next.is(frame[16:frameHeaderBytes]) {
				sum = next
				t.Frames++
				if binary.BigEndian.Uint32(frame[4:]) != 0 { // it ends a transaction
					t.Committed = t.Frames
				}
				continue
			}
		}
		after += n
		switch {
		case !ended:
			ended, t.Torn = true, ours
		case ours:
			t.Behind++
		}
	}
	return nil
}

// walSum is SQLite's checksum of a write-ahead log.
type walSum struct {
	order  binary.ByteOrder
	s0, s1 uint32
}

// add goes on with the checksum over b, whose length must be a multiple of 8.
func (s *walSum) add(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		s.s0 += s.order.Uint32(b) + s.s1
		s.s1 += s.order.Uint32(b[4:]) + s.s0
	}
}

// is reports whether the checksum stands in b.
func (s *walSum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == s.s0 && binary.BigEndian.Uint32(b[4:]) == s.s1
}

// WALLook is a write-ahead log's file at one moment.
type WALLook struct {
	Tail WALTail
	size int64
	at   int64 // when it was changed last, in ns
	Err  error // of reading it: there is none, or opening the database says why it cannot be read
}

// LookAtWAL looks at the write-ahead log of the database at path.
func LookAtWAL(path string) (w WALLook) {
	if file := LookAt(path + "-wal"); file.Info != nil {
		w.size, w.at = file.Info.Size(), file.Info.ModTime().UnixNano()
	}
	w.Tail, w.Err = readWALTail(path + "-wal")
	return w
}
