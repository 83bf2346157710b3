package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/huskies/huskies-mcp/internal/vfstest"
	"github.com/huskies/huskies-mcp/relay"
)

// TestPowerLoss shows that what a hub has acknowledged survives a power cut at any later moment. What a hub does to its
// files is recorded once, while it stores ops and reservations. Then the power fails at steps of the recording, and what may be on
// the disk at that moment is opened as after a restart. HUSKIES_POWER=all tries each step.
//
// The control shows that the test can fail: with NATS's own setting, which syncs every two minutes, ops are lost.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	for _, test := range []struct {
		name, sync string
		loses      bool
	}{
		{"as configured", "always", false},
		{"control", "default", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := folder(filepath.Join(t.TempDir(), "hub"))
			command(t, "init", string(d), "--max-bytes", "1048576")
			tr := &trace{folder: d.path("store"), names: map[string]int{}, sizes: map[int]int64{}, notes: d.path("notes")}
			for i := range 2 {
				tr.record(t, "recorded-hub", string(d), test.sync, fmt.Sprint(i))
			}
			tr.isWhole(t)
			points, lost := 0, 0
			tr.cut(t, func(c powerCut) bool {
				points++
				err := c.check(t, d)
				if err == nil {
					return true
				}
				if lost++; test.loses {
					t.Logf("power cut after step %d of %d: %v", c.step, len(tr.events), err)
				} else if lost <= 3 {
					t.Errorf("power cut after step %d of %d: %v", c.step, len(tr.events), err)
				}
				return !test.loses // that it loses is shown
			})
			t.Logf("%d steps, %d power cuts, wrong after %d", len(tr.events), points, lost)
			if test.loses && lost == 0 {
				t.Error("lost nothing: this test finds no losses")
			}
		})
	}
}

const (
	recordedOps    = 240 // in each session
	recordedClaims = 7   // stories
)

func init() { testCommands["recorded-hub"] = recordedHub }

// recordedHub is the process that is recorded: recorded-hub DIR always|default SESSION. It notes what it stores before it does, and
// what the hub has acknowledged.
func recordedHub() {
	if err := recordHub(folder(os.Args[1]), os.Args[2] == "default", os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "recorded-hub:", err)
		os.Exit(1)
	}
}

func recordHub(d folder, unsynced bool, session string) error {
	config, err := d.open()
	if err != nil {
		return err
	}
	notes, err := os.OpenFile(d.path("notes"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	options, err := d.options(config, "")
	if err != nil {
		return err
	}
	if unsynced {
		options.SyncAlways = false
	}
	e, err := d.startWith(options, config, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := makeStreams(ctx, e.conn, config); err != nil {
		return err
	}
	js, err := jetstream.New(e.conn)
	if err != nil {
		return err
	}
	for i := 0; i < recordedOps; {
		var futures []jetstream.PubAckFuture
		for range 1 + i%9 { // some at once, as a relay sends them
			name := fmt.Sprintf("op %s %d", session, i)
			fmt.Fprintln(notes, "begun", name)
			msg := nats.NewMsg(relay.OpSubject(config.Pipeline, "author", fmt.Sprint("replica", i%3)))
			msg.Data = recordedMessage(name, 100+i*37%2500)
			msg.Header.Set(nats.MsgIdHdr, name)
			future, err := js.PublishMsgAsync(msg)
			if err != nil {
				return err
			}
			futures = append(futures, future)
			i++
		}
		for _, future := range futures {
			select {
			case <-future.Ok():
				name, _, _ := bytes.Cut(future.Msg().Data, []byte("\n"))
				fmt.Fprintf(notes, "acknowledged %s\n", name)
			case err := <-future.Err():
				return err
			}
		}
		claim := fmt.Sprintf("claim %d %s.%04d", i%recordedClaims, session, i)
		fmt.Fprintln(notes, "begun", claim)
		if _, err := js.Publish(ctx, relay.ClaimSubject(config.Pipeline, fmt.Sprint(i%recordedClaims)), []byte(claim)); err != nil {
			return err
		}
		fmt.Fprintln(notes, "acknowledged", claim)
	}
	if session == "0" {
		e.stop(startTimeout) // the last session is killed
	}
	return nil
}

// recordedMessage is a message that begins with its name.
func recordedMessage(name string, size int) []byte {
	return append([]byte(name+"\n"), bytes.Repeat([]byte{byte('a' + size%26)}, size)...)
}

// powerCut is a moment at which the power fails, and what may be on the disk then.
type powerCut struct {
	step         int
	files        map[string][]byte
	begun        map[string]bool
	acknowledged map[string]bool
	claims       map[string]string // acknowledged, the last of each story
}

// cut cuts the power at some steps, twice at each: with nothing on the disk but what was synced, and with some of the
// rest.
func (tr *trace) cut(t *testing.T, fn func(powerCut) bool) {
	random := rand.New(rand.NewPCG(1, 2)) // fixed: a failure comes again
	every := max(1, len(tr.events)/12)
	if os.Getenv("HUSKIES_POWER") == "all" {
		every = 1
	}
	disk := vfstest.NewDisk(nil)
	c := powerCut{begun: map[string]bool{}, acknowledged: map[string]bool{}, claims: map[string]string{}}
	next := random.IntN(every)
	for i, e := range tr.events {
		if note, ok := e.Note.(string); ok {
			kind, name, _ := strings.Cut(note, " ")
			if c.begun[name] = true; kind == "acknowledged" {
				c.acknowledged[name] = true
				if story, value, ok := strings.Cut(strings.TrimPrefix(name, "claim "), " "); ok && strings.HasPrefix(name, "claim ") {
					c.claims[story] = value
				}
			}
		} else {
			disk.Do(e)
		}
		if i < next && i < len(tr.events)-1 {
			continue
		}
		next += 1 + random.IntN(2*every-1)
		c.step = i + 1
		for _, chance := range []float64{0, min(1, 1.3*random.Float64())} {
			c.files = disk.Survivors(random, chance)
			if !fn(c) {
				return
			}
		}
	}
}

// check starts a hub over what the power cut left, and says what is wrong with it.
func (c *powerCut) check(t *testing.T, d folder) error {
	store := d.path("store")
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	for name, data := range c.files {
		path := filepath.Join(store, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.startEngine(config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		return err
	}
	defer e.stop(startTimeout)
	if err := makeStreams(t.Context(), e.conn, config); err != nil {
		return err
	}
	js, err := jetstream.New(e.conn)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.checkOps(t.Context(), js, config); err != nil {
		return err
	}
	return c.checkClaims(t.Context(), js, config)
}

func (c *powerCut) checkOps(ctx context.Context, js jetstream.JetStream, config hubConfig) error {
	last, err := lastMessage(ctx, js, config.Pipeline)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	err = eachMessage(ctx, js, config.Pipeline, last, func(msg jetstream.Msg) error {
		text, _, _ := bytes.Cut(msg.Data(), []byte("\n"))
		name := string(text)
		if !c.begun[name] || !bytes.Equal(msg.Data(), recordedMessage(name, len(msg.Data())-len(text)-1)) {
			return fmt.Errorf("%.40q was never stored so", msg.Data())
		}
		there[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	for name := range c.acknowledged {
		if strings.HasPrefix(name, "op ") && !there[name] {
			return fmt.Errorf("%s was acknowledged and is lost, as are others: %d of %d are there", name, len(there), len(c.begun))
		}
	}
	return nil
}

// checkClaims: a story's last reservation is the one that was acknowledged last, or one that was begun after it.
func (c *powerCut) checkClaims(ctx context.Context, js jetstream.JetStream, config hubConfig) error {
	stream, err := js.Stream(ctx, relay.ClaimStreamName(config.Pipeline))
	if err != nil {
		return err
	}
	for story, want := range c.claims {
		msg, err := stream.GetLastMsgForSubject(ctx, relay.ClaimSubject(config.Pipeline, story))
		if err != nil {
			return fmt.Errorf("reservation of %s: %w", story, err)
		}
		got, ok := strings.CutPrefix(string(msg.Data), "claim "+story+" ")
		if !ok || got < want || !c.begun[string(msg.Data)] {
			return fmt.Errorf("reservation of %s is %q, want %s or a later one", story, msg.Data, want)
		}
	}
	return nil
}
