package mirror

import (
	"bytes"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
)

// manifestName is the name of the manifest in the folder.
const manifestName = ".huskies-mirror"

// manifestHead explains the manifest to people. sha256sum passes over comments.
const manifestHead = "# Files that huskies-mcp mirror wrote. Edits of them are ignored.\n"

// manifest holds the hashes of the files that the mirror wrote, by their names. While files change a
// name has the old hash and the new one.
type manifest map[string][]hash

// parseManifest reads a manifest. Lines that have another form or name other files are passed over.
func parseManifest(text []byte) manifest {
	m := manifest{}
	for row := range bytes.Lines(text) {
		digits, name, ok := strings.Cut(strings.TrimRight(string(row), "\r\n"), "  ")
		var h hash
		if !ok || !isName(name) || len(digits) != hex.EncodedLen(len(h)) {
			continue
		}
		if _, err := hex.Decode(h[:], []byte(digits)); err == nil {
			m.add(name, h)
		}
	}
	return m
}

// text returns the manifest as its file has it.
func (m manifest) text() []byte {
	var b strings.Builder
	b.WriteString(manifestHead)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, h := range m[name] {
			b.WriteString(hex.EncodeToString(h[:]) + "  " + name + "\n")
		}
	}
	return []byte(b.String())
}

func (m manifest) add(name string, h hash) {
	if !m.has(name, h) {
		m[name] = append(m[name], h)
	}
}

func (m manifest) has(name string, h hash) bool { return slices.Contains(m[name], h) }
