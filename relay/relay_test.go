package relay

import (
	"strings"
	"testing"

	"github.com/huskies/huskies-mcp/crdt"
)

func TestInvitations(t *testing.T) {
	in := Invitation{
		Address: "hub.example.org:4222", Pipeline: "abcdefghijkl2", Token: "abc", Secret: "def",
		Root: crdt.Author{0x3b, 0x6a, 0x27, 0xbc, 0xce, 0xb6, 0xa4, 0x2d, 0x62, 0xa3, 0xa8, 0xd0, 0x2a, 0x6f, 0x0d, 0x73, 0x65, 0x32, 0x15, 0x77, 0x1d, 0xe2, 0x43, 0xa6, 0x3a, 0xc0, 0x48, 0xa1, 0x8b, 0x59, 0xda, 0x29},
	}
	in.CA[3] = 7
	text := in.String()
	got, err := ParseInvitation(" " + text + "\n")
	if err != nil || *got != in {
		t.Fatalf("read %+v, error %v, want %+v", got, err, in)
	}
	several := in
	several.Address = "a.example.org:4222,b.example.org:4222,[::1]:4333"
	if got, err := ParseInvitation(several.String()); err != nil || *got != several {
		t.Fatalf("read %+v, error %v, want %+v", got, err, several)
	}
	for _, change := range [][2]string{
		{"token=", "also=nowhere&token="},
		{"token=", "also=" + strings.Repeat("a:1,", maxAddresses) + "b:1&token="},
		{"huskies://", "https://"},
		{":4222", ""},
		{"abcdefghijkl2", "abc"},
		{"ca=00", "ca=zz"},
		{"root=3b", "root="},
		{"token=abc.def", "token=abc"},
		{"hub.example.org", "hub example%zz"},
	} {
		wrong := strings.Replace(text, change[0], change[1], 1)
		if _, err := ParseInvitation(wrong); err == nil {
			t.Errorf("ParseInvitation(%q) reports no error", wrong)
		} else if strings.Contains(err.Error(), "def") {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

// TestDiscovered: what a hub says of where it is reached is added, unless it is no address.
func TestDiscovered(t *testing.T) {
	for _, test := range []struct {
		address string
		urls    []string
		want    string
	}{
		{"a:1", nil, "a:1"},
		{"a:1", []string{"tls://b:2", "nats://a:1", "tls://[::1]:3"}, "a:1,b:2,[::1]:3"},
		{"a:1", []string{"tls://b", "tls://b:2,c:3,", "", "tls://" + strings.Repeat("x", 300) + ":1"}, "a:1"},
		{"a:1,b:1,c:1,d:1,e:1,f:1,g:1", []string{"tls://h:1", "tls://i:1"}, "a:1,b:1,c:1,d:1,e:1,f:1,g:1,h:1"},
	} {
		if got := withDiscovered(test.address, test.urls); got != test.want || !areAddresses(got) {
			t.Errorf("%s with %q: %s, want %s", test.address, test.urls, got, test.want)
		}
	}
}

// TestNoncesAlone: a false hub may ask for a signature of what is no nonce.
func TestNoncesAlone(t *testing.T) {
	key, err := newTransportKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := key.sign([]byte("abcDEF_0123-xyz")); err != nil {
		t.Errorf("a nonce: %v", err)
	}
	for _, nonce := range []string{"", "short", "huskies-op-v1\n" + strings.Repeat("x", 32), strings.Repeat("a", 65), "with space", "with/slash"} {
		if _, err := key.sign([]byte(nonce)); err == nil {
			t.Errorf("signs %q", nonce)
		}
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte("short"))
	f.Add(make([]byte, 200))
	f.Fuzz(func(t *testing.T, data []byte) {
		op, err := ReadMessage(data)
		if err != nil {
			return
		}
		again, err := ReadMessage(NewMessage("a", "b", &op).Data)
		if err != nil || again.ID != op.ID || again.Signature != op.Signature {
			t.Errorf("read again: %v, error %v", again.ID, err)
		}
	})
}
