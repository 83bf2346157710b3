package board_test

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// site is a board that is served, on a pipeline of the test.
type site struct {
	t       testing.TB
	path    string
	cfg     board.Config
	agents  *replica.Replica // another process's door to the same pipeline
	session *replica.Session
	url     string
	tokens  sync.Map
	stop    func()
	server  http.Server // what the next serve takes of a server's settings
}

func ptr[T any](v T) *T { return &v }

func newReplica(t testing.TB, path string) *replica.Replica { return newReplicaBy(t, path, time.Now) }

// newReplicaBy opens a pipeline in a process with a clock of its own.
func newReplicaBy(t testing.TB, path string, now func() time.Time) *replica.Replica {
	r := replica.New(replica.Config{Path: path, Now: now, Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// newSite serves a board on a new pipeline.
func newSite(t testing.TB, change func(*board.Config)) *site {
	t.Helper()
	return newSiteAt(t, filepath.Join(t.TempDir(), "pipeline.db"), change)
}

// newSiteAt serves a board on the pipeline at a path.
func newSiteAt(t testing.TB, path string, change func(*board.Config)) *site {
	t.Helper()
	s := &site{t: t, path: path, agents: newReplica(t, path)}
	s.session = s.agents.OpenSession(rand.Text())
	own := newReplica(t, path)
	s.cfg = board.Config{
		Replica: own, Session: own.OpenSession(rand.Text()), Agent: "ann", Project: "planner", Cookie: "huskies-planner-" + strings.ToLower(rand.Text()[:8]),
		Secret: []byte(rand.Text()), Rand: rand.Reader, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Spend: func(token string) bool { _, ok := s.tokens.LoadAndDelete(token); return ok },
	}
	if change != nil {
		change(&s.cfg)
	}
	s.serve("127.0.0.1:0")
	t.Cleanup(func() { s.stop() })
	return s
}

// serve serves the board at an address until stop is called.
func (s *site) serve(addr string) {
	s.t.Helper()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		s.t.Fatal(err)
	}
	b := board.New(s.cfg)
	ctx, cancel := context.WithCancel(context.Background())
	server := &http.Server{Handler: b.Handler(), ReadTimeout: s.server.ReadTimeout, WriteTimeout: s.server.WriteTimeout, BaseContext: func(net.Listener) context.Context { return ctx }}
	var running sync.WaitGroup
	running.Go(func() { b.Run(ctx) })
	running.Go(func() { _ = server.Serve(listener) })
	s.url = "http://" + listener.Addr().String()
	s.stop = sync.OnceFunc(func() {
		cancel()
		last, done := context.WithTimeout(context.Background(), time.Second)
		defer done()
		if err := server.Shutdown(last); err != nil {
			_ = server.Close()
		}
		running.Wait()
	})
}

// restart ends the board and serves it again at the same address.
func (s *site) restart() {
	s.t.Helper()
	s.stop()
	s.serve(strings.TrimPrefix(s.url, "http://"))
}

// token returns an address that lets one browser in.
func (s *site) token(path string) string {
	token := rand.Text()
	s.tokens.Store(token, true)
	between := "?"
	if strings.Contains(path, "?") {
		between = "&"
	}
	return s.url + path + between + "token=" + token
}

// do lets an agent, or anybody, change the pipeline in another process.
func (s *site) do(agent string, fn func(tx *pipeline.Tx) error) pipeline.Story {
	s.t.Helper()
	st, err := s.agents.Update(s.t.Context(), agent, fn)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// doAgo lets an agent change the pipeline some time ago, by the clock of its process.
func (s *site) doAgo(ago time.Duration, agent string, fn func(tx *pipeline.Tx) error) {
	s.t.Helper()
	r := newReplicaBy(s.t, s.path, func() time.Time { return time.Now().Add(-ago) })
	if _, err := r.Update(s.t.Context(), agent, fn); err != nil {
		s.t.Fatal(err)
	}
}

// add adds a story.
func (s *site) add(id string, c pipeline.Changes) {
	s.t.Helper()
	if c.Stage == nil {
		c.Stage = ptr(pipeline.Backlog)
	}
	s.do("planner", func(tx *pipeline.Tx) error { _, _, err := tx.Write(id, c); return err })
}

// claim lets an agent claim a story.
func (s *site) claim(agent, id string) {
	s.t.Helper()
	s.do(agent, func(tx *pipeline.Tx) error { _, err := tx.Claim(id, s.session.ClaimOptions(agent, 0)); return err })
}

// story returns a story as it is.
func (s *site) story(id string) (st pipeline.Story) {
	s.t.Helper()
	err := s.agents.View(s.t.Context(), func(v *replica.View) (err error) { st, err = v.Story(id); return err })
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// order returns the IDs of a stage in their order, with blanks between.
func (s *site) order(stage pipeline.Stage) string {
	s.t.Helper()
	var ids []string
	err := s.agents.View(s.t.Context(), func(v *replica.View) error {
		page, err := v.List(pipeline.Filter{Stages: []pipeline.Stage{stage}}, nil, 1000)
		for _, st := range page.Stories {
			ids = append(ids, st.ID)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(ids, " ")
}

// client is a browser without a screen, that was let in.
type client struct {
	*http.Client
	s    *site
	form string // the token of its forms
}

// newClient returns a client that was let in.
func newClient(s *site) *client {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	c := &client{&http.Client{Jar: jar, Timeout: 20 * time.Second}, s, ""}
	s.t.Cleanup(c.CloseIdleConnections)
	status, page := c.get(s.token("/activity")[len(s.url):])
	if status != http.StatusOK {
		s.t.Fatalf("got %d:\n%s", status, page)
	}
	_, after, _ := strings.Cut(page, `data-form="`)
	c.form, _, _ = strings.Cut(after, `"`)
	return c
}

// get returns a page.
func (c *client) get(path string) (status int, page string) {
	c.s.t.Helper()
	return c.send(http.MethodGet, path, nil, nil)
}

// post sends a form as the script of the pages does.
func (c *client) post(path string, fields map[string]string) (status int, answer string) {
	c.s.t.Helper()
	form := url.Values{"form": {c.form}}
	for name, value := range fields {
		form.Set(name, value)
	}
	return c.send(http.MethodPost, path, form, map[string]string{"Origin": c.s.url, "Accept": "application/json"})
}

func (c *client) send(method, path string, form url.Values, headers map[string]string) (status int, text string) {
	c.s.t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(c.s.t.Context(), method, c.s.url+path, body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range headers {
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	answer, err := c.Do(r)
	if err != nil {
		c.s.t.Fatal(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		c.s.t.Fatal(err)
	}
	return answer.StatusCode, string(data)
}
