package doctor

import (
	"runtime"
	"testing"
)

// TestDisks: what cannot be mounted here.
func TestDisks(t *testing.T) {
	for _, c := range []struct {
		free int64
		want Level
	}{
		{scarceSpace, ""},
		{scarceSpace - 1, "note"},
		{noSpace, "note"},
		{noSpace - 1, "wrong"},
		{0, "wrong"},
	} {
		e := &examination{}
		e.checkSpace(c.free)
		got := Level("")
		for _, f := range e.findings {
			got += f.Level
		}
		if got != c.want {
			t.Errorf("%d bytes free: got %q, want %q", c.free, got, c.want)
		}
	}
	if runtime.GOOS == "linux" {
		for kind, want := range map[uint32]string{0x6969: "NFS", 0xfe534d42: "SMB", 0xef53: "" /* ext4 */, 0x01021994: "" /* tmpfs */} {
			if got := fileSystems[kind]; got != want {
				t.Errorf("file system %#x: got %q, want %q", kind, got, want)
			}
		}
		if disk, ok := diskOf(t.TempDir()); !ok || disk.kind == 0 || disk.free == 0 {
			t.Errorf("got %+v, %t", disk, ok)
		}
	}
}
