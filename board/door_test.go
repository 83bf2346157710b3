package board_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/board"
	"github.com/huskies/huskies-mcp/pipeline"
)

// stranger is a client that was not let in.
func stranger(s *site) *client {
	jar, _ := cookiejar.New(nil) // never fails
	return &client{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, s, ""}
}

// TestToken: a token lets in one browser, once, and is gone from the address afterwards.
func TestToken(t *testing.T) {
	s := newSite(t, nil)
	first, second := stranger(s), stranger(s)
	path := s.token("/activity?kind=moved")[len(s.url):]
	answer, err := first.Get(s.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if to := answer.Header.Get("Location"); answer.StatusCode != http.StatusSeeOther || to != "/activity?kind=moved" {
		t.Errorf("got %d to %q", answer.StatusCode, to)
	}
	cookie := answer.Cookies()[0]
	if cookie.Name != s.cfg.Cookie || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || strings.Contains(cookie.Value, "token") {
		t.Errorf("the cookie is %v", cookie)
	}
	if status, _ := first.get("/activity"); status != http.StatusOK {
		t.Errorf("the browser that was let in gets %d", status)
	}
	status, page := second.get(path)
	if status != http.StatusUnauthorized || !strings.Contains(page, "used before") || !strings.Contains(page, "huskies-mcp board") {
		t.Errorf("a spent token: got %d:\n%s", status, page)
	}
	if status, _ := first.get(path); status != http.StatusSeeOther {
		t.Errorf("the browser that is in opens its old address: got %d", status)
	}
}

// TestNobodyElse: without a cookie that this project's secret signed nothing is answered but how to get in.
func TestNobodyElse(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_story_secret", pipeline.Changes{Name: ptr("a secret name")})
	in := newClient(s)
	address, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	good := in.Jar.Cookies(address)[0]
	other := newSite(t, func(c *board.Config) { c.Cookie = s.cfg.Cookie })
	otherAddress, _ := url.Parse(other.url)
	cookies := map[string]string{
		"none": "", "empty": "x=", "cut": good.Value[:len(good.Value)-1], "longer": good.Value + "A", "another name": "Ym9i" + good.Value[strings.IndexByte(good.Value, '.'):],
		"signed by another project": newClient(other).Jar.Cookies(otherAddress)[0].Value,
	}
	for what, value := range cookies {
		for _, path := range []string{"/", "/story/1", "/story/1/menu", "/cards?column=1_backlog", "/activity", "/events", "/missed", "/charts", "/add", "/nowhere"} {
			c := stranger(s)
			status, page := c.send(http.MethodGet, path, nil, map[string]string{"Cookie": good.Name + "=" + value})
			if status != http.StatusUnauthorized || strings.Contains(page, "secret") {
				t.Errorf("cookie %s, %s: got %d:\n%.200s", what, path, status, page)
			}
		}
		status, _ := stranger(s).send(http.MethodPost, "/story/1/delete", url.Values{"form": {in.form}}, map[string]string{"Cookie": good.Name + "=" + value, "Origin": s.url})
		if status != http.StatusUnauthorized {
			t.Errorf("cookie %s, a change: got %d", what, status)
		}
	}
	if status, page := in.get("/story/1"); status != http.StatusOK || !strings.Contains(page, "a secret name") {
		t.Errorf("with the cookie: got %d", status)
	}
}

// TestHosts: only names of this machine, and those that the person gave, are answered: a name that leads here
// is another site's (DNS rebinding).
func TestHosts(t *testing.T) {
	s := newSite(t, func(c *board.Config) { c.Hosts = []string{"board.example.org"} })
	in := newClient(s)
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:4711": 200, "localhost:1": 200, "LOCALHOST": 200, "[::1]:80": 200, "board.example.org": 200, "board.example.org:443": 200,
		"evil.example.org": 403, "localhost.evil.org": 403, "127.0.0.1.evil.org:80": 403, "evil.org@localhost": 403, "10.0.0.1": 403, "[::2]": 403,
	} {
		// The jar gives no cookie to another host, so the door answers 401 to the hosts that are known.
		status, _ := in.send(http.MethodGet, "/icon.svg", nil, map[string]string{"Host": host})
		if status != want {
			t.Errorf("host %s: got %d, want %d", host, status, want)
		}
	}
}

// TestForms: a change comes from a page of the same origin and bears the token of its browser.
func TestForms(t *testing.T) {
	s := newSite(t, nil)
	s.add("1_story_a", pipeline.Changes{})
	in, other := newClient(s), newClient(s)
	for what, c := range map[string]struct {
		origin, form string
		want         int
	}{
		"no origin": {"", in.form, 403}, "null": {"null", in.form, 403}, "another site": {"http://evil.example.org", in.form, 403},
		"another port": {"http://127.0.0.1:1", in.form, 403}, "no token": {s.url, "", 403}, "the token of another browser": {s.url, other.form, 403},
		"all as it should be": {s.url, in.form, 200},
	} {
		headers := map[string]string{"Accept": "application/json"}
		if c.origin != "" {
			headers["Origin"] = c.origin
		}
		status, text := in.send(http.MethodPost, "/story/1_story_a/note", url.Values{"form": {c.form}, "note": {what}}, headers)
		if status != c.want {
			t.Errorf("%s: got %d %s", what, status, text)
		}
	}
	if status, _ := in.send(http.MethodGet, "/", nil, map[string]string{"Origin": "http://evil.example.org"}); status != 403 {
		t.Errorf("a page asked for by another site: got %d", status)
	}
	if status, _ := in.post("/story/1_story_a/note", map[string]string{"note": strings.Repeat("x", 300<<10)}); status != 400 {
		t.Errorf("a form of 300 KiB: got %d", status)
	}
}

// TestHeaders: every answer forbids what pages of ours do not do.
func TestHeaders(t *testing.T) {
	s := newSite(t, nil)
	in := newClient(s)
	for _, path := range []string{"/", "/activity", "/nowhere", "/icon.svg", "/static/board.js", "/missed"} {
		answer, err := in.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		csp := answer.Header.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || answer.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", path, answer.Header)
		}
		if cache := answer.Header.Get("Cache-Control"); path == "/" && cache != "no-store" {
			t.Errorf("%s may be kept: %s", path, cache)
		}
	}
	for _, path := range []string{"/", "/story/1", "/activity", "/charts", "/add"} {
		_, page := in.get(path)
		for _, bad := range []string{" style=", "<style", " onclick=", "javascript:"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s has %q", path, bad)
			}
		}
		if n := strings.Count(page, "<script"); n > 1 || n == 1 && !strings.Contains(page, `<script defer src="/static/board.js?`) {
			t.Errorf("%s has %d scripts", path, n)
		}
	}
}

// TestPassword: beyond this machine everybody gives the token of a file, and a name.
func TestPassword(t *testing.T) {
	const token = "a-token-that-nobody-guesses"
	s := newSite(t, func(c *board.Config) { c.Password, c.Agent = token, "" })
	s.add("1_story_a", pipeline.Changes{})
	c := stranger(s)
	enter := func(name, password string) int {
		status, _ := c.send(http.MethodPost, "/enter", url.Values{"name": {name}, "password": {password}, "to": {"//evil.example.org/"}}, map[string]string{"Origin": s.url})
		return status
	}
	for name, password := range map[string]string{"mara": "", "tim": token[1:], "": token, "null": token, strings.Repeat("x", 80): token} {
		if got := enter(name, password); got != 401 && got != 422 {
			t.Errorf("%q with %q: got %d", name, password, got)
		}
	}
	if got := enter("mara", token); got != 303 {
		t.Fatalf("got %d", got)
	}
	_, page := c.get("/activity")
	_, after, _ := strings.Cut(page, `data-form="`)
	c.form, _, _ = strings.Cut(after, `"`)
	if status, text := c.post("/story/1_story_a/note", map[string]string{"note": "seen"}); status != 200 {
		t.Fatalf("got %d %s", status, text)
	}
	if _, page := c.get("/story/1_story_a"); !strings.Contains(page, "mara</b> <span class=\"words\">noted") {
		t.Errorf("the note is not mara's:\n%s", page)
	}
	if status, _ := stranger(newSite(t, nil)).send(http.MethodPost, "/enter", url.Values{"name": {"x"}, "password": {""}}, map[string]string{"Origin": s.url}); status != 403 {
		t.Errorf("got %d", status)
	}
}

// TestReadOnly: a board for reading refuses changes, and its pages offer none.
func TestReadOnly(t *testing.T) {
	s := newSite(t, func(c *board.Config) { c.ReadOnly = true })
	s.add("1_story_a", pipeline.Changes{})
	in := newClient(s)
	for _, path := range []string{"/story/1_story_a/delete", "/story/1_story_a/note", "/add"} {
		if status, text := in.post(path, map[string]string{"note": "x", "name": "x", "stage": "1_backlog"}); status != 403 || !strings.Contains(text, "for reading only") {
			t.Errorf("%s: got %d %s", path, status, text)
		}
	}
	for _, path := range []string{"/", "/story/1_story_a", "/add"} {
		if _, page := in.get(path); strings.Contains(page, `method="post"`) {
			t.Errorf("%s has a form that changes something", path)
		}
	}
	if got := s.order(pipeline.Backlog); got != "1_story_a" {
		t.Errorf("got %s", got)
	}
}
