package main

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fault is something that goes wrong. It returns when what comes next may.
type fault struct {
	name string
	do   func(*chaos, *chaosMachine)
	// often is how often it comes beside others.
	often int
	// restarts says that the hub begins anew, so no story is reserved for some seconds.
	restarts bool
}

var faults = []fault{
	{"cut the link", func(_ *chaos, c *chaosMachine) { c.cut() }, 4, false},
	{"silence the link", func(_ *chaos, c *chaosMachine) { c.silence() }, 2, false},
	{"mend the link", func(_ *chaos, c *chaosMachine) { c.mend() }, 5, false},
	{"kill a process", (*chaos).killProcess, 3, false},
	{"kill a machine", (*chaos).killMachine, 1, false},
	{"roll a machine back", (*chaos).rollBack, 2, false},
	{"copy a machine", (*chaos).copyMachine, 1, false},
	{"delete messages", (*chaos).deleteMessages, 1, false},
	{"hang the hub", (*chaos).hangHub, 1, false},
	{"kill the hub", func(ch *chaos, _ *chaosMachine) { ch.restartHub(syscall.SIGKILL, nil) }, 1, true},
	{"stop the hub", func(ch *chaos, _ *chaosMachine) { ch.restartHub(syscall.SIGTERM, nil) }, 1, true},
	{"lose the hub's store", func(ch *chaos, _ *chaosMachine) { ch.restartHub(syscall.SIGKILL, ch.loseStore) }, 1, true},
	{"put an old store back", func(ch *chaos, _ *chaosMachine) { ch.restartHub(syscall.SIGKILL, ch.putStoreBack) }, 1, true},
}

// betweenRestarts is how long a hub runs at least: for five seconds after its beginning nobody reserves a story.
const betweenRestarts = 9 * time.Second

// drawFault returns what goes wrong next.
func (ch *chaos) drawFault() *fault {
	calm := time.Since(ch.began) < betweenRestarts
	for {
		all := 0
		for i := range faults {
			all += faults[i].often
		}
		n := ch.random.IntN(all)
		for i := range faults {
			if n -= faults[i].often; n < 0 {
				if faults[i].restarts && calm {
					break
				}
				return &faults[i]
			}
		}
	}
}

func (ch *chaos) upTo(d time.Duration) time.Duration {
	return time.Duration(ch.random.Int64N(int64(d)))
}

func (ch *chaos) killProcess(c *chaosMachine) {
	c.kill(ch.random.IntN(processesEach))
	time.Sleep(ch.upTo(300 * time.Millisecond))
	c.start()
	c.comeBack()
}

// killMachine kills all processes of a machine. Sometimes its database is saved, for later.
func (ch *chaos) killMachine(c *chaosMachine) {
	c.crash()
	if ch.random.IntN(2) == 0 {
		c.save()
	}
	time.Sleep(ch.upTo(time.Second))
	c.start()
	c.comeBack()
}

// rollBack puts a machine back to what was saved of it. What it alone had is lost then.
func (ch *chaos) rollBack(c *chaosMachine) {
	c.crash()
	if c.saved == "" {
		c.save()
	} else {
		ch.noteLoss(c)
		c.rollBack()
	}
	c.start()
	c.comeBack()
}

// copyMachine starts a machine on a copy of another's database. It is joined to nothing, and asks anew. It does so once.
func (ch *chaos) copyMachine(c *chaosMachine) {
	if len(ch.machines) > ch.first {
		return
	}
	d := &chaosMachine{machine: newMachine(ch.t), link: newLink(ch.t, ch.h.address, newWire(ch.t))}
	d.close()
	c.crash()
	c.copyTo(d.path)
	c.start()
	c.comeBack()
	d.open()
	d.write("0_story_of_a_copy")
	ch.journal.acknowledge(d.story("0_story_of_a_copy").Rev.Short())
	if hub, _, err := d.replica.Hub(ch.t.Context()); err != nil || hub != nil {
		ch.t.Errorf("a copied database is joined to %v, error %v", hub, err)
	}
	d.joinBy(ch.h)
	d.start()
	ch.t.Cleanup(d.crash)
	ch.machines = append(ch.machines, d)
}

// betweenDeletions is how long the hub loses no messages at least, also before the end: what a machine misses it may ask for
// once a minute.
const betweenDeletions = 45 * time.Second

// deleteMessages deletes messages of the hub's stream.
func (ch *chaos) deleteMessages(*chaosMachine) {
	if time.Since(ch.deleted) < betweenDeletions || time.Until(ch.end) < betweenDeletions {
		return
	}
	ch.deleted = time.Now()
	had, has := ch.h.deleteMessages(int64(1 + ch.random.IntN(200)))
	ch.t.Logf("%d of %d messages are left", has, had)
}

// hangHub stops the hub without ending it. What machines asked meanwhile it does later.
func (ch *chaos) hangHub(*chaosMachine) {
	for _, c := range ch.machines {
		c.leave()
	}
	ch.h.hang()
	time.Sleep(time.Second + ch.upTo(4*time.Second))
	ch.h.goOn()
	for _, c := range ch.machines {
		c.comeBack()
	}
}

// restartHub ends the hub, changes its folder, and starts it again.
func (ch *chaos) restartHub(by os.Signal, change func()) {
	reset := span{from: time.Now()}
	_ = ch.h.process.Process.Signal(by)
	_ = ch.h.process.Wait()
	ch.h.kill() // it knows that it has ended
	if old := ch.h.copyStore(ch.t); ch.random.IntN(2) == 0 {
		ch.stores = append(ch.stores, old)
	}
	if change != nil {
		change()
	}
	ch.h.start()
	ch.began = time.Now()
	if change != nil {
		reset.to = ch.began.Add(comesBackWithin)
		ch.journal.resets = append(ch.journal.resets, reset)
	}
}

func (ch *chaos) loseStore() { ch.h.put(ch.t, "") }

// putStoreBack puts a copy of the store in its place that was made at an earlier end of the hub.
func (ch *chaos) putStoreBack() {
	if len(ch.stores) == 0 {
		return
	}
	old := filepath.Join(ch.t.TempDir(), "store")
	if err := os.CopyFS(old, os.DirFS(ch.stores[ch.random.IntN(len(ch.stores))])); err != nil {
		ch.t.Fatal(err)
	}
	ch.h.put(ch.t, old)
}
