package hive

import "testing"

// The vectors are those published with the algorithm's reference implementations.
func TestMarvin(t *testing.T) {
	for _, c := range []struct {
		in   string
		want uint64
	}{
		{"", 0x30ED35C100CD3C7D},
		{"\xaf", 0x48E73FC77D75DDC1},
		{"\xe7\x0f", 0xB5F6E1FC485DBFF8},
		{"\x37\xf4\x95", 0xF0B07C789B8CF7E8},
	} {
		if got := marvinSeed(0x004FB61A001BDBCC, []byte(c.in)); got != c.want {
			t.Errorf("marvin(%q) = %#x, want %#x", c.in, got, c.want)
		}
	}
}
