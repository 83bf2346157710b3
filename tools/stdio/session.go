package stdio

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

var (
	_ server.SessionWithClientInfo         = (*session)(nil)
	_ server.SessionWithProtocolVersion    = (*session)(nil)
	_ server.SessionWithSubscriptionFilter = (*session)(nil)
	_ server.SessionWithSubscriptionFilter = (*stream)(nil)
)

// sessions counts the sessions of this process. A session ID has to be unique
// on one server only, so a number will do.
var sessions atomic.Int64

// session is what the server knows of the client at the other end.
type session struct {
	id            string
	notifications chan mcp.JSONRPCNotification // never closed: the server may still send
	initialized   atomic.Bool

	mu           sync.Mutex // guards the fields below
	info         mcp.Implementation
	capabilities mcp.ClientCapabilities
	version      string // what initialize agreed on; "" in the 2026-07-28 era
	streams      map[*stream]mcp.SubscriptionFilter
}

func newSession() *session {
	return &session{
		id:            fmt.Sprintf("stdio-%d", sessions.Add(1)),
		notifications: make(chan mcp.JSONRPCNotification, maxNotifications),
		streams:       make(map[*stream]mcp.SubscriptionFilter),
	}
}

func (s *session) SessionID() string                                   { return s.id }
func (s *session) NotificationChannel() chan<- mcp.JSONRPCNotification { return s.notifications }
func (s *session) Initialize()                                         { s.initialized.Store(true) }
func (s *session) Initialized() bool                                   { return s.initialized.Load() }

func (s *session) GetClientInfo() mcp.Implementation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.info
}

func (s *session) SetClientInfo(info mcp.Implementation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.info = info
}

func (s *session) GetClientCapabilities() mcp.ClientCapabilities {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.capabilities
}

func (s *session) SetClientCapabilities(capabilities mcp.ClientCapabilities) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.capabilities = capabilities
}

func (s *session) ProtocolVersion() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// SetProtocolVersion is what mcp-go calls after the initialize handshake, and
// only then.
func (s *session) SetProtocolVersion(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = version
}

// SetSubscriptionFilter does nothing: a subscriptions/listen request is served
// with its stream as the session, so the filter arrives there.
func (s *session) SetSubscriptionFilter(mcp.SubscriptionFilter) {}

// SubscriptionFilter returns what any open stream asks for. Broadcasts are opt-in
// (active) for a client that opened a stream and for every client that did
// without the handshake: 2026-07-28 forbids what was not asked for.
func (s *session) SubscriptionFilter() (union mcp.SubscriptionFilter, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.streams {
		union.ToolsListChanged = union.ToolsListChanged || f.ToolsListChanged
		union.PromptsListChanged = union.PromptsListChanged || f.PromptsListChanged
		union.ResourcesListChanged = union.ResourcesListChanged || f.ResourcesListChanged
	}
	return union, len(s.streams) > 0 || s.version == ""
}

// addressed returns what to write for n: n itself, or for a notification that
// streams ask for one copy for each that did, marked with the id of the stream as
// 2026-07-28 requires. Who sends updates of a resource knows that the client, or a
// stream of it, has subscribed.
func (s *session) addressed(n mcp.JSONRPCNotification) []mcp.JSONRPCNotification {
	var wanted func(mcp.SubscriptionFilter) bool
	switch n.Method {
	case mcp.MethodNotificationToolsListChanged:
		wanted = func(f mcp.SubscriptionFilter) bool { return f.ToolsListChanged }
	case mcp.MethodNotificationPromptsListChanged:
		wanted = func(f mcp.SubscriptionFilter) bool { return f.PromptsListChanged }
	case mcp.MethodNotificationResourcesListChanged:
		wanted = func(f mcp.SubscriptionFilter) bool { return f.ResourcesListChanged }
	case mcp.MethodNotificationResourceUpdated:
		uri, _ := n.Params.AdditionalFields["uri"].(string)
		wanted = func(f mcp.SubscriptionFilter) bool { return slices.Contains(f.ResourceSubscriptions, uri) }
	default:
		return []mcp.JSONRPCNotification{n}
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.streams) == 0 && s.version != "" {
		return []mcp.JSONRPCNotification{n}
	}
	var copies []mcp.JSONRPCNotification
	for st, f := range s.streams {
		if !wanted(f) {
			continue
		}
		// A broadcast shares n's maps with every other session: write to a copy.
		meta := maps.Clone(n.Params.Meta)
		if meta == nil {
			meta = make(map[string]any)
		}
		meta[mcp.MetaKeySubscriptionID] = st.id
		marked := n
		marked.Params.Meta = meta
		copies = append(copies, marked)
	}
	return copies
}

// stream is the session as one subscriptions/listen request sees it. It is a
// type of its own because mcp-go hands over the filter without the id.
type stream struct {
	*session
	id mcp.RequestId
}

// SetSubscriptionFilter opens the stream, or closes it with the zero filter.
func (st *stream) SetSubscriptionFilter(filter mcp.SubscriptionFilter) {
	st.session.mu.Lock()
	defer st.session.mu.Unlock()
	if filter.IsEmpty() {
		delete(st.streams, st)
		return
	}
	st.streams[st] = filter
}
