package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/huskies/huskies-mcp/relay"
)

func setupCommand() *cobra.Command {
	var creds string
	var maxBytes int64
	var replicas int
	cmd := &cobra.Command{
		Use:   "setup URL",
		Short: "Make a pipeline's streams on a NATS server of your own, instead of a hub",
		Long: `Make a pipeline's streams on a NATS server of your own, with JetStream, and print how
machines join it. URL is nats://HOST:PORT or tls://HOST:PORT, several hosts parted by
commas. With /PIPELINE behind it, the streams of that pipeline are brought to this
build's settings; do that too after the server's store was put back to an earlier
state, since it tells machines to enter again what they hold.

The server must sync each message: jetstream { sync_interval: always }. A client
cannot see whether it does.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("give the URL of the NATS server: %s", cmd.UseLine())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return setup(cmd, args[0], creds, maxBytes, replicas)
		},
	}
	cmd.Flags().StringVar(&creds, "creds", "", "file with the credentials of a user that may make streams")
	cmd.Flags().Int64Var(&maxBytes, "max-bytes", defaultMaxBytes, "how much the stream of changes may take on disk, in bytes")
	cmd.Flags().IntVar(&replicas, "replicas", 1, "how many servers keep a copy: 1, or 3 of a cluster")
	return cmd
}

func setup(cmd *cobra.Command, url, creds string, maxBytes int64, replicas int) error {
	_, rest, _ := strings.Cut(url, "://")
	if url = strings.TrimSuffix(url, "/"); !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
		url += "/" + newPipelineID()
	}
	in, err := relay.ParseOwn(url, creds)
	if err != nil {
		return err
	}
	conn, err := relay.DialOwn(in.Address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if conn.MaxPayload() < relay.MaxMessage+4096 {
		return fmt.Errorf("the server takes messages of %d bytes, and ops need %d: set max_payload there", conn.MaxPayload(), relay.MaxMessage+4096)
	}
	config := hubConfig{Pipeline: in.Pipeline, MaxBytes: maxBytes}
	ops, claims := config.opStream(), config.claimStream()
	ops.Replicas, claims.Replicas = replicas, replicas
	if err := putStreams(cmd.Context(), conn, in.Pipeline, ops, claims); err != nil {
		return errors.Join(err, errors.New("see that JetStream is on there, and that these credentials may make streams"))
	}
	flags := ""
	if creds != "" {
		flags = "--creds FILE "
	}
	fmt.Fprintf(cmd.OutOrStdout(), `made the streams %s and %s
Join a machine:      huskies-mcp join %s%s
See that the server's configuration has jetstream { sync_interval: always }: a client cannot see it, and without
it a power loss takes what was acknowledged.
`, ops.Name, claims.Name, flags, url)
	return nil
}
