package stdio

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/huskies/huskies-mcp/tools/calls"
)

// byteOrderMark may precede the first line: PowerShell pipes begin with it.
var byteOrderMark = []byte("\uFEFF")

// readLines cuts in into lines, each of them one message, and closes messages at the end of input.
// Blank lines are left out.
//
// Serve starts readLines and does not wait for its end, because a Read that blocks cannot be
// interrupted, and in is not ours to close. Once done is closed readLines reads no further and sends
// nothing. What a blocked Read returns later is lost.
func (p *pipe) readLines(in io.Reader, messages chan<- calls.Message, done <-chan struct{}) {
	defer close(messages)
	defer p.blocked.Add(1) // for good
	send := func(m calls.Message) bool {
		p.blocked.Add(1)
		defer p.blocked.Add(1)
		select {
		case messages <- m:
			return true
		case <-done:
			return false
		}
	}
	r := bufio.NewReaderSize(untilDone{in, done}, 64<<10)
	for first := true; ; first = false {
		text, last, err := readLine(r)
		if err != nil && !errors.Is(err, io.EOF) {
			// What was read of the line is no message and is dropped.
			send(calls.Message{Err: fmt.Errorf("read message: %w", err)})
			return
		}
		if first {
			text = bytes.TrimPrefix(text, byteOrderMark)
		}
		text = bytes.TrimSpace(text)
		m := calls.Message{Text: text}
		if last != nil {
			m = calls.Message{TooLong: true, First: text, Last: last}
		}
		if (m.TooLong || len(text) > 0) && !send(m) {
			return
		}
		if err != nil {
			return
		}
	}
}

// readLine reads to the next newline or the end of input. Of a line over calls.MaxMessageBytes the first
// and the last calls.EndBytes are kept. Last is nil for every other line.
func readLine(r *bufio.Reader) (text, last []byte, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if last != nil {
			last = keepEnd(last, part)
		} else if text = append(text, part...); len(bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))) > calls.MaxMessageBytes {
			text, last = bytes.Clone(text[:calls.EndBytes]), keepEnd(make([]byte, 0, calls.EndBytes), text)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return text, last, err
		}
	}
}

// keepEnd returns the last calls.EndBytes of a line that has gone on with a part, in the place of those
// before.
func keepEnd(last, part []byte) []byte {
	part = part[max(0, len(part)-calls.EndBytes):]
	if over := len(last) + len(part) - calls.EndBytes; over > 0 {
		last = last[:copy(last, last[over:])]
	}
	return append(last, part...)
}

// untilDone is a reader that ends when done is closed. bufio reads until it has a line, and so does not
// start another Read.
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
