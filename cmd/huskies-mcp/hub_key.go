package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/huskies/huskies-mcp/crdt"
)

// seedFrom reads the seed of a key from an environment variable.
func seedFrom(getenv func(string) string, name string) ([]byte, error) {
	text := strings.TrimSpace(getenv(name))
	if text == "" {
		return nil, fmt.Errorf("--key-env: the variable %s is empty. Make a key with openssl rand -hex 32, and keep it as a secret", name)
	}
	seed, err := hex.DecodeString(text)
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("--key-env: the variable %s holds no key, which has %d hex digits", name, 2*ed25519.SeedSize) // what it holds may be a secret
	}
	return seed, nil
}

// checkSeed refuses a pipeline that has another key already.
func (env *environment) checkSeed(ctx context.Context, seed []byte) error {
	if seed == nil || !env.exists() {
		return nil
	}
	author, _, err := env.replica.Author(ctx)
	if err == nil && author != crdt.AuthorOf(ed25519.NewKeyFromSeed(seed)) {
		err = fmt.Errorf("the pipeline here has a key of its own, %s: --key-env is for a folder without a pipeline", author.Short())
	}
	return err
}
