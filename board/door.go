package board

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
)

const (
	// stay is how long a browser is let in by its cookie.
	stay = 30 * 24 * time.Hour
	// maxForm bounds what a browser sends: a description of 32 KiB, each byte of which may take three.
	maxForm = 192 << 10
	// policy is the content security policy of all answers: files of ours, and nothing inline.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

// visitor is a browser that was let in.
type visitor struct {
	// Name is the name in which its person acts.
	Name string
	// Form is the token that its forms must bear.
	Form string
}

type visitorKey struct{}

// visitorOf returns who sent a request that came through the door.
func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// guard refuses requests that name a host which is not known, and says to browsers what pages may do.
func (b *Board) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		switch {
		case !b.knowsHost(r.Host):
			b.refuse(w, http.StatusForbidden, "This board does not answer to the name "+phrase.Line(r.Host)+".",
				"Call it by the address that huskies-mcp board printed. If you do use another name on purpose, start the board with --host NAME.")
		case !sameOrigin(r):
			b.refuse(w, http.StatusForbidden, "This request comes from another site.", "Open the board itself and try again there.")
		default:
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			next.ServeHTTP(w, r)
		}
	})
}

// knowsHost reports whether a request may name the host. Otherwise any site could have its own name lead to
// this machine and read what the board answers (DNS rebinding).
func (b *Board) knowsHost(host string) bool {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host {
		return false
	}
	name := strings.ToLower(u.Hostname())
	return slices.Contains([]string{"127.0.0.1", "localhost", "::1"}, name) || slices.Contains(b.cfg.Hosts, name)
}

// sameOrigin reports whether a request comes from a page of the same host. Browsers name the origin of every
// request that changes something.
func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && u.Host == r.Host
}

// door lets in browsers with a cookie of ours, or with a token in the address.
func (b *Board) door(w http.ResponseWriter, r *http.Request) {
	if token := r.URL.Query().Get("token"); token != "" && r.Method == http.MethodGet {
		b.spend(w, r, token)
		return
	}
	who, ok := b.visitor(r)
	if !ok {
		b.turnAway(w, r, http.StatusUnauthorized, "")
		return
	}
	if r.Method == http.MethodPost {
		if err := r.ParseForm(); err != nil {
			b.refuse(w, http.StatusBadRequest, "What your browser sent cannot be read, or it is too long.", "Shorten the text, or split it.")
			return
		}
		given := r.PostForm.Get("form")
		if subtle.ConstantTimeCompare([]byte(given), []byte(who.Form)) != 1 {
			b.refuse(w, http.StatusForbidden, "This form is not one of this browser's.", "Load the page again, and send it once more.")
			return
		}
	}
	b.mux.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, who)))
}

// spend lets in a browser with a token. The address that it is led to has no token.
func (b *Board) spend(w http.ResponseWriter, r *http.Request, token string) {
	_, known := b.visitor(r)
	if b.cfg.Spend != nil && b.cfg.Spend(token) {
		b.letIn(w, b.cfg.Agent)
	} else if !known {
		b.turnAway(w, r, http.StatusUnauthorized, "The token in this address was used before, or is too old.")
		return
	}
	to := *r.URL
	query := to.Query()
	query.Del("token")
	to.RawQuery = query.Encode()
	http.Redirect(w, r, local(to.RequestURI()), http.StatusSeeOther)
}

// local returns a path of this board: a path that begins with two slashes would be another host.
func local(path string) string { return "/" + strings.TrimLeft(path, "/\\") }

// turnAway says to a browser that was not let in how to get in.
func (b *Board) turnAway(w http.ResponseWriter, r *http.Request, status int, problem string) {
	if strings.HasPrefix(r.Header.Get("Accept"), "application/json") {
		answer(w, status, refusal{Problem: "This browser is not let in any more.", Next: "Run huskies-mcp board again, and open the address that it prints."})
		return
	}
	b.render(w, status, "door.html", map[string]any{"Project": b.cfg.Project, "Problem": problem, "Password": b.cfg.Password != "", "To": local(r.URL.RequestURI()), "Version": version()})
}

// postEnter lets in who gives the password.
func (b *Board) postEnter(w http.ResponseWriter, r *http.Request) {
	name := phrase.Line(r.PostFormValue("name"))
	given, want := sha256.Sum256([]byte(r.PostFormValue("password"))), sha256.Sum256([]byte(b.cfg.Password))
	switch {
	case b.cfg.Password == "" || subtle.ConstantTimeCompare(given[:], want[:]) != 1:
		b.turnAway(w, r, http.StatusUnauthorized, "That is not the token of this board.")
	case name == "" || len(name) > maxName || pipeline.CheckAgent(name) != nil:
		b.turnAway(w, r, http.StatusUnprocessableEntity, "Give the name under which others see what you do.")
	default:
		b.letIn(w, name)
		http.Redirect(w, r, local(r.PostFormValue("to")), http.StatusSeeOther)
	}
}

// maxName bounds the name of a person, in bytes: it stands in a cookie.
const maxName = 64

// letIn gives a browser a cookie.
func (b *Board) letIn(w http.ResponseWriter, name string) {
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(b.cfg.Rand, nonce); err != nil {
		b.cfg.Logger.Error("no randomness for a cookie", "error", err)
		http.Error(w, "This machine has no randomness to let you in with.", http.StatusInternalServerError)
		return
	}
	until := b.now().Add(stay)
	body := strings.Join([]string{text64([]byte(name)), strconv.FormatInt(until.Unix(), 10), text64(nonce)}, ".")
	http.SetCookie(w, &http.Cookie{
		Name: b.cfg.Cookie, Value: body + "." + b.sign("cookie", body), Path: "/", MaxAge: int(stay / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: b.cfg.Secure,
	})
}

// visitor returns whom a request's cookie lets in.
func (b *Board) visitor(r *http.Request) (who visitor, ok bool) {
	cookie, err := r.Cookie(b.cfg.Cookie)
	if err != nil {
		return who, false
	}
	parts := strings.Split(cookie.Value, ".")
	if len(parts) != 4 {
		return who, false
	}
	body := strings.Join(parts[:3], ".")
	if subtle.ConstantTimeCompare([]byte(parts[3]), []byte(b.sign("cookie", body))) != 1 {
		return who, false
	}
	until, err := strconv.ParseInt(parts[1], 10, 64)
	name, err2 := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil || err2 != nil || b.now().Unix() >= until {
		return who, false
	}
	return visitor{Name: string(name), Form: b.sign("form", body)}, true
}

// sign returns what only this project's boards can make of a text. Each use has another kind.
func (b *Board) sign(kind, text string) string {
	mac := hmac.New(sha256.New, b.cfg.Secret)
	mac.Write([]byte(kind + "\n" + b.cfg.Cookie + "\n" + text))
	return text64(mac.Sum(nil))
}

func text64(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }

// refuse says why a request is not answered, on a page that needs nothing else.
func (b *Board) refuse(w http.ResponseWriter, status int, problem, next string) {
	b.render(w, status, "refused.html", map[string]any{"Problem": problem, "Next": next, "Version": version()})
}

// getNothing answers for addresses that lead nowhere.
func (b *Board) getNothing(w http.ResponseWriter, _ *http.Request) {
	b.refuse(w, http.StatusNotFound, "There is no such page on this board.", "Its first page is /.")
}
