package dbfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
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

// walTail is what a write-ahead log has that SQLite does not read.
type walTail struct {
	// frames are sound, of them committed belong to whole transactions.
	frames, committed int64
	// header says that the file's header is damaged, so that no frame is read.
	header bool
	// torn says that a frame of this log comes next and is not sound; behind are those of this
	// log that come after it.
	torn   bool
	behind int64
}

// readWALTail reads the write-ahead log at path through. Without one, or with an empty one, the
// tail is zero.
func readWALTail(path string) (tail walTail, err error) {
	f, err := OpenPlain(path, os.O_RDONLY, 0)
	if err != nil {
		return tail, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<16)
	var header [walHeaderBytes]byte
	if n, err := io.ReadFull(in, header[:]); err != nil {
		tail.header = n > 0
		return tail, nil
	}
	sum := walSum{order: binary.LittleEndian}
	magic, pageSize := binary.BigEndian.Uint32(header[0:]), binary.BigEndian.Uint32(header[8:])
	if magic&1 == 1 {
		sum.order = binary.BigEndian
	}
	sum.add(header[:24])
	if magic&^1 != walMagic || pageSize < 512 || pageSize > 65536 || pageSize&(pageSize-1) != 0 || !sum.is(header[24:]) {
		tail.header = true
		return tail, nil
	}
	return tail, tail.readFrames(in, sum, [8]byte(header[16:24]), int(pageSize))
}

// maxWALTail bounds how much is read behind the last sound frame, in bytes.
const maxWALTail = 64 << 20

// readFrames reads the frames behind the header.
func (t *walTail) readFrames(in io.Reader, sum walSum, salts [8]byte, pageSize int) error {
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
				t.frames++
				if binary.BigEndian.Uint32(frame[4:]) != 0 { // it ends a transaction
					t.committed = t.frames
				}
				continue
			}
		}
		after += n
		switch {
		case !ended:
			ended, t.torn = true, ours
		case ours:
			t.behind++
		}
	}
	return nil
}

// problem says what the tail means, "" if nothing is wrong, and whether more than the very last
// write can be concerned.
func (t walTail) problem() (text string, fault bool) {
	switch {
	case t.header:
		return "the header of the -wal file is damaged, so nothing in that file is read: what was acknowledged since the last checkpoint and stands there alone is not shown, " +
			"and the next write overwrites it", true
	case t.behind > 0:
		return fmt.Sprintf("the -wal file ends early: frame %d is damaged, and with it %d more that stand behind it are not read. If the power failed during a write, that write was never acknowledged. "+
			"Otherwise changes that were acknowledged are not shown, and the next write overwrites them", t.frames+1, t.behind), true
	case t.torn || t.frames > t.committed:
		return fmt.Sprintf("the -wal file ends in the middle of a write, at frame %d, so that write is not shown. It was never acknowledged if its process was killed or the power failed. "+
			"Otherwise the end of the file is damaged, and the last change is lost", t.committed+1), false
	}
	return "", false
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
	tail walTail
	size int64
	at   int64 // when it was changed last, in ns
	Err  error // of reading it: there is none, or opening the database says why it cannot be read
}

// Problem says what is wrong with the write-ahead log, "" if nothing is, and whether more than the
// very last write can be concerned.
func (w WALLook) Problem() (text string, fault bool) { return w.tail.problem() }

// LookAtWAL looks at the write-ahead log of the database at path.
func LookAtWAL(path string) (w WALLook) {
	if file := LookAt(path + "-wal"); file.Info != nil {
		w.size, w.at = file.Info.Size(), file.Info.ModTime().UnixNano()
	}
	w.tail, w.Err = readWALTail(path + "-wal")
	return w
}
