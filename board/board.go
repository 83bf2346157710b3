package board

import (
	"context"
	"embed"
	"html/template"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/huskies/huskies-mcp/internal/phrase"
	"github.com/huskies/huskies-mcp/replica"
)

//go:embed pages static
var files embed.FS

// Config says what a board shows, and whom it lets in.
type Config struct {
	Replica *replica.Replica
	Session *replica.Session
	// Agent is the name in which a person acts whose browser gave no other. It may be empty if the board is
	// for reading only.
	Agent string
	// Project is what the pages call the project.
	Project string
	// Cookie is the name of the cookie. It must differ between projects, since browsers send a cookie to
	// all ports of a host.
	Cookie string
	// Secret signs cookies. It must stay the same for browsers to stay in when the board is started anew.
	Secret []byte
	// Spend reports whether a token from an address lets in. It must do so for each token once.
	Spend func(token string) bool
	// Password lets in everybody who gives it with a name. It is empty on a board for one person.
	Password string
	// Hosts are the names, beside those of this machine, by which browsers may call the board.
	Hosts []string
	// Secure says that browsers come by TLS alone.
	Secure bool
	// ReadOnly refuses all changes.
	ReadOnly bool
	// Hub says in a few words how this machine and its hub are doing; "" if there is none. Nil: nobody is asked.
	Hub func(context.Context) string
	// Number returns a number for a new story that no other machine gives out, 0 if nobody knows one. Nil: nobody is asked.
	Number func(context.Context) (uint32, error)
	// MaxRetries is the count of retries at which a story is blocked. 0 is never. With nil the pipeline's
	// setting counts.
	MaxRetries *int64
	// Zone is the time zone of the times in the first HTML.
	Zone   *time.Location
	Rand   io.Reader
	Logger *slog.Logger
}

// Board is the pages of one pipeline.
type Board struct {
	cfg   Config
	pages *template.Template
	hub   *hub
	mux   *http.ServeMux
	// names are the agents' last signs of life, and concerns the stories with warnings. The reader keeps both.
	names    *watched
	concerns *concerns
}

// New returns a board. The caller must call [Board.Run], else its pages do not follow the pipeline.
func New(cfg Config) *Board {
	cfg.Project = phrase.Line(cfg.Project)
	b := &Board{cfg: cfg, hub: newHub(cfg.Rand), names: newWatched(), concerns: &concerns{}}
	b.pages = template.Must(template.New("").Funcs(b.functions()).ParseFS(files, "pages/*.html"))
	b.mux = b.routes()
	return b
}

// hubLine returns what [Config.Hub] says.
func (b *Board) hubLine(ctx context.Context) string {
	if b.cfg.Hub == nil {
		return ""
	}
	return b.cfg.Hub(ctx)
}

// routes returns who answers which request of a browser that was let in.
func (b *Board) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.getBoard)
	mux.HandleFunc("GET /cards", b.getCards)
	mux.HandleFunc("GET /events", b.getEvents)
	mux.HandleFunc("GET /missed", b.getMissed)
	mux.HandleFunc("GET /story/{id}", b.getStory)
	mux.HandleFunc("GET /story/{id}/menu", b.getMenu)
	mux.HandleFunc("POST /story/{id}/{deed}", b.postDeed)
	mux.HandleFunc("GET /add", b.getAdd)
	mux.HandleFunc("POST /add", b.postAdd)
	mux.HandleFunc("GET /activity", b.getActivity)
	mux.HandleFunc("GET /charts", b.getCharts)
	mux.HandleFunc("GET /charts/{file}", b.getChartFile)
	mux.HandleFunc("GET /settings", b.getSettings)
	mux.HandleFunc("POST /settings/{name}", b.postSetting)
	mux.HandleFunc("/", b.getNothing)
	return mux
}

// Handler returns the handler of all requests.
func (b *Board) Handler() http.Handler {
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	outside := http.NewServeMux() // what a browser may see that was not let in
	outside.Handle("GET /static/", http.StripPrefix("/static/", cached(http.FileServerFS(static))))
	outside.HandleFunc("GET /icon.svg", b.getIcon)
	outside.HandleFunc("POST /enter", b.postEnter)
	outside.HandleFunc("/", b.door)
	return b.guard(outside)
}

// cached lets browsers keep a file of ours for as long as the page that names it does, since its address
// there has the version in it.
func cached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		next.ServeHTTP(w, r)
	})
}

// view calls fn with the pipeline.
func (b *Board) view(ctx context.Context, fn func(*replica.View) error) error {
	return b.cfg.Replica.View(ctx, fn)
}

func (b *Board) now() time.Time { return b.cfg.Replica.Now() }

// render writes a page. What it is given must be whole by then, since an error comes too late for the reader.
func (b *Board) render(w http.ResponseWriter, status int, name string, data any) {
	var page strings.Builder
	if err := b.pages.ExecuteTemplate(&page, name, data); err != nil {
		b.cfg.Logger.Error("a page of the board cannot be made", "page", name, "error", err)
		http.Error(w, "This page cannot be made. The log of huskies-mcp board says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, page.String()) // a browser that has gone needs no page
}

// part returns a part of a page.
func (b *Board) part(name string, data any) string {
	var out strings.Builder
	if err := b.pages.ExecuteTemplate(&out, name, data); err != nil {
		b.cfg.Logger.Error("a part of the board cannot be made", "part", name, "error", err)
		return ""
	}
	return strings.TrimSpace(out.String())
}
