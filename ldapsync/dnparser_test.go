package ldapsync_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"go.internal/hybridkit/ldapsync"
)

// sameDN compares everything a DN shows.
func sameDN(t testing.TB, want, got ldapsync.DN) {
	t.Helper()
	require.Equal(t, want, got)
	require.Equal(t, want.Key(), got.Key())
}

func TestDNParser(t *testing.T) {
	var p ldapsync.DNParser
	for _, text := range []string{"CN=a,OU=x,DC=y", "CN=b,OU=x,DC=y", "cn=c,OU=x,DC=y", `CN=Oakley\, Ann,OU=x,DC=y`, `CN=\ b,OU=x,DC=y`,
		"CN=A  B,OU=x,DC=y", "CN=A B,OU=x,DC=y", "cn=a=b,OU=x,DC=y", "CN=c,OU=z,DC=y", "CN=d+OU=e,OU=z,DC=y", "CN= f ,OU=z,DC=y", "CN = f,OU=z,DC=y",
		"DC=y", "CN=g", "", "CN=Zoë,OU=z,DC=y", "CN=ZOË,OU=z,DC=y", `CN=x\0ADEL:1,OU=z,DC=y`, "CN=,OU=z,DC=y", "=x,OU=z,DC=y", "CN=#41,OU=z,DC=y",
		"CN=a\tb,OU=z,DC=y", "CN=a\x7f,OU=z,DC=y", "C N=a,OU=z,DC=y", "CN=\xff,OU=z,DC=y", "2.5.4.3=a,OU=z,DC=y", "CN=a<b,OU=z,DC=y", "CN=a,,DC=y", "CN=a, OU=z,DC=y", "CN=a,OU=z,DC=y "} {
		want, werr := ldapsync.ParseDN(text)
		for range 2 { // the second time the parent is known
			got, err := p.Parse(text)
			require.Equal(t, werr, err, text)
			sameDN(t, want, got)
		}
	}
	first, err := p.Parse("CN=First,OU=z,DC=y")
	require.NoError(t, err)
	for range 1000 { // what shares memory stays what it is
		_, err := p.Parse("CN=Another,OU=z,DC=y")
		require.NoError(t, err)
	}
	sameDN(t, ldapsync.MustParseDN("CN=First,OU=z,DC=y"), first)
}

func FuzzDNParser(f *testing.F) {
	f.Add("CN=a,OU=x,DC=y", "CN=B c,OU=x,DC=y")
	f.Add("CN=a,OU=x,DC=y", `CN=\2c,OU=x,DC=y`)
	f.Add(",x", "A=,x")
	f.Fuzz(func(t *testing.T, a, b string) {
		var p ldapsync.DNParser
		for _, s := range []string{a, b, b, a} {
			want, werr := ldapsync.ParseDN(s)
			got, err := p.Parse(s)
			require.Equal(t, werr, err)
			sameDN(t, want, got)
		}
	})
}

func BenchmarkDNParser(b *testing.B) {
	names := make([]string, 1000)
	for i := range names {
		names[i] = "CN=Ann Oakley" + strings.Repeat("x", rand.IntN(9)) + ",OU=TANSyncUsers,OU=TANSync,DC=ashdown,DC=example"
	}
	b.ReportAllocs()
	var p ldapsync.DNParser
	for b.Loop() {
		for _, n := range names {
			if _, err := p.Parse(n); err != nil {
				b.Fatal(err)
			}
		}
	}
}
