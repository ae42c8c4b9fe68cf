package ldapsync_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestSID(t *testing.T) {
	for wire, text := range map[string]string{
		"0105000000000005150000008d03c80cdeb13dec7418bc495f2b0000": "S-1-5-21-214434701-3963466206-1237063796-11103",
		"010100000000000512000000":                                 "S-1-5-18",
		"01020000000000052000000020020000":                         "S-1-5-32-544",
		"0100000000000005":                                         "S-1-5",
		"0101ffffffffffff01000000":                                 "S-1-0xFFFFFFFFFFFF-1",
		"010f000000000001" + strings.Repeat("ffffffff", 15):        "S-1-1" + strings.Repeat("-4294967295", 15),
	} {
		raw, err := hex.DecodeString(wire)
		require.NoError(t, err)
		s, err := ldapsync.SIDFromBytes(raw)
		require.NoError(t, err, text)
		require.Equal(t, text, s.String())
		require.Equal(t, string(raw), s.Raw())
		for _, spelled := range []string{text, strings.ToLower(text)} {
			p, err := ldapsync.ParseSID(spelled)
			require.NoError(t, err, text)
			require.Equal(t, s, p)
		}
	}
	require.Equal(t, "S-1-5-21-1-2-3", must(ldapsync.ParseSID("S-1-5-21-1-2-3-1104")).Domain().String())
	require.True(t, must(ldapsync.ParseSID("S-1-5")).Domain().IsZero())
	require.True(t, ldapsync.SID{}.Domain().IsZero())
	require.Equal(t, "", ldapsync.SID{}.String())
	require.Equal(t, "", ldapsync.SID{}.Raw())
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestSIDErrors(t *testing.T) {
	for _, text := range []string{"", "S", "S-1", "X-1-5", "S-2-5-18", "S-1-x", "S-1-5-", "S-1-5--1", "S-1-5-4294967296", "S-1-281474976710656",
		"S-1-0x1000000000000", "S-1-0b11", "S-1-1_0", "S-1-5-0x10", "S-1-5-+1", "S-1-5" + strings.Repeat("-1", 16), strings.Repeat("x", 1000)} {
		_, err := ldapsync.ParseSID(text)
		require.ErrorContains(t, err, "not a SID", text)
		require.Less(t, len(err.Error()), 300)
	}
	require.Equal(t, "S-1-10", must(ldapsync.ParseSID("S-1-010")).String(), "decimal, not octal")
	for _, wire := range []string{"", "01", "0105000000000005", "0201000000000005120000" + "00", "01010000000000051200000000", "0110000000000005" + strings.Repeat("00000000", 16)} {
		raw, err := hex.DecodeString(wire)
		require.NoError(t, err)
		_, err = ldapsync.SIDFromBytes(raw)
		require.Error(t, err, wire)
	}
}

func TestSIDText(t *testing.T) {
	s := must(ldapsync.ParseSID("S-1-5-18"))
	b, err := s.MarshalText()
	require.NoError(t, err)
	var u ldapsync.SID
	require.NoError(t, u.UnmarshalText(b))
	require.Equal(t, s, u)
	require.Error(t, u.UnmarshalText([]byte("x")))
	require.Equal(t, s, u)
	require.NoError(t, u.UnmarshalText(nil))
	require.True(t, u.IsZero())
}

func FuzzSID(f *testing.F) {
	f.Add([]byte("\x01\x01\x00\x00\x00\x00\x00\x05\x12\x00\x00\x00"), "S-1-5-18")
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 5}, "S-1-0xFFFFFFFFFFFF-1")
	f.Fuzz(func(t *testing.T, raw []byte, text string) {
		if s, err := ldapsync.SIDFromBytes(raw); err == nil {
			if again, err := ldapsync.ParseSID(s.String()); err != nil || again != s || s.Raw() != string(raw) {
				t.Fatalf("%x is %s, then %s: %v", raw, s, again, err)
			}
		}
		if s, err := ldapsync.ParseSID(text); err == nil {
			if again, err := ldapsync.SIDFromBytes([]byte(s.Raw())); err != nil || again != s {
				t.Fatalf("%q is %s, then %s: %v", text, s, again, err)
			}
		}
	})
}

func ExampleSIDFromBytes() {
	s, err := ldapsync.SIDFromBytes([]byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x50\x04\x00\x00"))
	fmt.Println(s, err)
	fmt.Println(s.Domain())
	// Output:
	// S-1-5-21-1-2-3-1104 <nil>
	// S-1-5-21-1-2-3
}
