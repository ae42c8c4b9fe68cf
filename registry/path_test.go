package registry_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.internal/hybridkit/registry"
)

func TestParsePath(t *testing.T) {
	for in, want := range map[string]string{
		`HKEY_LOCAL_MACHINE\SOFTWARE\A`: `HKEY_LOCAL_MACHINE\SOFTWARE\A`, `hklm\SOFTWARE\A`: `HKEY_LOCAL_MACHINE\SOFTWARE\A`, `HKLM:\A`: `HKEY_LOCAL_MACHINE\A`,
		`HKCU`: `HKEY_CURRENT_USER`, `HKU\.DEFAULT\x\`: `HKEY_USERS\.DEFAULT\x`, `HKLM\\a\\\b\\`: `HKEY_LOCAL_MACHINE\a\b`, `HKCR\a/b`: `HKEY_CLASSES_ROOT\a/b`,
		`Microsoft.PowerShell.Core\Registry::HKEY_CURRENT_CONFIG\x`: `HKEY_CURRENT_CONFIG\x`, `HKLM\ a `: `HKEY_LOCAL_MACHINE\ a `,
	} {
		p, err := registry.ParsePath(in)
		require.NoError(t, err)
		require.Equal(t, want, p.String(), in)
		again, err := registry.ParsePath(p.Short())
		require.NoError(t, err)
		require.Equal(t, p, again)
		b, err := json.Marshal(map[string]registry.Path{"p": p})
		require.NoError(t, err)
		var back map[string]registry.Path
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, p, back["p"])
	}
	for _, bad := range []string{``, `SOFTWARE\A`, `\HKLM\A`, `HKLM/A`, `HKEY_NOPE\A`, ` HKLM\A`, `::`} {
		_, err := registry.ParsePath(bad)
		require.ErrorIs(t, err, registry.ErrHive, bad)
	}
}

func TestHives(t *testing.T) {
	for h := range registry.Hive(10) {
		_ = h.String() + h.Short()
		if back, ok := registry.ParseHive(h.String()); h >= registry.LocalMachine && h <= registry.CurrentConfig {
			require.True(t, ok)
			require.Equal(t, h, back)
		} else {
			require.False(t, ok)
		}
	}
	require.Equal(t, "Hive(255)", registry.Hive(255).String())
}

func TestPathRelations(t *testing.T) {
	p := registry.HKLM(`SOFTWARE\Größe\Ab`)
	require.True(t, p.Equal(registry.HKLM(`software\GRÖßE\aB`)))
	require.False(t, p.Equal(registry.HKCU(`SOFTWARE\Größe\Ab`)))
	require.Equal(t, p.Fold(), registry.HKLM(`Software\gRÖßE\AB`).Fold())
	require.True(t, p.Under(registry.HKLM(`SOFTWARE`)))
	require.True(t, p.Under(registry.HKLM(``)))
	require.True(t, p.Under(p))
	require.False(t, p.Under(registry.HKLM(`SOFT`)))
	require.False(t, p.Under(registry.HKLM(`SOFTWARE\Größe\Ab\C`)))
	rel, ok := p.Rel(registry.HKLM(`software`))
	require.True(t, ok)
	require.Equal(t, `Größe\Ab`, rel)
	require.Equal(t, registry.HKLM(`SOFTWARE\Größe`), p.Parent())
	require.Equal(t, `Ab`, p.Base())
	require.Equal(t, registry.HKLM(``), registry.HKLM(`SOFTWARE`).Parent())
	require.Equal(t, registry.HKLM(``), registry.HKLM(``).Parent())
	require.Equal(t, p, registry.HKLM(`SOFTWARE`).Join(`\Größe\\Ab\`))
	require.Equal(t, p, p.Join(``))
	require.True(t, registry.Path{}.IsZero())
}

func TestViews(t *testing.T) {
	for in, want := range map[string]string{
		`HKLM\SOFTWARE\Microsoft\Cryptography\MSCEP`: `HKLM\SOFTWARE\WOW6432Node\Microsoft\Cryptography\MSCEP`,
		`HKLM\SOFTWARE`:                    `HKLM\SOFTWARE\WOW6432Node`,
		`HKLM\SOFTWARE\Policies\Microsoft`: `HKLM\SOFTWARE\Policies\Microsoft`,
		`HKLM\SYSTEM\CurrentControlSet`:    `HKLM\SYSTEM\CurrentControlSet`,
		`HKLM\SOFTWARE\Classes\CLSID\x`:    `HKLM\SOFTWARE\Classes\WOW6432Node\CLSID\x`,
		`HKCR\CLSID\x`:                     `HKCR\WOW6432Node\CLSID\x`,
		`HKCU\Software\Ashdown`:            `HKCU\Software\Ashdown`,
	} {
		p, err := registry.ParsePath(in)
		require.NoError(t, err)
		require.Equal(t, p, p.In(registry.View64))
		w := p.In(registry.View32)
		require.Equal(t, want, w.Short())
		require.Equal(t, w, w.In(registry.View32), "twice is once")
		back, view := w.Logical()
		require.Equal(t, p, back)
		require.Equal(t, w != p, view == registry.View32)
	}
}

func TestControlSet(t *testing.T) {
	p, n := registry.HKLM(`SYSTEM\ControlSet002\Services\HTTP`).ControlSet()
	require.Equal(t, 2, n)
	require.Equal(t, registry.HKLM(`SYSTEM\CurrentControlSet\Services\HTTP`), p)
	for _, other := range []string{`SYSTEM\CurrentControlSet\x`, `SYSTEM\ControlSet\x`, `SYSTEM\ControlSet0x1`, `SYSTEM\ControlSet000`, `SOFTWARE\ControlSet001`, `SYSTEM`} {
		p, n := registry.HKLM(other).ControlSet()
		require.Zero(t, n, other)
		require.Equal(t, registry.HKLM(other), p)
	}
}

func TestFold(t *testing.T) {
	for _, pair := range [][2]string{{"abc", "ABC"}, {"ü", "Ü"}, {"я", "Я"}, {"", ""}, {"\xED\xA0\x80a", "\xED\xA0\x80A"}, {"ÿ", "Ÿ"}} {
		require.Equal(t, registry.Fold(pair[0]), registry.Fold(pair[1]))
		require.True(t, registry.EqualFold(pair[0], pair[1]))
	}
	for _, pair := range [][2]string{{"ı", "I"}, {"ſ", "S"}, {"a", "b"}, {"a", "aa"}, {"ß", "SS"}, {"\xED\xA0\x80", "\xED\xA0\x81"}, {"😀", "😁"}, {"ÿ", "y"}} {
		require.NotEqual(t, registry.Fold(pair[0]), registry.Fold(pair[1]))
		require.False(t, registry.EqualFold(pair[0], pair[1]))
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Aü", "aÜ")
	f.Add("\xED\xA0\x80x", "\xFF")
	f.Fuzz(func(t *testing.T, a, b string) {
		if registry.EqualFold(a, b) != (registry.Fold(a) == registry.Fold(b)) {
			t.Fatalf("%q %q", a, b)
		}
		if once := registry.Fold(a); registry.Fold(once) != once {
			t.Fatalf("%q folds to %q and that to %q", a, once, registry.Fold(once))
		}
	})
}

func FuzzUTF16(f *testing.F) {
	f.Add([]byte("a\x00\x3D\xD8\x00\xDE\x00\xD8\x00\xDC"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if back := registry.AppendUTF16(nil, registry.FromUTF16(b)); string(back) != string(b[:len(b)&^1]) {
			t.Fatalf("% x came back as % x", b, back)
		}
	})
}

func FuzzParsePath(f *testing.F) {
	f.Add(`HKLM\\SOFTWARE\WOW6432Node\x\`)
	f.Add(`Registry::HKEY_USERS`)
	f.Fuzz(func(t *testing.T, s string) {
		p, err := registry.ParsePath(s)
		if err != nil {
			return
		}
		again, err := registry.ParsePath(p.String())
		if err != nil || again != p {
			t.Fatalf("%q: %v, %v, %v", s, p, again, err)
		}
		_, _ = p.Logical()
		_, _ = p.ControlSet()
		if w := p.In(registry.View32); w.In(registry.View32) != w {
			t.Fatalf("%v in the 32-bit view twice", p)
		}
		if !p.Under(p) || !p.Under(p.Parent()) {
			t.Fatalf("%v is not below itself", p)
		}
	})
}
