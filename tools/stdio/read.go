package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// byteOrderMark may precede the first line: PowerShell pipes begin with it.
var byteOrderMark = []byte("\uFEFF")

// line is one line of the input without surrounding white space, or the reason
// why there is none.
type line struct {
	text    []byte
	tooLong bool  // text was over MaxMessageBytes and has been skipped
	err     error // reading failed; this is the last line
}

// readLines cuts in into lines and closes lines at the end of input. It leaves
// out blank lines.
//
// Serve starts it and does not wait for it: a Read that blocks cannot be
// interrupted, and in is not ours to close. Once done is closed it reads no
// further and sends nothing. What a blocked Read returns later is lost.
func readLines(in io.Reader, lines chan<- line, done <-chan struct{}) {
	defer close(lines)
	send := func(l line) bool {
		select {
		case lines <- l:
			return true
		case <-done:
			return false
		}
	}
	r := bufio.NewReaderSize(untilDone{in, done}, 64<<10)
	for first := true; ; first = false {
		text, tooLong, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			// What was read of the line is not a message: drop it.
			send(line{err: fmt.Errorf("read message: %w", err)})
			return
		}
		if first {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		text = bytes.TrimSpace(text)
		if tooLong || len(text) > 0 {
			if !send(line{text: text, tooLong: tooLong}) {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// readLine reads to the next newline or the end of input. A line over
// MaxMessageBytes is read to its end but not kept.
func readLine(r *bufio.Reader) (text []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !tooLong {
			text = append(text, part...)
			if len(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))) > MaxMessageBytes {
				text, tooLong = nil, true
			}
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, tooLong, err
		}
	}
}

// untilDone is a reader that ends when done is closed, so that bufio, which
// reads until it has a line, does not start another Read.
type untilDone struct {
	in   io.Reader
	done <-chan struct{}
}

func (u untilDone) Read(p []byte) (int, error) {
	select {
	case <-u.done:
		return 0, io.EOF
	default:
		return u.in.Read(p)
	}
}
