package members

import (
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/huskies/huskies-mcp/crdt"
)

// Story is the reserved story whose ops are about members.
const Story = "huskies.members"

const (
	// MaxName bounds what people call a member, in bytes: as much as an agent's name.
	MaxName = 128
	// maxTransport bounds a transport key: an nkey has 56 characters.
	maxTransport = 64
	// MaxHeads bounds the heads that one removal names: more than that an author has only if copies of its
	// database went on apart. They fill three quarters of an op.
	MaxHeads = 1000
)

// Change adds an author or removes it. In an op it is a register, whose field names the author. The
// value of an adding one is the role, the transport key or "-", and the name; of a removing one it is
// the heads. Keys and op IDs are base64url (RFC 4648, section 5) without padding.
type Change struct {
	Author crdt.Author
	// Remove says that the author is no member any more. Heads are then what still counts of it.
	Remove bool
	Heads  []crdt.OpID
	// Admin says that the author may add and remove others.
	Admin bool
	// Transport is the public nkey with which the author connects to the hub. An author without one
	// cannot connect.
	Transport string
	// Name is what people call the member. It decides nothing.
	Name string
}

const (
	addField    = "add."
	removeField = "remove."

	roleAdmin  = "admin"
	roleMember = "member"
)

// maxFit bounds what the changes of one op take, in bytes: less than [crdt.MaxPayload], with room for the rest of
// the op.
const maxFit = 60 << 10

// Fit returns how many of the changes fit into one op, at least one if there is any.
func Fit(changes []Change) (n int) {
	size := 0
	for n < len(changes) && n < crdt.MaxEdits {
		const perHead = 44
		size += 2*maxTransport + MaxName + perHead*len(changes[n].Heads)
		if n > 0 && size > maxFit {
			break
		}
		n++
	}
	return n
}

var encoding = base64.RawURLEncoding.Strict()

// Edit returns the edit that says the change.
func (c *Change) Edit() crdt.Edit {
	author := encoding.EncodeToString(c.Author[:])
	if c.Remove {
		heads := make([]string, len(c.Heads))
		for i, id := range c.Heads {
			heads[i] = encoding.EncodeToString(id[:])
		}
		return crdt.Set(removeField+author, crdt.String(strings.Join(heads, " ")))
	}
	role, transport := roleMember, "-"
	if c.Admin {
		role = roleAdmin
	}
	if c.Transport != "" {
		transport = c.Transport
	}
	return crdt.Set(addField+author, crdt.String(role+" "+transport+" "+c.Name))
}

// Changes returns what an op says about members. Edits that this build cannot read are left out.
func Changes(op *crdt.Op) (changes []Change) {
	if op.Story != Story {
		return nil
	}
	for i := range op.Edits {
		e := &op.Edits[i]
		if e.Kind != crdt.KindSet || e.Value.Type() != crdt.TypeString {
			continue
		}
		if c, ok := parse(e.Field, e.Value.Str()); ok {
			changes = append(changes, c)
		}
	}
	return changes
}

func parse(field, value string) (c Change, ok bool) {
	author, adds := strings.CutPrefix(field, addField)
	if !adds {
		if author, c.Remove = strings.CutPrefix(field, removeField); !c.Remove {
			return c, false
		}
	}
	if !decode(c.Author[:], author) || !c.Author.Valid() {
		return c, false
	}
	if c.Remove {
		c.Heads, ok = parseHeads(value)
		return c, ok
	}
	role, rest, _ := strings.Cut(value, " ")
	transport, name, _ := strings.Cut(rest, " ")
	if c.Admin = role == roleAdmin; !c.Admin && role != roleMember {
		return c, false
	}
	if transport != "-" && len(transport) <= maxTransport {
		c.Transport = transport
	}
	if len(name) <= MaxName && utf8.ValidString(name) {
		c.Name = name
	}
	return c, true
}

func parseHeads(value string) (heads []crdt.OpID, ok bool) {
	for text := range strings.FieldsSeq(value) {
		var id crdt.OpID
		if !decode(id[:], text) || len(heads) == MaxHeads {
			return nil, false
		}
		heads = append(heads, id)
	}
	crdt.SortOpIDs(heads)
	return slices.Compact(heads), true
}

// decode fills to with what the text encodes, and reports whether it is exactly that.
func decode(to []byte, text string) bool {
	b, err := encoding.DecodeString(text)
	return err == nil && len(b) == len(to) && copy(to, b) == len(to)
}
