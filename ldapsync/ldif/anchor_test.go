package ldif_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/ldif"
)

// TestAbsentAnchorIsBelieved: many forests have mS-DS-ConsistencyGuid on no object, so an export without it must
// not hold everybody. A list of exported attributes is believed instead, where there is one.
func TestAbsentAnchorIsBelieved(t *testing.T) {
	const export = "dn: CN=Ann,OU=Staff,DC=ashdown,DC=example\nobjectClass: user\nobjectGUID:: AAECAwQFBgcICQoLDA0ODw==\nmail: ann@ashdown.example\n"
	id, err := ldapsync.GUIDFromBytes([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"))
	require.NoError(t, err)
	ask := []string{"ms-ds-consistencyguid", "title"}
	for _, c := range []struct {
		attrs []string
		want  []ldapsync.Presence
	}{
		{nil, []ldapsync.Presence{ldapsync.Absent, ldapsync.Unreadable}},
		{[]string{"mail", "title"}, []ldapsync.Presence{ldapsync.Unreadable, ldapsync.Absent}},
	} {
		src, err := ldif.Parse(strings.NewReader(export), ldif.Config{Attrs: c.attrs})
		require.NoError(t, err)
		got, err := src.VerifyAbsent(t.Context(), id, ask)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}
