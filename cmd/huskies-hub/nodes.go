package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// hubNode is one of several hubs that stand in for each other.
type hubNode struct {
	// Address is where machines reach it, HOST:PORT.
	Address string `json:"address"`
	// Route is where the other nodes reach it, HOST:PORT.
	Route string `json:"route"`
}

const (
	// wantedNodes is how many stand in for each other: one may fail.
	wantedNodes = 3
	// routeOffset is how far above the port for machines the one for nodes is: 4222 and 6222, as NATS has them.
	routeOffset = 2000
)

// parseNodes reads HOST:PORT or HOST:PORT/PORT of each node.
func parseNodes(texts []string) (nodes []hubNode, err error) {
	if len(texts) != wantedNodes {
		return nil, fmt.Errorf("--nodes names %d hubs, and must name %d: with two none may fail, and more than three are no safer against one that does", len(texts), wantedNodes)
	}
	for _, text := range texts {
		address, route, given := strings.Cut(text, "/")
		host, port, err := hostAndPort(address)
		if err != nil || host == "" {
			return nil, fmt.Errorf("--nodes: %q is not HOST:PORT or HOST:PORT/PORT", text)
		}
		if !given {
			route = strconv.Itoa(port + routeOffset)
		}
		if r, err := strconv.Atoi(route); err != nil || r < 1 || r > 65535 {
			return nil, fmt.Errorf("--nodes: %q has no port %s for the other hubs: give one with HOST:PORT/PORT", text, route)
		}
		nodes = append(nodes, hubNode{Address: address, Route: net.JoinHostPort(host, route)})
	}
	return nodes, nil
}

// listOf prints nodes with their numbers.
func listOf(nodes []hubNode) string {
	var b strings.Builder
	for i, n := range nodes {
		fmt.Fprintf(&b, " %d is %s", i+1, n.Address)
	}
	return b.String()
}

// addresses are where machines reach the nodes, this one first.
func (c *hubConfig) addresses() string {
	own := c.Nodes[c.Node-1].Address
	all := []string{own}
	for _, n := range c.Nodes {
		if n.Address != own {
			all = append(all, n.Address)
		}
	}
	return strings.Join(all, ",")
}

// listens is where a hub listens unless it is told otherwise.
func (c *hubConfig) listens() string {
	if len(c.Nodes) > 0 {
		if _, port, err := net.SplitHostPort(c.Nodes[c.Node-1].Address); err == nil {
			return ":" + port
		}
	}
	return ":4222"
}

// replicas is how many copies of the streams there are.
func (c *hubConfig) replicas() int { return max(1, len(c.Nodes)) }

// joinNodes makes the options those of a node. Nodes know each other by the certificate that signs theirs: who has its key
// has the hub.
func (d folder) joinNodes(options *server.Options, config hubConfig) error {
	ca, _, err := d.ca()
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	own := config.Nodes[config.Node-1]
	host, port, err := hostAndPort(own.Route)
	if err != nil {
		return fmt.Errorf("hub.json: the route %w", err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		host = "" // all interfaces: a name may be of one that others see
	}
	options.NoSystemAccount = false // what nodes tell each other
	options.ServerName = fmt.Sprintf("%s-%d", serverName, config.Node)
	options.ClientAdvertise = own.Address
	options.Cluster = server.ClusterOpts{
		Name: config.Pipeline, Host: host, Port: port, Advertise: own.Route, TLSTimeout: 5, AuthTimeout: 10,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: options.TLSConfig.Certificates,
			RootCAs: roots, ServerName: serverName, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert,
		},
	}
	for i, n := range config.Nodes {
		if i+1 != config.Node {
			options.Routes = append(options.Routes, &url.URL{Scheme: "nats-route", Host: n.Route})
		}
	}
	return nil
}
