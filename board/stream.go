package board

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

const (
	// beat is how often a stream says that it lives. A page that hears nothing for two beats and a half says
	// that it is stale.
	beat = 15 * time.Second
	// patience is how long a browser may take for one message.
	patience = 5 * time.Second
)

// getEvents is the stream of what happens (server-sent events).
func (b *Board) getEvents(w http.ResponseWriter, r *http.Request) {
	since := r.Header.Get("Last-Event-ID")
	if since == "" {
		since = r.URL.Query().Get("since")
	}
	b.hub.mark(r.Context(), b.now())
	s, missed, mark, ok := b.hub.follow(since, b.now())
	if s == nil {
		http.Error(w, "too many streams: close some pages", http.StatusServiceUnavailable)
		return
	}
	defer b.hub.leave(s)
	out := eventWriter{w: w, c: http.NewResponseController(w), b: b}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // a proxy must not collect the messages
	if ok {
		out.send("hello", mark, fmt.Appendf(nil, `{"mark":%q}`, since))
		for _, m := range missed {
			out.message(m)
		}
	} else {
		out.send("hello", mark, fmt.Appendf(nil, `{"mark":%q,"reset":true}`, mark))
	}
	ticker := time.NewTicker(beat)
	defer ticker.Stop()
	for out.err == nil {
		select {
		case m, open := <-s.messages:
			if !open {
				return
			}
			out.message(m)
		case <-ticker.C:
			out.send("beat", "", []byte("{}"))
		case <-r.Context().Done():
			return
		}
	}
}

// eventWriter writes events to a browser. After the first error it writes nothing.
type eventWriter struct {
	w   http.ResponseWriter
	c   *http.ResponseController
	b   *Board
	err error
}

func (e *eventWriter) message(m message) {
	e.b.hub.mu.Lock()
	mark := e.b.hub.markOf(m.n)
	e.b.hub.mu.Unlock()
	e.send("change", mark, m.data)
}

func (e *eventWriter) send(event, id string, data []byte) {
	if e.err != nil {
		return
	}
	// The deadline is by the process's own clock, whatever the board calls now.
	_ = e.c.SetWriteDeadline(e.b.now().Add(patience)) // a writer without deadlines is one of a test
	if id != "" {
		id = "id: " + id + "\n"
	}
	if _, e.err = fmt.Fprintf(e.w, "event: %s\n%sdata: %s\n\n", event, id, data); e.err == nil {
		e.err = e.c.Flush()
	}
}

// getMissed returns the messages behind a mark, for a page that does not stream itself.
func (b *Board) getMissed(w http.ResponseWriter, r *http.Request) {
	b.hub.mark(r.Context(), b.now())
	messages, mark, ok := b.hub.missed(r.URL.Query().Get("since"))
	out := struct {
		Mark     string            `json:"mark"`
		Reset    bool              `json:"reset,omitempty"`
		Messages []json.RawMessage `json:"messages"`
	}{Mark: mark, Reset: !ok, Messages: []json.RawMessage{}}
	for _, m := range messages {
		out.Messages = append(out.Messages, m.data)
	}
	answer(w, http.StatusOK, out)
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		http.Error(w, "this answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text) // a browser that has gone needs no answer
}
