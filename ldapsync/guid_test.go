package ldapsync_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

// The wire bytes of an objectGUID and its text, as an Active Directory domain controller shows both.
const (
	guidWire = "\x93\xf7\x74\x01\xb5\x0b\x97\x4e\x9b\x7f\xf6\x19\x82\x60\xa8\xa8"
	guidText = "0174f793-0bb5-4e97-9b7f-f6198260a8a8"
)

func TestGUID(t *testing.T) {
	g, err := ldapsync.GUIDFromBytes([]byte(guidWire))
	require.NoError(t, err)
	require.Equal(t, guidText, g.String())
	require.Equal(t, guidWire, g.Raw())
	require.Equal(t, "k/d0AbULl06bf/YZgmCoqA==", g.ImmutableID(), "base64 of the bytes, not of the text")
	require.Equal(t, `\93\f7\74\01\b5\0b\97\4e\9b\7f\f6\19\82\60\a8\a8`, g.FilterText())
	for _, text := range []string{guidText, strings.ToUpper(guidText), "{" + guidText + "}"} {
		p, err := ldapsync.ParseGUID(text)
		require.NoError(t, err)
		require.Equal(t, g, p)
	}
	require.False(t, g.IsZero())
	require.True(t, ldapsync.GUID{}.IsZero())
}

func TestGUIDErrors(t *testing.T) {
	for _, text := range []string{"", "x", guidText[1:], guidText + "0", "{" + guidText, guidText + "}", strings.ReplaceAll(guidText, "-", ""),
		"0174f793-0bb5-4e97-9b7f-f6198260a8ag", "0174f7930-bb5-4e97-9b7f-f6198260a8a8", "0174f793-0bb5-4e97-9b7f-f6198260a-a8", strings.Repeat("x", 1000)} {
		_, err := ldapsync.ParseGUID(text)
		require.ErrorContains(t, err, "not a GUID", text)
		require.Less(t, len(err.Error()), 200)
	}
	for _, n := range []int{0, 15, 17} {
		_, err := ldapsync.GUIDFromBytes(make([]byte, n))
		require.ErrorContains(t, err, "16 bytes")
	}
}

func TestGUIDText(t *testing.T) {
	type doc struct {
		A ldapsync.GUID `json:"a"`
		B ldapsync.GUID `json:"b,omitzero"`
	}
	g := mustGUID(guidText)
	b, err := json.Marshal(doc{A: g})
	require.NoError(t, err)
	require.JSONEq(t, `{"a":"`+guidText+`"}`, string(b))
	var d doc
	require.NoError(t, json.Unmarshal([]byte(`{"a":"","b":"`+guidText+`"}`), &d))
	require.Equal(t, doc{B: g}, d)
	require.Error(t, json.Unmarshal([]byte(`{"a":"x"}`), &d))
}

func FuzzParseGUID(f *testing.F) {
	f.Add(guidText)
	f.Add("{" + guidText + "}")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		g, err := ldapsync.ParseGUID(s)
		if err != nil {
			return
		}
		if again, err := ldapsync.ParseGUID(g.String()); err != nil || again != g || !strings.EqualFold(strings.Trim(s, "{}"), g.String()) {
			t.Fatalf("%q is %s, then %s: %v", s, g, again, err)
		}
	})
}

func ExampleGUID() {
	g, err := ldapsync.GUIDFromBytes([]byte("\x93\xf7\x74\x01\xb5\x0b\x97\x4e\x9b\x7f\xf6\x19\x82\x60\xa8\xa8"))
	fmt.Println(g, err)
	fmt.Println("immutableId", g.ImmutableID())
	fmt.Println("(objectGUID=" + g.FilterText() + ")")
	// Output:
	// 0174f793-0bb5-4e97-9b7f-f6198260a8a8 <nil>
	// immutableId k/d0AbULl06bf/YZgmCoqA==
	// (objectGUID=\93\f7\74\01\b5\0b\97\4e\9b\7f\f6\19\82\60\a8\a8)
}
