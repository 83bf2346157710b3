package calls

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
	_ server.SessionWithClientInfo         = (*peer)(nil)
	_ server.SessionWithProtocolVersion    = (*peer)(nil)
	_ server.SessionWithSubscriptionFilter = (*peer)(nil)
	_ server.SessionWithSubscriptionFilter = (*stream)(nil)
)

// sessions counts the sessions of this process. A session ID has to be unique on one server only, so a
// number will do.
var sessions atomic.Int64

// peer is what the server knows of the client at the other end.
type peer struct {
	id            string
	notifications chan mcp.JSONRPCNotification // never closed, since the server may still send
	initialized   atomic.Bool

	mu           sync.Mutex // guards the fields below
	info         mcp.Implementation
	capabilities mcp.ClientCapabilities
	version      string // what initialize agreed on; "" in the 2026-07-28 era
	streams      map[*stream]mcp.SubscriptionFilter
}

func newPeer() *peer {
	return &peer{
		id:            fmt.Sprintf("session-%d", sessions.Add(1)),
		notifications: make(chan mcp.JSONRPCNotification, maxNotifications),
		streams:       make(map[*stream]mcp.SubscriptionFilter),
	}
}

func (p *peer) SessionID() string                                   { return p.id }
func (p *peer) NotificationChannel() chan<- mcp.JSONRPCNotification { return p.notifications }
func (p *peer) Initialize()                                         { p.initialized.Store(true) }
func (p *peer) Initialized() bool                                   { return p.initialized.Load() }

func (p *peer) GetClientInfo() mcp.Implementation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.info
}

func (p *peer) SetClientInfo(info mcp.Implementation) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.info = info
}

func (p *peer) GetClientCapabilities() mcp.ClientCapabilities {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.capabilities
}

func (p *peer) SetClientCapabilities(capabilities mcp.ClientCapabilities) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.capabilities = capabilities
}

func (p *peer) ProtocolVersion() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.version
}

// SetProtocolVersion is called by mcp-go after the initialize handshake, and only then.
func (p *peer) SetProtocolVersion(version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.version = version
}

// SetSubscriptionFilter does nothing. A subscriptions/listen request is served with its stream as the
// session, so the filter arrives at the stream.
func (p *peer) SetSubscriptionFilter(mcp.SubscriptionFilter) {}

// SubscriptionFilter returns what any open stream asks for. Broadcasts are opt-in (active) for a client
// that opened a stream and for every client that did without the handshake, because 2026-07-28 forbids
// what was not asked for.
func (p *peer) SubscriptionFilter() (union mcp.SubscriptionFilter, active bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.streams {
		union.ToolsListChanged = union.ToolsListChanged || f.ToolsListChanged
		union.PromptsListChanged = union.PromptsListChanged || f.PromptsListChanged
		union.ResourcesListChanged = union.ResourcesListChanged || f.ResourcesListChanged
	}
	return union, len(p.streams) > 0 || p.version == ""
}

// addressed returns what to write for n. A notification that streams ask for is copied for each stream
// that did, and marked with the id of the stream as 2026-07-28 requires. Every other notification is
// written as it is. An update of a resource is sent only when the client, or a stream, has subscribed.
func (p *peer) addressed(n mcp.JSONRPCNotification) []mcp.JSONRPCNotification {
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

	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.streams) == 0 && p.version != "" {
		return []mcp.JSONRPCNotification{n}
	}
	var copies []mcp.JSONRPCNotification
	for st, f := range p.streams {
		if !wanted(f) {
			continue
		}
		// A broadcast shares n's maps with every other session, so the mark goes into a copy.
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

// stream is the peer as one subscriptions/listen request sees it. mcp-go hands over the filter without
// the id of the request, and so each stream is a session to mcp-go.
type stream struct {
	*peer
	id mcp.RequestId
}

// SetSubscriptionFilter opens the stream, or closes it with the zero filter.
func (st *stream) SetSubscriptionFilter(filter mcp.SubscriptionFilter) {
	st.peer.mu.Lock()
	defer st.peer.mu.Unlock()
	if filter.IsEmpty() {
		delete(st.streams, st)
		return
	}
	st.streams[st] = filter
}
