package tools

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"

	"github.com/huskies/huskies-mcp/internal/hosts"
)

// maxClientName bounds the part of a session's name that the client gives.
const maxClientName = 32

// SessionName returns the name of a session whose client has the given name: the same one whenever
// the host gives the same ID.
func SessionName(client, id string) string {
	client = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, client)
	client = strings.Trim(client[:min(len(client), maxClientName)], "-")
	sum := sha256.Sum256([]byte(id))
	return cmp.Or(client, "agent") + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:4])
}

// nameOf returns the session's name. The first call fixes the name, since only then it is known
// who calls: a host may try a server out and throw it away.
func (s *service) nameOf(ctx context.Context, meta *mcp.Meta) string {
	s.naming.Do(func() {
		s.name = s.agent
		if s.name != "" {
			return
		}
		client := ""
		if session, ok := server.ClientSessionFromContext(ctx).(server.SessionWithClientInfo); ok {
			client = session.GetClientInfo().Name
		}
		if info := meta.ClientInfo(); client == "" && info != nil { // 2026-07-28 has no handshake
			client = info.Name
		}
		told := ""
		if meta != nil {
			told = hosts.SessionOfCall(client, meta.AdditionalFields)
		}
		s.name = SessionName(client, cmp.Or(s.hostSession, told, s.session.ID()))
	})
	return s.name
}
