package main

import (
	"os/exec"
	"testing"
)

// TestReadOnlyDisk: a disk that is mounted read-only is called that, and HUSKIES_READ_ONLY=1 reads
// a pipeline there, unless what was written last stands in the write-ahead log alone.
func TestReadOnlyDisk(t *testing.T) {
	if err := exec.Command("unshare", "--mount", "mount", "-t", "tmpfs", "none", t.TempDir()).Run(); err != nil {
		t.Skip("no file system can be mounted here: ", err)
	}
	cmd := exec.Command("unshare", "--mount", "sh", "-euc", readOnlyDiskScript)
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

const readOnlyDiskScript = `
fails() { # TEXT COMMAND...: the command fails and says the text
	text=$1; shift
	if out=$("$@" 2>&1); then echo "$* succeeded: $out"; exit 1; fi
	case $out in *"$text"*) ;; *) echo "$* says: $out"; exit 1;; esac
}
mkdir disk
mount -t tmpfs none disk
huskies-mcp --db disk/x.db call write_item '{"story_id":"1_story","stage":"1_backlog"}' >/dev/null
huskies-mcp --db disk/x.db backup disk/backup.db >/dev/null
mkdir disk/left disk/none
cp disk/x.db disk/left/x.db
head -c 5000 /dev/urandom >disk/left/x.db-wal
mkdir disk/without
cp disk/x.db disk/without/x.db
mount -o remount,ro disk

fails 'read-only file system' huskies-mcp --db disk/x.db call list_items
fails 'To read the pipeline, set HUSKIES_READ_ONLY=1 for the command or server' huskies-mcp --db disk/x.db log
fails 'read-only file system' huskies-mcp --db disk/x.db call write_item '{"story_id":"2_story","stage":"1_backlog"}'
fails 'read-only file system' huskies-mcp --db disk/without/x.db call write_item '{"story_id":"2_story","stage":"1_backlog"}'
fails 'read-only file system' huskies-mcp --db disk/.huskies/x.db call write_item '{"story_id":"2_story","stage":"1_backlog"}'
fails '1 thing is wrong' huskies-mcp --db disk/x.db doctor
fails 'is on a disk that is mounted read-only' huskies-mcp --db disk/x.db doctor
fails 'to read the pipeline, set HUSKIES_READ_ONLY=1 for the command or server' huskies-mcp --db disk/x.db doctor
fails 'none can be created: ' sh -c 'cd disk/none && huskies-mcp doctor'
fails '1 thing is wrong' sh -c 'cd disk/none && huskies-mcp doctor'
fails 'copy the database with its -wal file' huskies-mcp --db disk/left/x.db call --read-only list_items

huskies-mcp --db disk/x.db call --read-only list_items | grep -q 1_story
HUSKIES_READ_ONLY=1 huskies-mcp --db disk/x.db list | grep -q 1_story
HUSKIES_READ_ONLY=1 huskies-mcp --db disk/x.db log | grep -q 1_story
HUSKIES_READ_ONLY=1 huskies-mcp --db disk/x.db heads >/dev/null
huskies-mcp --db disk/x.db verify >/dev/null
huskies-mcp --db disk/x.db backup copy.db >/dev/null
huskies-mcp --db disk/x.db export --salvage all.bundle >/dev/null
huskies-mcp --db new.db import --create --keys-from disk/x.db all.bundle >/dev/null
huskies-mcp --db copy.db call list_items | grep -q 1_story
huskies-mcp --db disk/backup.db call list_items | grep -q 1_story
`
