package board

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/pipeline"
	"github.com/huskies/huskies-mcp/replica"
)

// page is what all pages have.
type page struct {
	// Name says which page it is.
	Name string
	// Title stands before the project in the title.
	Title   string
	Project string
	// Key names the project for what the script keeps in the browser.
	Key string
	// Who is the name in which the person acts, and Form the token of its forms.
	Who, Form string
	ReadOnly  bool
	// Mark is where the page stands among the messages of the stream.
	Mark string
	// Waiting is how many stories wait for a person.
	Waiting int
	// Hub says how this machine and its hub are doing.
	Hub     string
	Version string
}

// page begins a page. It must be called before the pipeline is read, so that the page misses nothing.
func (b *Board) page(r *http.Request, name string) page {
	who := visitorOf(r)
	return page{
		Name: name, Project: b.cfg.Project, Key: b.cfg.Cookie, Who: who.Name, Form: who.Form, ReadOnly: b.cfg.ReadOnly,
		Mark: b.hub.mark(r.Context(), b.now()), Hub: b.hubLine(r.Context()), Version: version(),
	}
}

// version names the files of the pages: browsers keep them until it is another one.
var version = sync.OnceValue(func() string {
	sum := sha256.New()
	_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error { // embedded files can be read
		if err == nil && !d.IsDir() {
			data, _ := files.ReadFile(path)
			sum.Write(data)
		}
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)[:4])
})

// functions are those that the templates call.
func (b *Board) functions() template.FuncMap {
	return template.FuncMap{
		"name":   stageName,
		"line":   phrase.Line,
		"finger": fingerprint,
		"count":  phrase.Count,
		"states": func() []agentState { return agentStates },
		"pairs": func(pairs ...any) (map[string]any, error) {
			out := map[string]any{}
			for i := 0; i+1 < len(pairs); i += 2 {
				key, ok := pairs[i].(string)
				if !ok {
					return nil, fmt.Errorf("the key %v is no text", pairs[i])
				}
				out[key] = pairs[i+1]
			}
			return out, nil
		},
	}
}

// getBoard shows the board.
func (b *Board) getBoard(w http.ResponseWriter, r *http.Request) {
	p := b.page(r, "board")
	chosen := choiceOf(r.URL.Query())
	data := map[string]any{"Chosen": &chosen, "Stages": stageChoices(), "Kinds": []string{"story", "bug", "spike", "refactor"}}
	err := b.view(r.Context(), func(v *replica.View) error {
		columns, err := b.columns(v, &chosen)
		if err != nil {
			return err
		}
		agents, more, err := b.agents(v)
		if err != nil {
			return err
		}
		needs, err := b.needs(v, agents)
		if err != nil {
			return err
		}
		for i := range columns {
			if columns[i].Shut {
				columns[i].openQuery(r.URL.Query(), true)
			} else if !isOpen(columns[i].Stage) {
				columns[i].openQuery(r.URL.Query(), false)
			}
		}
		p.Waiting = needs.Total
		data["Columns"], data["Agents"], data["Needs"] = columns, map[string]any{"Agents": agents, "More": more}, needs
		data["Names"], data["Missing"] = agentNames(v), missing(v.Missing())
		return v.Err()
	})
	if err != nil {
		b.fail(w, err)
		return
	}
	data["Page"] = p
	b.render(w, http.StatusOK, "board.html", data)
}

// openQuery sets the address that opens the column, or shuts it.
func (c *column) openQuery(q url.Values, open bool) {
	stages := q["open"]
	q.Del("open")
	for _, s := range stages {
		if s != string(c.Stage) {
			q.Add("open", s)
		}
	}
	if open {
		q.Add("open", string(c.Stage))
	}
	c.Toggle = "/?" + q.Encode()
}

// getCards returns a page of the cards of a column.
func (b *Board) getCards(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	chosen := choiceOf(q)
	stage := pipeline.Stage(q.Get("column"))
	var cards []card
	var more string
	err := b.view(r.Context(), func(v *replica.View) (err error) {
		cards, more, err = b.cards(v, &chosen, stage, q.Get("after"))
		return err
	})
	if err != nil {
		said := b.say(err)
		answer(w, said.status, said)
		return
	}
	html := ""
	for i := range cards {
		html += b.part("card", cards[i])
	}
	answer(w, http.StatusOK, map[string]string{"html": html, "more": more})
}

// getIcon returns the icon of the pages, with how many stories wait for a person.
func (b *Board) getIcon(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 {
		n = 0
	}
	badge := ""
	if n > 0 {
		badge = fmt.Sprintf(`<circle cx="46" cy="18" r="18" fill="#c62828"/><text x="46" y="25" font-size="22" font-weight="700" text-anchor="middle" fill="#fff" font-family="sans-serif">%s</text>`,
			map[bool]string{true: strconv.Itoa(n), false: "9+"}[n < 10])
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "private, max-age=86400")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64"><rect width="64" height="64" rx="14" fill="#20527a"/><rect x="12" y="14" width="10" height="36" rx="3" fill="#fff"/><rect x="27" y="14" width="10" height="24" rx="3" fill="#9fc6e8"/><rect x="42" y="14" width="10" height="30" rx="3" fill="#d8e8f6"/>%s</svg>`, badge)
}
