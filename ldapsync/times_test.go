package ldapsync_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

func TestFiletime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"1":                   time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC),
		"116444736000000000":  time.Unix(0, 0).UTC(),
		"116444735999999999":  time.Unix(-1, 999999900).UTC(),
		"134396847021234567":  time.Date(2026, 11, 20, 21, 45, 2, 123456700, time.UTC),
		"9223372036854775806": time.Date(30828, 9, 14, 2, 48, 5, 477580600, time.UTC),
	} {
		got, ok, err := ldapsync.ParseFiletime(text)
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, want, got)
		if want.Year() <= 30827 {
			require.Equal(t, text, ldapsync.FormatFiletime(want))
		}
	}
	for _, never := range []string{"0", "9223372036854775807"} {
		_, ok, err := ldapsync.ParseFiletime(never)
		require.NoError(t, err)
		require.False(t, ok)
	}
	for _, bad := range []string{"", "x", "-1", "1.5", "9223372036854775808", " 1"} {
		_, _, err := ldapsync.ParseFiletime(bad)
		require.ErrorContains(t, err, "not a FILETIME", bad)
	}
	require.Equal(t, "0", ldapsync.FormatFiletime(time.Time{}))
	require.Equal(t, "9223372036854775807", ldapsync.FormatFiletime(time.Date(40000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

func TestGeneralizedTime(t *testing.T) {
	at := time.Date(2026, 11, 20, 21, 45, 2, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"20261120214502.0Z":                    at,
		"20261120214502Z":                      at,
		"20261120214502,25Z":                   at.Add(250 * time.Millisecond),
		"202611202145Z":                        at.Add(-2 * time.Second),
		"202611202145.5Z":                      at.Add(28 * time.Second),
		"2026112021Z":                          at.Add(-45*time.Minute - 2*time.Second),
		"2026112021.75Z":                       at.Add(-2 * time.Second),
		"20261120224502+0100":                  at,
		"20261120224502+01":                    at,
		"20261120191502-0230":                  at,
		"20261120214502.12345678901234567890Z": at.Add(123456789),
		"20240229000000Z":                      time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		got, err := ldapsync.ParseGeneralizedTime(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, bad := range []string{"", "Z", "20261120214502", "20261320000000Z", "20230229000000Z", "20261120214502.Z", "20261120214502z", "20261120214502+1", "20261120214502+2500",
		"20261120214502+0060", "20261120214502+01000", "20261120214502Zx", "261120214502Z0", "2026112021450Z", "20261120214502+x100", "20261120214502+ 100", "20261120214502++100"} {
		_, err := ldapsync.ParseGeneralizedTime(bad)
		require.ErrorContains(t, err, "not a GeneralizedTime", bad)
	}
	require.Equal(t, "20261120214502.0Z", ldapsync.FormatGeneralizedTime(at.In(time.FixedZone("", 3600))))
}

func FuzzTimes(f *testing.F) {
	for _, s := range []string{"0", "134396847021234567", "20261120214502.0Z", "2026112021.75+0100", "20261120214502,5-01"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if v, ok, err := ldapsync.ParseFiletime(s); err == nil && ok && v.Year() <= 30827 {
			if again, _, err := ldapsync.ParseFiletime(ldapsync.FormatFiletime(v)); err != nil || !again.Equal(v) {
				t.Fatalf("%q is %v, then %v", s, v, again)
			}
		}
		if v, err := ldapsync.ParseGeneralizedTime(s); err == nil && v.Year() > 0 && v.Year() < 10000 {
			if again, err := ldapsync.ParseGeneralizedTime(ldapsync.FormatGeneralizedTime(v)); err != nil || !again.Equal(v.Truncate(time.Second)) {
				t.Fatalf("%q is %v, then %v", s, v, again)
			}
		}
	})
}

func ExampleParseFiletime() {
	for _, accountExpires := range []string{"134396847021234567", "9223372036854775807"} {
		t, ok, err := ldapsync.ParseFiletime(accountExpires)
		if !ok {
			fmt.Println("never", err)
			continue
		}
		fmt.Println(t.Format(time.RFC3339), err)
	}
	// Output:
	// 2026-11-20T21:45:02Z <nil>
	// never <nil>
}
