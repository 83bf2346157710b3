package relay

import (
	"net/url"
	"slices"
	"strings"
)

// A hub's address is host:port. Hubs that stand in for each other have several, parted by commas.

// maxAddresses bounds the addresses of a hub: three hubs, and names that they had.
const maxAddresses = 8

// areAddresses reports whether the text is one host:port or several.
func areAddresses(text string) bool {
	all := strings.Split(text, ",")
	return len(all) <= maxAddresses && !slices.ContainsFunc(all, func(address string) bool {
		u := url.URL{Host: address}
		return u.Hostname() == "" || u.Port() == "" || len(address) > maxAddress
	})
}

// maxAddress bounds a host:port: a name in the DNS has up to 253 bytes.
const maxAddress = 260

// withDiscovered adds to the addresses of a hub those that it names, as URLs.
func withDiscovered(address string, urls []string) string {
	all := strings.Split(address, ",")
	for _, u := range urls {
		_, found, _ := strings.Cut(u, "://")
		if !slices.Contains(all, found) && !strings.Contains(found, ",") && areAddresses(found) && len(all) < maxAddresses {
			all = append(all, found)
		}
	}
	return strings.Join(all, ",")
}

// hasAddresses reports whether all of the addresses in some are known.
func hasAddresses(known, some string) bool {
	all := strings.Split(known, ",")
	return !slices.ContainsFunc(strings.Split(some, ","), func(address string) bool { return !slices.Contains(all, address) })
}

// urlsOf returns what nats.go connects to.
func urlsOf(address string) string { return "tls://" + strings.ReplaceAll(address, ",", ",tls://") }
