package ldapsync_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
	"go.internal/hybridkit/ldapsync/memstate"
)

// oldLink is a joined object in the form states had before the present one.
const oldLink = `{"source":"0174f793-0bb5-4e97-9b7f-f6198260a8a8","sourceDN":"CN=Ann,OU=Staff,DC=ashdown,DC=example","target":"aaaaaaaa-0bb5-4e97-9b7f-f6198260a8a8","targetDN":"CN=Ann,OU=People,DC=prov,DC=example","anchor":"k/d0AbULl06bf/YZgmCoqA==","created":true,"missing":1,"owned":{"department":{"attr":"department","rule":"department","pre":["Ward 1",{"base64":"/w=="}],"written":"000102030405060708090a0b0c0d0e0f"},"title":{"attr":"title","rule":"title","written":"ffffffffffffffffffffffffffffffff"}}}`

func TestLinkForms(t *testing.T) {
	once, err := ldapsync.LinkInState([]byte(oldLink))
	require.NoError(t, err)
	require.Less(t, len(once), len(oldLink)/2)
	for _, part := range []string{"CN=Ann,OU=Staff", "CN=Ann,OU=People", "department", "Ward 1\x01\xff", "\x00\x01\x02\x03\x04\x05\x06\x07\x08"} {
		require.Contains(t, string(once), part)
	}
	again, err := ldapsync.LinkInState(once)
	require.NoError(t, err)
	require.Equal(t, once, again)
	for i := range once {
		_, err := ldapsync.LinkInState(once[:i])
		require.Error(t, err, "cut off after %d bytes", i)
	}
	for name, bad := range map[string][]byte{
		"version":  append([]byte{9}, once[1:]...),
		"flags":    append([]byte{1, 0xf0}, once[2:]...),
		"trailing": append(bytes.Clone(once), 0),
		"not JSON": []byte(`{"source":`),
		"negative": []byte(`{"missing":-1}`),
		"filed":    []byte(`{"owned":{"title":{"attr":"mail","rule":"","written":"ffffffffffffffffffffffffffffffff"}}}`),
		"digest":   []byte(`{"owned":{"title":{"attr":"title","rule":"","written":"ff"}}}`),
	} {
		_, err := ldapsync.LinkInState(bad)
		require.Error(t, err, name)
	}
}

func FuzzLink(f *testing.F) {
	f.Add([]byte(oldLink))
	if b, err := ldapsync.LinkInState([]byte(oldLink)); err == nil {
		f.Add(b)
		f.Add(b[:40])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		once, err := ldapsync.LinkInState(raw)
		if err != nil {
			return
		}
		again, err := ldapsync.LinkInState(once)
		require.NoError(t, err)
		require.Equal(t, once, again)
		if raw[0] != '{' && raw[1]&2 != 0 {
			require.Equal(t, raw, once, "there is one form of a record")
		}
	})
}

// TestOldState plans from a state whose links are all in the old form.
func TestOldState(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ids := w.users(10)
	w.device(1)
	w.cycle()
	old := memstate.New()
	n := 0
	for r, err := range w.state.Scan(ctx, "") {
		require.NoError(t, err)
		v := bytes.Clone(r.Value)
		if v[0] != '{' {
			v, err = ldapsync.LinkAsJSON(v)
			require.NoError(t, err)
			n++
		}
		require.NoError(t, old.Commit(ctx, []ldapsync.StateOp{{Key: r.Key, Value: v}}))
	}
	require.Equal(t, 11, n)
	w.State, w.state = old, old
	w.settled()
	st, err := w.Status(ctx)
	require.NoError(t, err)
	require.Equal(t, 10, st.Tracks[0].Joined)
	require.Equal(t, 1, st.Tracks[1].Created)
	require.NoError(t, w.src.Move(ids[0], ldapsync.MustParseDN("OU=TANSync,DC=ashdown,DC=example")))
	require.Equal(t, ldapsync.ActionRevert, only(t, w.cycle(), ids[0]).Action)
	w.settled()
}

func TestSpool(t *testing.T) {
	dir := t.TempDir()
	var records [][]byte
	for i := range 200 {
		records = append(records, bytes.Repeat([]byte{byte(i)}, i*i*5)) // 13 MB, of no bytes to 200 KB
	}
	n := 0
	require.NoError(t, ldapsync.Spool(dir, records, func(i int, got []byte) {
		require.True(t, bytes.Equal(records[i], got), i)
		n++
	}))
	require.Equal(t, len(records), n)
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Error(t, ldapsync.Spool(dir+"/none", records, func(int, []byte) {}))
}

func TestObjectInSpool(t *testing.T) {
	for _, o := range []ldapsync.Object{
		{},
		ldapsync.NewObject(ldapsync.GUID{1}, ldapsync.MustParseDN(`CN=Oakley\, Ann+UID=\C3\A4,OU=#0401ff,DC=ashdown`), ldapsync.Device,
			ldapsync.Values("cn", "Oakley, Ann"), ldapsync.Values("proxyAddresses", "SMTP:a@b", "", "\x00\xff"), ldapsync.Values("member", fmt.Sprint(make([]int, 500)), "x", "y", "z")).WithUnreadable("mail"),
	} {
		got, err := ldapsync.ObjectRoundTrip(o)
		require.NoError(t, err)
		require.Equal(t, o.DN.Key(), got.DN.Key())
		require.Equal(t, o.DN.String(), got.DN.String())
		require.Equal(t, o.DN.Parent().String(), got.DN.Parent().String())
		require.Equal(t, o.ID, got.ID)
		require.Equal(t, o.Class, got.Class)
		var want, have []ldapsync.Attr
		for a := range o.Attrs() {
			want = append(want, a)
		}
		for a := range got.Attrs() {
			have = append(have, a)
		}
		require.Equal(t, want, have)
	}
}
